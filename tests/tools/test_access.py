"""Kiali, Grafana and Prometheus are for some addresses only."""

from __future__ import annotations

import fnmatch
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from tests.conftest import StandIns
from tools import access
from tools.access import AccessError

ROOT = Path(__file__).resolve().parents[2]


def test_blocks() -> None:
    assert access.blocks("203.0.113.7, 198.51.100.0/24") == ["203.0.113.7/32", "198.51.100.0/24"]
    assert access.blocks("2001:db8::/32") == ["2001:db8::/32"]
    wrong = {"": "empty", "me": "203.0.113.7 or", "10.0.0.1/8": "host bits", "0.0.0.0/0": "everybody"}
    for text, message in wrong.items():
        with pytest.raises(AccessError, match=message):
            access.blocks(text)


def test_every_path_of_the_monitoring_routes_is_covered() -> None:
    """Whatever a route takes, %2F for a slash included: the programs behind it decode that, the gateway does not."""
    documents = yaml.safe_load_all((ROOT / "cluster/monitoring-virtualservice.yaml").read_text())
    (routes,) = (document for document in documents if document["kind"] == "VirtualService")
    for route in routes["spec"]["http"]:
        for match in route["match"]:
            (kind, text), = match["uri"].items()
            assert kind in ("prefix", "exact")
            for path in (text, *(f"{text}{more}" for more in ("/", "/api", "%2Fapi", ";", "x") if kind == "prefix")):
                assert any(fnmatch.fnmatchcase(path, pattern) for pattern in access.PATHS), path


@pytest.fixture
def whoami() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"203.0.113.7\n")

        def log_message(self, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def run(standins: StandIns, checkout: Path, fails: bool = False, **env: str) -> str:
    standins.forget()
    done = standins.run("make", "-e", "-f", "k8s.mak", "access", cwd=checkout, env=env)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def applied(standins: StandIns) -> list[str]:
    (text,) = standins.stdin("kubectl apply -f -")
    rule = json.loads(text)["spec"]["rules"][0]
    assert rule["to"][0]["operation"]["paths"] == list(access.PATHS)
    found: list[str] = rule["from"][0]["source"]["notIpBlocks"]
    return found


def test_the_callers_address(standins: StandIns, checkout: Path, whoami: str) -> None:
    said = run(standins, checkout, WHO_AM_I=whoami)
    assert applied(standins) == ["203.0.113.7/32"]
    assert "may be seen from 203.0.113.7/32" in said


def test_a_list(standins: StandIns, checkout: Path) -> None:
    run(standins, checkout, ALLOW_FROM="198.51.100.0/24,203.0.113.9")
    assert applied(standins) == ["198.51.100.0/24", "203.0.113.9/32"]


@pytest.mark.parametrize("context", ["minikube", "kind-c756"])
def test_a_cluster_on_this_machine(standins: StandIns, checkout: Path, context: str) -> None:
    standins.answer("config current-context", f"{context}\n")
    run(standins, checkout)
    assert applied(standins) == list(access.PRIVATE)


def test_what_cannot_be_used_opens_nothing(standins: StandIns, checkout: Path) -> None:
    for env in ({"ALLOW_FROM": ""}, {"ALLOW_FROM": "0.0.0.0/0"}, {"WHO_AM_I": "http://127.0.0.1:9/"}):
        said = run(standins, checkout, fails=True, **env)
        assert "ALLOW_FROM" in said
        assert standins.stdin("kubectl apply -f -") == []


def test_a_policy_that_is_refused_is_no_success(standins: StandIns, checkout: Path) -> None:
    standins.answer("apply -f -", "admission webhook denied the request\n", 1)
    assert "denied the request" in run(standins, checkout, fails=True, ALLOW_FROM="203.0.113.9")


def test_pocket_is_open_to_this_machine_only_and_nobody_is_asked(standins: StandIns, checkout: Path) -> None:
    """It stores such policies, without effect. `make up` must not need the internet for that."""
    standins.answer("config current-context", "pocket\n")
    run(standins, checkout, WHO_AM_I="http://127.0.0.1:9/")
    assert standins.stdin("kubectl apply -f -") == []


def test_a_cluster_that_knows_no_such_policies(standins: StandIns, checkout: Path) -> None:
    nothing = "Error from server (NotFound): the server could not find the requested resource\n"
    standins.answer("get --raw /apis/security.istio.io/v1", nothing, 1)
    assert run(standins, checkout) == ""
    assert standins.calls[2:] == ["kubectl get --raw /apis/security.istio.io/v1"]  # once it has answered at all


@pytest.mark.parametrize("said", ["The connection to the server was refused", "Error from server (Forbidden): no"])
def test_a_cluster_that_cannot_be_asked_is_no_open_one(standins: StandIns, checkout: Path, said: str) -> None:
    standins.answer("get --raw /apis/security.istio.io/v1", said + "\n", 1)
    done = standins.run("make", "-f", "k8s.mak", "access", "ALLOW_FROM=203.0.113.7", cwd=checkout)
    assert done.returncode != 0
    assert said in done.stderr
    assert not any("apply" in call for call in standins.calls)
