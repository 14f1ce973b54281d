"""A stand-in for the Kubernetes API: the project's own objects (cluster/), and the pods that each state has.

Run it: python -m tests.graph.fake_kubernetes [--port N] [--state canary]; POST /fixture and /down as in standin.py.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from tests.graph import world
from tests.graph.standin import StandIn, main

ROOT = Path(__file__).parents[2]
Obj = dict[str, Any]

PLURALS = {
    "Namespace": "namespaces",
    "Service": "services",
    "Deployment": "deployments",
    "Pod": "pods",
    "VirtualService": "virtualservices",
    "DestinationRule": "destinationrules",
    "ServiceEntry": "serviceentries",
    "Gateway": "gateways",
    "Event": "events",
}


@functools.cache
def project_objects() -> list[Obj]:
    """The objects in cluster/, with the variables of config.mak replaced."""
    found: list[Obj] = []
    instead = ("s2-vs-v1", "s2-vs-v2", "db-vs-delay", "db-vs-fault", "rollout-argo", "canary-flagger")
    for file in sorted((ROOT / "cluster").glob("*.yaml")):
        if file.stem in instead:
            continue
        found += documents(file)
    return found


def documents(file: Path) -> list[Obj]:
    text = file.read_text().replace("${REGION}", "us-west-2")
    return [document for document in yaml.safe_load_all(text) if document]


def music_routes(state: str) -> list[Obj]:
    """The weights of the music service: the project's file, with those of the state."""
    weights = {"canary": (90, 10), "fixed": (90, 10), "operations": (90, 10), "shifted": (0, 100)}.get(state, (100, 0))
    (obj,) = documents(ROOT / "cluster" / "s2-vs-v1.yaml")
    for target, weight in zip(obj["spec"]["http"][0]["route"], weights, strict=True):
        target["weight"] = weight
    return [obj]


def namespace(name: str, **labels: str) -> Obj:
    return {"kind": "Namespace", "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name, **labels}}}


def deployment(name: str, space: str, labels: dict[str, str]) -> Obj:
    return {
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": space, "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}},
    }


def pod(owner: Obj, *, sidecar: bool, gateway: bool = False) -> Obj:
    labels = {**owner["spec"]["template"]["metadata"]["labels"], "pod-template-hash": "6d5f7c"}
    name = owner["metadata"]["name"]
    containers = [{"name": "istio-proxy"}] if gateway else [{"name": labels["app"]}]
    if sidecar and not gateway:
        containers.append({"name": "istio-proxy"})
    return {
        "kind": "Pod",
        "metadata": {
            "name": f"{name}-6d5f7c-abcde",
            "namespace": owner["metadata"]["namespace"],
            "labels": labels,
            "ownerReferences": [{"kind": "ReplicaSet", "name": f"{name}-6d5f7c", "controller": True}],
        },
        "spec": {"containers": containers},
        "status": {"phase": "Running"},
    }


ROLLED_OUT_SECONDS = (30, 630)
"""How long ago version 2 was rolled out, at least and at most."""


def events(state: str) -> list[Obj]:
    """Version 2 was rolled out some minutes ago, in the states that have it: at a time that stays the same."""
    least, most = ROLLED_OUT_SECONDS
    now = time.time()
    at = datetime.fromtimestamp(now - now % (most - least) - least, UTC)
    event = {
        "kind": "Event",
        "metadata": {"name": "cmpt756s2-v2.1", "namespace": world.NS},
        "involvedObject": {"kind": "Deployment", "namespace": world.NS, "name": "cmpt756s2-v2"},
        "reason": "ScalingReplicaSet",
        "message": "Scaled up replica set cmpt756s2-v2-6d5f7c from 0 to 1",
        "lastTimestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return [] if state in ("v1", "unreached", "big") else [event]


_making = threading.Lock()


def objects(state: str) -> list[Obj]:
    """Everything in the cluster in one state. Made once, however many ask at the same time: YAML is slow."""
    with _making:
        return _made(state)


@functools.cache
def _made(state: str) -> list[Obj]:
    return list(_objects(state))


def _objects(state: str) -> Iterator[Obj]:
    inside = state != "nosidecar"
    yield namespace("default")
    yield namespace("istio-system")
    yield namespace(world.NS, **({"istio-injection": "enabled"} if inside else {}))
    ingress = deployment(
        "istio-ingressgateway", "istio-system", {"app": "istio-ingressgateway", "istio": "ingressgateway"}
    )
    yield from (ingress, pod(ingress, sidecar=True, gateway=True))
    if state == "big":
        whos = {flow.target.workload: flow.target for flow in world.STATES["big"] if flow.target is not world.NOBODY}
        for who in whos.values():
            made = deployment(who.workload, world.NS, {"app": who.app, "version": who.version})
            yield from (made, pod(made, sidecar=True))
            yield {
                "kind": "Service",
                "metadata": {"name": who.app, "namespace": world.NS, "labels": {"app": who.app}},
                "spec": {"selector": {"app": who.app}},
            }
        return
    for obj in project_objects():
        if obj["kind"] in PLURALS and obj["kind"] not in ("Namespace", "Deployment"):
            yield obj
    yield from music_routes(state)
    versions = [world.S1, world.S2V1, world.S2V2, world.DB]
    for who in versions if state not in ("v1", "unreached") else [who for who in versions if who is not world.S2V2]:
        made = deployment(who.workload, world.NS, {"app": who.app, "version": who.version})
        yield from (made, pod(made, sidecar=inside))


class FakeKubernetes(StandIn):
    """Serves lists, and its version."""

    def listed(self, path: str) -> Obj | None:
        """The list at a path of the API, or None where there is none."""
        parts = path.strip("/").split("/")
        plural, space = parts[-1], parts[-2] if len(parts) > 3 and parts[-3] == "namespaces" else None
        kinds = [kind for kind, name in PLURALS.items() if name == plural]
        if not kinds or "gateway.networking.k8s.io" in path or ("networking.istio.io" in path and "/v1/" not in path):
            return None
        items = [obj for obj in objects(self.state) if obj["kind"] == kinds[0]]
        if plural == "events":
            items = events(self.state)
        return {"items": [obj for obj in items if space is None or obj["metadata"].get("namespace") == space]}

    def answer(self, path: str, parameters: dict[str, list[str]]) -> tuple[int, Any]:
        found = {"gitVersion": "v1.33.0"} if path == "/version" else self.listed(path)
        return (404, {}) if found is None else (200, found)

    def out_of_reach(self) -> tuple[int, Any]:
        return 503, {}


if __name__ == "__main__":
    main(FakeKubernetes)
