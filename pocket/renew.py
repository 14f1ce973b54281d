"""What an update of pocket has left behind: Envoys of the time before. Their Deployments are to be rolled out anew, as
after an update of Istio (https://istio.io/latest/docs/setup/upgrade/in-place/): new pods first, then the old ones go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pocket import kubeconfig, processes
from pocket.kubelet import records
from pocket.kubelet.inject import ENVOYS
from pocket.mesh.revision import revision
from pocket.objects import Obj, name_of, namespace_of, owner_of, uid_of
from pocket.programs import envoy
from pocket.rollouts import with_deployments
from pocket.settings import Settings


@dataclass
class Work:
    """What is to be renewed."""

    restart: list[Obj] = field(default_factory=list)  # Deployments
    left: list[str] = field(default_factory=list)  # pods that nobody would make anew: namespace/name


def outdated_pods(settings: Settings) -> set[str]:
    """The uids of the pods whose Envoy runs and was started otherwise than it would be now, or that were given an
    authority's certificate that the API server's is not from.

    Raises ProgramMissing, OSError, KubeconfigError.
    """
    current = revision(envoy())
    authority = settings.tls / "ca.crt"
    trusted = authority.read_bytes() if authority.exists() else b""
    root = settings.home / "pods"
    found = set()
    for folder in root.iterdir() if root.is_dir() else ():
        record = records.load(folder)
        for name in ENVOYS:
            proxy = record.containers.get(name) if record else None
            if proxy and proxy.process and processes.is_alive(proxy.process):
                given = kubeconfig.authority_of(kubeconfig.read(folder / "kubeconfig"))
                if proxy.revision != current or given not in (None, trusted):
                    found.add(folder.name)
    return found


def work(uids: set[str], pods: Sequence[Obj], replica_sets: Sequence[Obj], deployments: Sequence[Obj]) -> Work:
    """Which Deployments the pods with these uids belong to. Pure.

    A Job's pod ends by itself, and one on its way out is replaced already. A paused Deployment would not be rolled out.
    """
    found: dict[str, Obj] = {}
    left = []
    for pod, deployment in with_deployments(pods, replica_sets, deployments):
        owner = owner_of(pod)
        if uid_of(pod) not in uids or pod["metadata"].get("deletionTimestamp") or (owner and owner["kind"] == "Job"):
            continue
        if deployment is None or deployment["spec"].get("paused"):
            left.append(f"{namespace_of(pod)}/{name_of(pod)}")
        else:
            found[uid_of(deployment)] = deployment
    return Work(sorted(found.values(), key=lambda obj: (namespace_of(obj) or "", name_of(obj))), sorted(left))
