from __future__ import annotations

import os
from pathlib import Path

from pocket.mesh.bootstrap import bootstrap, complete, envoy_argv
from pocket.mesh.translate import translate
from pocket.programs import envoy
from tests.pocket.mesh.kit import gateway_proxy, service, sidecar, snapshot


def test_the_admin_interface_is_a_private_socket() -> None:
    assert bootstrap(sidecar())["admin"] == {"address": {"pipe": {"path": "admin.sock", "mode": 0o600}}}


def test_of_it_only_statistics_are_on_another_private_socket() -> None:
    (listener,) = bootstrap(sidecar())["static_resources"]["listeners"]
    assert listener["address"] == {"pipe": {"path": "stats.sock", "mode": 0o600}}
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    ((statistics, ready),) = [host["routes"] for host in manager["route_config"]["virtual_hosts"]]
    assert statistics["match"] == {"path": "/stats/prometheus"}
    assert (ready["match"], "route" in ready) == ({"path": "/healthz/ready"}, False)


def test_nothing_depends_on_where_the_proxy_runs() -> None:
    assert bootstrap(sidecar(directory="/a")) == bootstrap(sidecar(directory="/b"))


def test_who_it_is() -> None:
    assert bootstrap(sidecar())["node"]["id"] == "sidecar~127.0.0.1~s1-1.music~music.svc.cluster.local"
    assert bootstrap(gateway_proxy())["node"]["id"].startswith("router~")


def test_envoy_is_there_and_is_started_lean() -> None:
    assert os.access(envoy(), os.X_OK)
    argv = envoy_argv(Path("/envoy"))
    assert argv[0] == "/envoy"
    assert argv[argv.index("--concurrency") + 1] == "1"


def test_the_complete_document_has_the_routes_in_place() -> None:
    config = translate(snapshot(service()), sidecar())
    whole = complete(sidecar(), config)
    assert "dynamic_resources" not in whole
    managers = [
        one["typed_config"]
        for listener in whole["static_resources"]["listeners"]
        for chain in listener["filter_chains"]
        for one in chain["filters"]
    ]
    assert all("rds" not in manager for manager in managers)
    assert any(manager.get("route_config", {}).get("name") == "http_proxy" for manager in managers)
    assert "rds" in str(config.listeners)  # the original is as it was
