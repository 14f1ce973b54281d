"""Why a graph is empty. People who see an empty picture need to know which of the links is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graph.cluster import Cluster, Workload, injected
from graph.errors import Advice
from graph.traffic import TrafficMap


@dataclass(frozen=True)
class Scrapes:
    """What Prometheus says of itself: asked only when a graph is empty."""

    targets_up: int | None  # how many targets answer its scrapes; None: it has no series `up` at all
    istio_series: int  # how many istio_requests_total series it knows, over the last hour
    namespace_series: int  # how many of them touch the asked-for namespaces


SEND = "Send requests: tools/gatling.sh 1 ReadUserSim and tools/gatling.sh 5 ReadMusicSim"

UP = "count(up == 1)"
KNOWN_TARGETS = "count(up)"
ISTIO = "count(last_over_time(istio_requests_total[1h]))"


def namespace_query(namespaces: Sequence[str]) -> str:
    """Counts the series that touch these namespaces, over the last hour."""
    names = "|".join(name.replace(".", "\\\\.") for name in namespaces)
    parts = " or ".join(
        f'last_over_time(istio_requests_total{{{label}=~"{names}"}}[1h])'
        for label in ("destination_workload_namespace", "source_workload_namespace", "destination_service_namespace")
    )
    return f"count({parts})"


def has_traffic(result: TrafficMap) -> bool:
    """Is there anything to see but idle nodes and idle edges?"""
    return any(node.rates for node in result.nodes.values())


def why(
    namespaces: Sequence[str], duration: int, cluster: Cluster | None, workloads: Sequence[Workload], scrapes: Scrapes
) -> Advice:
    """The first link of the chain that is missing: deployed, in the mesh, scraped, asked."""
    names = ", ".join(namespaces)
    if cluster is not None:
        missing = [name for name in namespaces if name not in cluster.namespaces]
        if missing:
            return Advice(
                "notDeployed",
                f"There is no namespace {', '.join(missing)} in this cluster.",
                "Deploy the application: make -f k8s.mak provision (or deploy); or choose another namespace.",
            )
        if not any(workload.pods for workload in workloads):
            return Advice(
                "notDeployed",
                f"No pod runs in {names}.",
                "Deploy the application: make -f k8s.mak deploy",
            )
        outside = [workload for workload in workloads if workload.without_sidecar]
        if outside and all(len(workload.without_sidecar) == workload.pods for workload in workloads):
            return _no_sidecar(namespaces, cluster, outside)
    if scrapes.targets_up is None or (scrapes.targets_up == 0 and scrapes.istio_series == 0):
        state = "has not scraped anything yet" if scrapes.targets_up is None else "reaches none of its targets"
        return Advice(
            "nothingScraped",
            f"Prometheus {state}.",
            "Just started? It needs two scrapes (10 to 60 s) before there is a rate. Otherwise look at its page "
            "Status > Targets, and install monitoring: make -f k8s.mak monitoring",
        )
    if scrapes.istio_series == 0:
        return Advice(
            "nothingScraped",
            "Prometheus scrapes, but it has no Istio metrics (istio_requests_total).",
            "Nothing has passed a sidecar yet, or Prometheus does not scrape the sidecars: send one request through "
            "the gateway, wait a minute, and look at Prometheus' page Status > Targets.",
        )
    seconds = f"{duration // 60} min" if duration >= 60 and duration % 60 == 0 else f"{duration} s"
    if scrapes.namespace_series == 0:
        return Advice(
            "noTraffic",
            f"Nothing was sent to or from {names} in the last hour; Prometheus has Istio metrics of others.",
            f"{SEND}; or choose another namespace.",
        )
    return Advice(
        "noTraffic",
        f"No requests to or from {names} in the last {seconds}.",
        f"{SEND}; or choose a longer window.",
    )


def without_sidecar(workloads: Iterable[Workload]) -> list[Advice]:
    """A warning for a namespace where some pods stand outside the mesh."""
    pods = sorted(pod for workload in workloads if not workload.is_gateway for pod in workload.without_sidecar)
    if not pods:
        return []
    shown = ", ".join(pods[:3]) + (f" and {len(pods) - 3} more" if len(pods) > 3 else "")
    return [
        Advice(
            "noSidecar",
            f"Without a sidecar, so that nothing they do is seen here: {shown}.",
            "Label the namespace (kubectl label namespace NAMESPACE istio-injection=enabled) and restart them: "
            "kubectl -n NAMESPACE rollout restart deployment",
        )
    ]


def _no_sidecar(namespaces: Sequence[str], cluster: Cluster, outside: Sequence[Workload]) -> Advice:
    unlabelled = [name for name in namespaces if not injected(cluster.namespaces.get(name, {}))]
    pods = ", ".join(workload.without_sidecar[0] for workload in outside[:3])
    if unlabelled:
        name = unlabelled[0]
        return Advice(
            "noSidecar",
            f"The pods have no sidecar (READY 1/1, e.g. {pods}): the namespace {name} is not labelled for injection.",
            f"kubectl label namespace {name} istio-injection=enabled && kubectl -n {name} rollout restart deployment",
        )
    name = namespaces[0]
    return Advice(
        "noSidecar",
        f"The pods have no sidecar (READY 1/1, e.g. {pods}): they are older than the label of the namespace.",
        f"kubectl -n {name} rollout restart deployment",
    )
