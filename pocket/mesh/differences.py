"""Where pocket's mesh is not as istiod, and why: the one table, for docs/pocket.md and for the conformance test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """What Istio does, what pocket does instead, and the reason."""

    what: str
    istio: str
    pocket: str
    why: str
    cases: tuple[str, ...] = ()  # conformance cases that show it, and no other difference


DIFFERENCES: Mapping[str, Difference] = {
    "original-address": Difference(
        "`loadBalancer.simple: PASSTHROUGH`",
        "connects to the address that the caller asked for",
        "refuses it",
        "there is no original address: pods send to a proxy",
        ("lb-passthrough",),
    ),
    "dynamic": Difference(
        "`resolution: NONE`, headless Services",
        "connects to the address that the caller asked for",
        "resolves the name in the request; a headless Service leads to one of its pods",
        "there is no original address: pods send to a proxy",
    ),
    "selected-pods": Difference(
        "ServiceEntry `workloadSelector`",
        "selects pods and WorkloadEntries; in the run that the cases come from there was nobody to select",
        "selects pods",
        "the cases' istiod knew no pods by their labels",
        ("se-workload-selector",),
    ),
    "host-header": Difference(
        "a match on the header `host`; Host set by a rule and by one of several destinations",
        "gives Envoy the same configuration",
        "gives Envoy the same configuration",
        "the cases were worked out on paper: the real Envoy takes `host` for the authority, and the rule's goes first",
        ("header-host", "headers-host-both-levels-weighted"),
    ),
    "grpc-timeout": Difference(
        "`grpc-timeout` of a request beside a rule's `timeout`",
        "the shorter one ends the call",
        "the rule's ends it; without one, the request's does",
        "the field of Envoy's that knows both is deprecated",
    ),
}


def markdown() -> str:
    """The table for docs/pocket.md."""
    lines = ["| what | Istio | pocket | why |", "|---|---|---|---|"]
    lines += [f"| {one.what} | {one.istio} | {one.pocket} | {one.why} |" for one in DIFFERENCES.values()]
    return "\n".join(lines) + "\n"
