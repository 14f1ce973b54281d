"""Webhooks: a real HTTPS server on loopback is asked about real requests."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pocket.objects import Obj
from pocket.tls import ensure_certificate
from tests.pocket.api.live import Answer, Cluster

GROUP = "/apis/admissionregistration.k8s.io/v1"
CONFIGS = "/api/v1/namespaces/default/configmaps"
RULE: Obj = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}


class Hook:
    """A webhook, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[Obj] = []
        self.paths: list[str] = []
        self.answer: Callable[[Obj], Obj] = lambda request: {"allowed": True}
        authority, certificate, key = ensure_certificate(folder)
        self.bundle = base64.b64encode(authority.read_bytes()).decode()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.asked.append(review["request"])
                hook.paths.append(self.path)
                told = {"uid": review["request"]["uid"], **hook.answer(review["request"])}
                body = json.dumps({**review, "request": None, "response": told}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]

    def entry(self, name: str = "a.example.com", **more: Any) -> Obj:
        """As it stands in a configuration."""
        return {
            "name": name,
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": f"https://127.0.0.1:{self.port}/ask", "caBundle": self.bundle},
            "rules": [RULE],
            **more,
        }


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Hook]:
    hook = Hook(tmp_path / "hook")
    thread = threading.Thread(target=hook.server.serve_forever, args=(0.05,))
    thread.start()
    yield hook
    hook.server.shutdown()
    thread.join(20)
    hook.server.server_close()


def register(cluster: Cluster, kind: str, *hooks: Obj, name: str = "c") -> Answer:
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": list(hooks),
    }
    return cluster.request("POST", f"{GROUP}/{kind.lower()}webhookconfigurations", body)


def config(name: str = "m", **data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def patching(*operations: Obj) -> Obj:
    patch = base64.b64encode(json.dumps(operations).encode()).decode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": patch}


def test_who_denies_is_heard(cluster: Cluster, hook: Hook) -> None:
    assert register(cluster, "Validating", hook.entry()).status == 201
    hook.answer = lambda request: {
        "allowed": request["operation"] != "CREATE" or "bad" not in request["object"]["data"],
        "status": {"message": "no bad data", "code": 403},
        "warnings": ["looked at"],
    }
    refused = cluster.request("POST", CONFIGS, config(bad="x"))
    assert (refused.status, refused.json["message"]) == (
        403,
        'admission webhook "a.example.com" denied the request: no bad data',
    )
    made = cluster.request("POST", CONFIGS, config(good="x"))
    assert made.status == 201
    assert made.warnings == ['299 - "looked at"']
    cluster.kubectl("delete", "configmap", "m")
    created, deleted = hook.asked[1:]
    assert (created["operation"], created["name"], created["namespace"]) == ("CREATE", "m", "default")
    assert created["object"]["metadata"]["name"] == "m"
    assert created["oldObject"] is None
    assert "system:masters" in created["userInfo"]["groups"]
    assert (deleted["operation"], deleted["object"], deleted["oldObject"]["data"]) == ("DELETE", None, {"good": "x"})
    assert hook.paths == ["/ask?timeout=10s"] * 3


def test_a_webhook_changes_the_object_and_others_see_it(cluster: Cluster, hook: Hook) -> None:
    def answer(request: Obj) -> Obj:
        data = request["object"]["data"]
        if "first" not in data:
            return patching({"op": "add", "path": "/data/first", "value": "1"})
        if "second" not in data:
            return patching({"op": "add", "path": "/data/second", "value": "2"})
        return {"allowed": True}

    hook.answer = answer
    first = hook.entry("a.example.com", reinvocationPolicy="IfNeeded")
    assert register(cluster, "Mutating", first, hook.entry("b.example.com")).status == 201
    assert register(cluster, "Validating", hook.entry("v.example.com")).status == 201
    assert cluster.request("POST", CONFIGS, config(x="y")).status == 201
    assert cluster.get("ConfigMap", "default", "m")["data"] == {"x": "y", "first": "1", "second": "2"}
    # The first, the second, the first once more (its object was changed after it), the validating one.
    assert [len(request["object"]["data"]) for request in hook.asked] == [1, 2, 3, 3]
    cluster.kubectl("patch", "configmap", "m", "--type=merge", "--patch", '{"data": {"first": null}}')
    assert cluster.get("ConfigMap", "default", "m")["data"]["first"] == "1"
    assert hook.asked[-1]["operation"] == "UPDATE"
    assert hook.asked[-1]["oldObject"]["data"]["x"] == "y"


def test_who_is_asked(cluster: Cluster, hook: Hook) -> None:
    entries = (
        hook.entry("a.example.com", namespaceSelector={"matchLabels": {"hooked": "yes"}}),
        hook.entry("b.example.com", objectSelector={"matchLabels": {"hooked": "yes"}}),
        hook.entry("c.example.com", rules=[{**RULE, "operations": ["DELETE"]}]),
        hook.entry("d.example.com", rules=[{**RULE, "resources": ["configmaps/status"]}]),
        hook.entry("e.example.com", rules=[{**RULE, "scope": "Cluster"}]),
        hook.entry("f.example.com", matchConditions=[{"name": "n", "expression": "object.data.x == 'asked'"}]),
        hook.entry("g.example.com", matchConditions=[{"name": "n", "expression": "request.userInfo.username == 'x'"}]),
    )
    assert register(cluster, "Validating", *entries).status == 201
    assert cluster.request("POST", CONFIGS, config("n1", x="y")).status == 201
    assert hook.asked == []
    assert cluster.request("POST", CONFIGS, config("n2", x="asked")).status == 201
    assert len(hook.asked) == 1
    labelled = config("n3", x="y")
    labelled["metadata"]["labels"] = {"hooked": "yes"}
    assert cluster.request("POST", CONFIGS, labelled).status == 201
    assert len(hook.asked) == 2
    cluster.kubectl("label", "namespace", "default", "hooked=yes")
    assert cluster.request("POST", CONFIGS, config("n4", x="y")).status == 201
    assert len(hook.asked) == 3
    broken = hook.entry("h.example.com", matchConditions=[{"name": "n", "expression": "object.data.absent == 'x'"}])
    assert register(cluster, "Validating", broken, name="d").status == 201
    refused = cluster.request("POST", CONFIGS, config("n5", x="y"))
    assert refused.status == 403
    assert "match conditions cannot be evaluated" in refused.json["message"]


def test_equivalent_versions(cluster: Cluster, hook: Hook) -> None:
    group = {"operations": ["CREATE"], "apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"]}
    one = hook.entry("a.example.com", rules=[{**group, "apiVersions": ["v1"]}], matchPolicy="Exact")
    two = hook.entry("b.example.com", rules=[{**group, "apiVersions": ["v1"]}])
    assert register(cluster, "Validating", one, two).status == 201
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h"},
        "spec": {"maxReplicas": 2, "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}},
    }
    path = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
    assert cluster.request("POST", path, scaler).status == 201
    (asked,) = hook.asked
    assert asked["object"]["apiVersion"] == "autoscaling/v1"
    assert asked["resource"]["version"] == "v1"
    assert asked["requestResource"]["version"] == "v2"


@pytest.mark.parametrize(("policy", "status"), [("Fail", 500), ("Ignore", 201)])
def test_a_webhook_that_does_not_answer(cluster: Cluster, hook: Hook, policy: str, status: int) -> None:
    silent = hook.entry(failurePolicy=policy, timeoutSeconds=1)
    done = threading.Event()

    def never(_: Obj) -> Obj:
        done.wait(30)
        return {"allowed": True}

    hook.answer = never
    assert register(cluster, "Validating", silent).status == 201
    try:
        answer = cluster.request("POST", CONFIGS, config())
        assert answer.status == status
        if status == 500:
            assert 'failed calling webhook "a.example.com": failed to call webhook' in answer.json["message"]
    finally:
        done.set()


def test_another_authority_is_not_trusted(cluster: Cluster, hook: Hook, tmp_path: Path) -> None:
    entry = hook.entry()
    other = ensure_certificate(tmp_path / "other")[0].read_bytes()
    entry["clientConfig"]["caBundle"] = base64.b64encode(other).decode()
    assert register(cluster, "Validating", entry).status == 201
    refused = cluster.request("POST", CONFIGS, config())
    assert refused.status == 500
    assert hook.asked == []


def test_a_dry_run_asks_those_without_side_effects(cluster: Cluster, hook: Hook) -> None:
    assert register(cluster, "Validating", hook.entry()).status == 201
    assert cluster.request("POST", f"{CONFIGS}?dryRun=All", config()).status == 201
    (asked,) = hook.asked
    assert asked["dryRun"] is True


def test_an_object_that_changes_while_a_webhook_is_asked(cluster: Cluster, hook: Hook) -> None:
    """The second of two writes is not lost, and the webhook is asked about what it is written upon."""
    assert cluster.request("POST", CONFIGS, config(x="0")).status == 201
    assert register(cluster, "Validating", hook.entry()).status == 201

    def answer(request: Obj) -> Obj:
        if len(hook.asked) == 1:
            cluster.call(cluster.store.modify, "ConfigMap", "default", "m", lambda obj: obj["data"].update(other="1"))
        return {"allowed": True}

    hook.answer = answer
    cluster.kubectl("patch", "configmap", "m", "--type=merge", "--patch", '{"data": {"x": "1"}}')
    assert cluster.get("ConfigMap", "default", "m")["data"] == {"x": "1", "other": "1"}
    assert [request["object"]["data"].get("other") for request in hook.asked] == [None, "1"]


def test_what_is_refused_in_a_configuration(cluster: Cluster, hook: Hook) -> None:
    wrong = hook.entry("short", timeoutSeconds=31, failurePolicy="Maybe", admissionReviewVersions=["v1beta1"])
    wrong["clientConfig"] = {"url": "https://example.com/ask"}
    wrong["matchConditions"] = [{"name": "n", "expression": "object."}]
    del wrong["sideEffects"]
    refused = register(cluster, "Mutating", wrong)
    assert refused.status == 422
    fields = {cause["field"] for cause in refused.json["details"]["causes"]}
    assert fields == {
        "webhooks[0].name",
        "webhooks[0].timeoutSeconds",
        "webhooks[0].failurePolicy",
        "webhooks[0].sideEffects",
        "webhooks[0].admissionReviewVersions",
        "webhooks[0].clientConfig.url",
        "webhooks[0].matchConditions[0].expression",
    }
