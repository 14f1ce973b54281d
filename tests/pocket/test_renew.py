"""Which Deployments are rolled out anew after an update of pocket."""

import os
from pathlib import Path
from typing import Any

from pocket import kubeconfig
from pocket.kubelet.records import ContainerRecord, PodRecord
from pocket.mesh.revision import revision
from pocket.objects import Obj, name_of
from pocket.processes import ProcessId, _started
from pocket.programs import envoy
from pocket.renew import Work, outdated_pods, work
from pocket.settings import Settings
from pocket.tls import ensure_certificate


def obj(kind: str, name: str, owner: Obj | None = None, **more: Any) -> Obj:
    metadata: Obj = {"name": name, "namespace": "ns", "uid": f"{kind}-{name}", **more.pop("metadata", {})}
    if owner:
        metadata["ownerReferences"] = [{"kind": owner["kind"], "uid": owner["metadata"]["uid"], "controller": True}]
    return {"kind": kind, "metadata": metadata, "spec": {}, **more}


DEPLOYMENTS = [obj("Deployment", "b"), obj("Deployment", "a"), obj("Deployment", "held", spec={"paused": True})]
SETS = [obj("ReplicaSet", f"{name_of(owner)}-1", owner) for owner in DEPLOYMENTS]
LONE = obj("ReplicaSet", "lone")


def pods(*made: Obj) -> tuple[set[str], list[Obj]]:
    return {pod["metadata"]["uid"] for pod in made}, list(made)


def names(found: Work) -> list[str]:
    return [name_of(deployment) for deployment in found.restart]


def test_each_deployment_once_and_in_order() -> None:
    uids, made = pods(obj("Pod", "b1", SETS[0]), obj("Pod", "b2", SETS[0]), obj("Pod", "a1", SETS[1]))
    found = work(uids, made, SETS, DEPLOYMENTS)
    assert (names(found), found.left) == (["a", "b"], [])


def test_what_is_up_to_date_stays() -> None:
    _, made = pods(obj("Pod", "b1", SETS[0]))
    assert work(set(), made, SETS, DEPLOYMENTS) == Work()


def test_what_goes_anyway_needs_nothing() -> None:
    job = obj("Job", "j")
    uids, made = pods(obj("Pod", "j1", job), obj("Pod", "b1", SETS[0], metadata={"deletionTimestamp": "now"}))
    assert work(uids, made, SETS, DEPLOYMENTS) == Work()


def test_what_nobody_would_make_anew_is_named() -> None:
    uids, made = pods(obj("Pod", "p"), obj("Pod", "lone-1", LONE), obj("Pod", "held-1", SETS[2]))
    assert work(uids, made, [*SETS, LONE], DEPLOYMENTS) == Work([], ["ns/held-1", "ns/lone-1", "ns/p"])


def test_outdated_is_what_runs_and_was_started_otherwise(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, port_base=20000, gateway_port=8080)
    assert outdated_pods(settings) == set()
    alive = ProcessId(os.getpid(), _started(os.getpid()) or 0.0, "m", "f")
    dead = ProcessId(os.getpid(), 0.5, "m", "f")
    current = revision(envoy())
    for uid, process, found in (
        ("old", alive, "other"),
        ("older", alive, ""),
        ("new", alive, current),
        ("ended", dead, "other"),
        ("without", None, ""),
    ):
        container = ContainerRecord(process=process, revision=found)
        PodRecord(uid, "ns", uid, containers={"istio-proxy": container}).save(tmp_path / "pods" / uid)
    alone = PodRecord("alone", "ns", "alone", containers={"app": ContainerRecord(process=alive)})
    alone.save(tmp_path / "pods" / "alone")
    assert outdated_pods(settings) == {"old", "older"}


def test_outdated_is_what_trusts_another_authority(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, port_base=20000, gateway_port=8080)
    alive = ProcessId(os.getpid(), _started(os.getpid()) or 0.0, "m", "f")
    authority, _, _ = ensure_certificate(settings.tls)
    for uid, trusted in (("old", b"another"), ("new", authority.read_bytes()), ("without", None)):
        folder = tmp_path / "pods" / uid
        container = ContainerRecord(process=alive, revision=revision(envoy()))
        PodRecord(uid, "ns", uid, containers={"istio-proxy": container}).save(folder)
        if trusted is not None:
            kubeconfig.install(folder / "kubeconfig", settings.api_url, trusted, "token")
    assert outdated_pods(settings) == {"old"}
