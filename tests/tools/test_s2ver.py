"""Switching the music traffic: what is done in which order, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import StandIns

HOST = "cmpt756s2.c756ns.svc.cluster.local"


def config_dump(shares: dict[str, int]) -> str:
    clusters = [{"name": f"outbound|30001|{name}|{HOST}", "weight": weight} for name, weight in shares.items()]
    route: dict[str, Any] = {
        "match": {"prefix": "/api/v1/music"},
        "route": {"weighted_clusters": {"clusters": clusters}},
    }
    config = {"name": "http.8080", "virtual_hosts": [{"routes": [route]}]}
    return json.dumps({"configs": [{"dynamic_route_configs": [{"route_config": config}]}]})


@pytest.fixture
def cluster(standins: StandIns, checkout: Path) -> StandIns:
    """Both versions serve, the gateway follows; `make` is a stand-in as well."""
    standins.program("make")
    standins.answer("get deployment cmpt756s2-", "1")
    standins.answer("get pods -l istio=ingressgateway", "pod/istio-ingressgateway-1\npod/istio-ingressgateway-2\n")
    for version in ("v1", "v2"):
        text = (checkout / f"cluster/s2-vs-{version}.yaml").read_text()
        standins.answer(
            f"create --dry-run=client -o json -f cluster/s2-vs-{version}.yaml",
            "".join(json.dumps(document) + "\n" for document in yaml.safe_load_all(text)),
        )
    return standins


def steps(cluster: StandIns) -> list[str]:
    """What changes something, or looks at the gateway."""
    words = ("make", "kubectl apply", "config_dump")
    return [call for call in cluster.calls if any(word in call for word in words)]


DUMP = "-c istio-proxy -- pilot-agent request GET config_dump?resource=dynamic_route_configs"


def test_forward_deploys_first_and_waits_for_every_gateway(cluster: StandIns, checkout: Path) -> None:
    cluster.answer("config_dump", config_dump({"v1": 90, "v2": 10}))
    done = cluster.run("tools/s2-switch.sh", "v2", cwd=checkout)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "music is served by: v1 90 %, v2 10 % (in force at the ingress gateway)"
    assert steps(cluster) == [
        "make -e --no-print-directory -f k8s.mak s2-code",
        "kubectl apply -f cluster/s2-vs-v2.yaml -f cluster/s2-vs.yaml",
        f"kubectl -n istio-system exec pod/istio-ingressgateway-1 {DUMP}",
        f"kubectl -n istio-system exec pod/istio-ingressgateway-2 {DUMP}",
    ]


def test_back_to_a_version_that_runs_changes_the_routes_first(cluster: StandIns, checkout: Path) -> None:
    cluster.answer("config_dump", config_dump({"v1": 100}))
    done = cluster.run("tools/s2-switch.sh", "v1", cwd=checkout)
    assert done.returncode == 0, done.stderr
    assert "served by: v1 100 % (" in done.stdout
    assert [step.split()[1] for step in steps(cluster)] == ["apply", "-n", "-n", "-e"]


def test_back_to_a_version_that_is_gone_deploys_it_first(cluster: StandIns, checkout: Path) -> None:
    cluster.answer("config_dump", config_dump({"v1": 100}))
    cluster.answer("get deployment cmpt756s2-v1", "")
    done = cluster.run("tools/s2-switch.sh", "v1", cwd=checkout)
    assert steps(cluster)[0].startswith("make")
    # The stand-in for make has started nothing, so the routes must not be applied either.
    assert done.returncode != 0
    assert "sends 100 % to v1, which does not run" in done.stderr
    assert len(steps(cluster)) == 1


def test_routes_to_a_version_that_does_not_run_are_refused(cluster: StandIns, checkout: Path) -> None:
    cluster.answer("get deployment cmpt756s2-v1", "")
    done = cluster.run("tools/s2-switch.sh", "v2", cwd=checkout)
    assert done.returncode != 0
    assert "cluster/s2-vs-v2.yaml sends 90 % to v1, which does not run. First: tools/s2ver.sh v1" in done.stderr
    assert not any("apply" in step for step in steps(cluster))


def test_a_failed_deployment_leaves_the_routes_alone(cluster: StandIns, checkout: Path) -> None:
    cluster.answer("^make", "image does not build\n", 2)
    done = cluster.run("tools/s2-switch.sh", "v2", cwd=checkout)
    assert done.returncode != 0
    assert not any("kubectl apply" in step for step in steps(cluster))


def test_routes_that_do_not_come_into_force_are_told(cluster: StandIns, checkout: Path) -> None:
    cluster.answer("config_dump", config_dump({"v1": 100}))
    done = cluster.run("tools/s2-switch.sh", "v2", cwd=checkout, env={"WAIT": "1"})
    assert done.returncode != 0
    assert 'after 1 s the ingress gateway still serves "v1=100" and not "v1=90 v2=10"' in done.stderr


def test_routes_that_a_proxy_refuses_end_it_with_the_reason(cluster: StandIns, checkout: Path) -> None:
    cluster.answer("config_dump", config_dump({"v1": 100}))
    cluster.answer("get virtualservice/cmpt756s2-weights", "3|3|False|the Envoy of istio-system/gateway refuses it: a(")
    done = cluster.run("tools/s2-switch.sh", "v2", cwd=checkout)
    assert done.returncode != 0
    assert "the Envoy of istio-system/gateway refuses it: a(." in done.stderr
    assert "describe virtualservice/cmpt756s2-weights" in done.stderr


def test_a_refusal_of_an_earlier_version_is_none(cluster: StandIns, checkout: Path) -> None:
    cluster.answer("config_dump", config_dump({"v1": 90, "v2": 10}))
    cluster.answer("get virtualservice/cmpt756s2-weights", "4|3|False|the Envoy of istio-system/gateway refuses it: a(")
    assert cluster.run("tools/s2-switch.sh", "v2", cwd=checkout).returncode == 0


GENERATION = "get virtualservice/cmpt756s2-weights --ignore-not-found"


@pytest.mark.parametrize(
    ("version", "when", "applied"),
    [
        pytest.param("v2", "make -e", False, id="while the code was deployed"),
        pytest.param("v2", "config_dump", True, id="before it was in force"),
        pytest.param("v1", "make -e", True, id="after it was in force"),
    ],
)
def test_who_loses_a_race_says_so(
    cluster: StandIns, checkout: Path, version: str, when: str, applied: bool
) -> None:
    """Two at once: only one can be in force."""
    cluster.answer("config_dump", config_dump({"v1": 90, "v2": 10} if version == "v2" else {"v1": 100}))
    cluster.answer(GENERATION, "3")
    cluster.answer(GENERATION, "4", after="kubectl apply")
    cluster.answer(GENERATION, "5", after=when)
    done = cluster.run("tools/s2-switch.sh", version, cwd=checkout)
    assert done.returncode == 1
    assert f"somebody else changed the weights meanwhile: they are not those of cluster/s2-vs-{version}" in done.stderr
    assert "in force" not in done.stdout
    assert any("kubectl apply" in call for call in cluster.calls) == applied


def test_a_race_with_nobody(cluster: StandIns, checkout: Path) -> None:
    cluster.answer("config_dump", config_dump({"v1": 90, "v2": 10}))
    cluster.answer(GENERATION, "3")
    cluster.answer(GENERATION, "4", after="kubectl apply")
    assert cluster.run("tools/s2-switch.sh", "v2", cwd=checkout).returncode == 0


@pytest.mark.parametrize("arguments", [("v9",), (), ("v1", "v2"), ("../s2-dpl-v1",)])
def test_an_unknown_version_lists_the_known(cluster: StandIns, checkout: Path, arguments: tuple[str, ...]) -> None:
    done = cluster.run("tools/s2-switch.sh", *arguments, cwd=checkout)
    assert done.returncode != 0
    assert "Known: v1 v2" in done.stderr
    assert steps(cluster) == []


def test_known_versions_come_from_the_files(cluster: StandIns, checkout: Path) -> None:
    shutil.copy(checkout / "cluster/s2-dpl-v2.yaml", checkout / "cluster/s2-dpl-v3.yaml")
    assert "Known: v1 v2 v3" in cluster.run("tools/s2-switch.sh", "v9", cwd=checkout).stderr
    assert "no routes" in cluster.run("tools/s2-switch.sh", "v3", cwd=checkout).stderr


def test_s2ver_is_a_short_name_for_a_target(cluster: StandIns, checkout: Path) -> None:
    assert cluster.run("tools/s2ver.sh", "v2", cwd=checkout).returncode == 0
    assert cluster.calls == ["make -e --no-print-directory -f k8s.mak s2"]
    for arguments in ((), ("v2", "v1")):
        cluster.forget()
        done = cluster.run("tools/s2ver.sh", *arguments, cwd=checkout)
        assert done.returncode == 1
        assert done.stderr == "s2ver.sh: usage: tools/s2ver.sh VERSION. Known: v1 v2\n"
        assert cluster.calls == []


def test_a_cluster_that_does_not_answer(cluster: StandIns, checkout: Path) -> None:
    """After a reboot the context is still there. kubectl's own advice, --validate=false, would help nobody."""
    refused = "memcache.go:265] Unhandled Error\nThe connection to the server 127.0.0.1:20000 was refused\n"
    cluster.answer("config current-context", "pocket\n")
    cluster.answer("get --raw /version", refused, 1)
    done = cluster.run("tools/s2-switch.sh", "v2", cwd=checkout)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0].startswith(
        's2-switch.sh: the cluster of context "pocket" cannot be asked: The conn'
    )
    assert "make up" in done.stderr
    assert steps(cluster) == []


def test_a_weight_that_is_none_ends_before_anything_is_done(cluster: StandIns, checkout: Path) -> None:
    file = checkout / "cluster/s2-vs-v2.yaml"
    documents = yaml.safe_load_all(file.read_text().replace("weight: 10\n", "weight: ten\n"))
    cluster.answer("create --dry-run=client", "".join(json.dumps(document) + "\n" for document in documents))
    done = cluster.run("tools/s2-switch.sh", "v2", cwd=checkout)
    assert done.returncode != 0
    assert 'the weight of v2 is "ten": it must be a whole number' in done.stderr
    assert "Traceback" not in done.stderr
    assert steps(cluster) == []


@pytest.fixture
def gateway_api(cluster: StandIns, checkout: Path) -> StandIns:
    """The same with the Gateway API's kinds."""
    cluster.answer("api-resources --api-group=gateway.networking.k8s.io", "httproutes.gateway.networking.k8s.io\n")
    file = "cluster/gateway-api/s2-route-v2.yaml"
    route = yaml.safe_load((checkout / file).read_text())
    cluster.answer(f"create --dry-run=client -o json -f {file}", json.dumps(route) + "\n")
    return cluster


def test_gateway_api_takes_the_place_of_virtual_services(gateway_api: StandIns, checkout: Path) -> None:
    versions = {"v1": 90, "v2": 10}
    clusters = [
        {"name": f"outbound|30001||cmpt756s2-{name}.c756ns.svc.cluster.local", "weight": weight}
        for name, weight in versions.items()
    ]
    dump = json.loads(config_dump(versions))
    (host,) = dump["configs"][0]["dynamic_route_configs"][0]["route_config"]["virtual_hosts"]
    host["routes"][0]["route"]["weighted_clusters"]["clusters"] = clusters
    gateway_api.answer("config_dump", json.dumps(dump))
    done = gateway_api.run("tools/s2-switch.sh", "v2", cwd=checkout, env={"ROUTES": "gateway-api"})
    assert done.returncode == 0, done.stderr
    assert "served by: v1 90 %, v2 10 % (" in done.stdout
    changes = [call for call in gateway_api.calls if any(word in call for word in (" apply ", " wait ", " delete "))]
    assert [change.split(" ", 3)[:3] for change in changes] == [
        ["kubectl", "apply", "-f"], ["kubectl", "-n", "c756ns"], ["kubectl", "-n", "c756ns"]
    ]  # fmt: skip
    assert changes[0].startswith("kubectl apply -f cluster/gateway-api/s2-route-v2.yaml -f cluster/gateway-api/gateway")
    assert "wait httproutes" in changes[1]
    assert "delete virtualservices.networking.istio.io cmpt756s1 cmpt756s2 " in changes[2]


def test_back_from_the_gateway_api(gateway_api: StandIns, checkout: Path) -> None:
    gateway_api.answer("config_dump", config_dump({"v1": 90, "v2": 10}))
    gateway_api.answer("get httproutes.gateway.networking.k8s.io cmpt756s1", "httproute/cmpt756s1\n")
    done = gateway_api.run("tools/s2-switch.sh", "v2", cwd=checkout)
    assert done.returncode == 0, done.stderr
    changes = [call for call in gateway_api.calls if " apply " in call or " delete " in call]
    assert changes == [
        "kubectl apply -f cluster/s2-vs-v2.yaml -f cluster/s2-vs.yaml",
        "kubectl apply -f cluster/s1-vs.yaml",
        "kubectl -n c756ns delete httproutes.gateway.networking.k8s.io cmpt756s1 cmpt756s2 --ignore-not-found",
    ]


def test_other_kinds_of_routes_are_refused(cluster: StandIns, checkout: Path) -> None:
    done = cluster.run("tools/s2-switch.sh", "v2", cwd=checkout, env={"ROUTES": "ingress"})
    assert done.returncode != 0
    assert "ROUTES=ingress: it is virtualservice (or nothing) or gateway-api" in done.stderr
