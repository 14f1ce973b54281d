"""The traffic report: what came in to a service, what went out, what did not, and whether the weights were kept.

1. Ask for all requests to the service by source, version, code and flags; then for all that its workloads sent on.
2. Sort them: from the gateway, from other services, from Prometheus (which reads metrics from outside the mesh, so that
   its source is unknown); successful or failed.
3. Round each part by itself; every sum is the sum of rounded parts, so that the columns add up.
4. Beside it: the weights of the VirtualServices, and the shares that were observed with their confidence interval.

Pure; reports.py asks. report_text.py prints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graph.cluster import Cluster
from graph.details import believed
from graph.protocols import NO_RESPONSE
from graph.queries import ENDS, REQUEST, TCP
from graph.rows import Row
from graph.traffic import UNKNOWN, known

Json = dict[str, Any]

GATEWAY, MESH, METRICS = "gateway", "mesh", "metrics"
NO_VERSION = "none"
"""The column of requests that reached no version."""

REST = (
    "What comes in and what goes out is counted by two sidecars, and each is read at a moment of its own: in a short "
    "window they differ by a few requests either way. More went out than came in where a service asks without having "
    "been asked: what it tried again, and on Istio its readiness checks, while nobody calls (pocket counts none)."
)

_IN = "source_workload_namespace, source_workload, destination_workload, destination_canonical_revision, "


def incoming_query(namespace: str, service: str, seconds: int) -> str:
    """1. Requests to a service within a window, each counted once."""
    matching = [[f'destination_service_namespace="{namespace}"', f'destination_service_name="{service}"']]
    rate = believed("istio_requests_total", matching, seconds, (*ENDS, *REQUEST))
    return f"sum by ({_IN}response_code, response_flags) ({rate}) * {seconds}"


def outgoing_query(namespace: str, workloads: Iterable[str], seconds: int) -> str:
    """1. What these workloads sent on."""
    rate = believed("istio_requests_total", [_senders(namespace, workloads)], seconds, (*ENDS, *REQUEST))
    by = "source_workload, source_canonical_revision, destination_service_name"
    return f"sum by ({by}) ({rate}) * {seconds}"


def bytes_query(namespace: str, workloads: Iterable[str], seconds: int) -> str:
    """1. The bytes that these workloads exchanged over TCP, both ways."""
    sent, received = (
        believed(f"istio_tcp_{way}_bytes_total", [_senders(namespace, workloads)], seconds, (*ENDS, *TCP))
        for way in ("sent", "received")
    )
    return f"sum by (source_canonical_revision, destination_service_name) ({sent} + {received}) * {seconds}"


def _senders(namespace: str, workloads: Iterable[str]) -> list[str]:
    names = "|".join(sorted(name.replace(".", "\\\\.") for name in workloads))
    return [f'source_workload_namespace="{namespace}"', f'source_workload=~"{names}"']


@dataclass
class Column:
    """One version. Requests within the window, not rounded."""

    workloads: set[str] = field(default_factory=set)
    success: dict[str, float] = field(default_factory=dict)  # by way in: gateway or mesh
    failed: dict[str, float] = field(default_factory=dict)
    metrics: float = 0.0
    codes: dict[tuple[str, str, str], float] = field(default_factory=dict)  # (way, code, flags)
    out: dict[str, float] = field(default_factory=dict)  # by service
    bytes: dict[str, float] = field(default_factory=dict)  # by host


def columns(
    incoming: Iterable[Row], outgoing: Iterable[Row], tcp: Iterable[Row], is_gateway: Mapping[tuple[str, str], bool]
) -> dict[str, Column]:
    """2. The versions and what each did. is_gateway: by namespace and workload of the source."""
    found: dict[str, Column] = {}
    for row in incoming:
        labels, requests = row.labels, row.value
        version = labels.get("destination_canonical_revision", "")
        reached = known(labels.get("destination_workload", ""))
        column = found.setdefault(version if reached and known(version) else NO_VERSION, Column())
        if reached:
            column.workloads.add(labels["destination_workload"])
        source = labels.get("source_workload_namespace", UNKNOWN), labels.get("source_workload", UNKNOWN)
        way = METRICS if source == (UNKNOWN, UNKNOWN) else GATEWAY if is_gateway.get(source) else MESH
        code = labels.get("response_code", "0")
        code = NO_RESPONSE if code == "0" else code
        if way == METRICS:
            column.metrics += requests
        else:
            part = column.failed if code == NO_RESPONSE or code[0] in "45" else column.success
            part[way] = part.get(way, 0.0) + requests
        key = way, code, labels.get("response_flags", "-")
        if requests > 0:  # a code of which there was none in the window, but before
            column.codes[key] = column.codes.get(key, 0.0) + requests
    for rows, name in ((outgoing, "out"), (tcp, "bytes")):
        for row in rows:
            column = found.setdefault(row.labels.get("source_canonical_revision", NO_VERSION), Column())
            target = row.labels.get("destination_service_name", UNKNOWN)
            by_target: dict[str, float] = getattr(column, name)
            by_target[target] = by_target.get(target, 0.0) + row.value
    return dict(sorted(found.items()))


def workloads_of(incoming: Iterable[Row]) -> list[str]:
    """The workloads behind the service, which may send requests on."""
    names = {row.labels.get("destination_workload", "") for row in incoming}
    return sorted(name for name in names if known(name))


def gateways(incoming: Iterable[Row], cluster: Cluster | None, istio_namespace: str) -> dict[tuple[str, str], bool]:
    """Which sources are ingress gateways: by their labels, or by name where the Kubernetes API is out of reach."""
    sources = {
        (row.labels.get("source_workload_namespace", ""), row.labels.get("source_workload", "")) for row in incoming
    }
    if cluster is None:
        return {source: source[0] == istio_namespace and "ingressgateway" in source[1] for source in sources}
    workloads = {(one.namespace, one.name) for one in cluster.workloads(cluster.loaded) if one.is_gateway}
    return {source: source in workloads for source in sources}


def build(
    namespace: str, service: str, end: int, seconds: int, found: Mapping[str, Column], weights: Json | None
) -> Json:
    """3. and 4. The report as JSON; see report_text.py for how it reads."""
    versions = [_version(name, column, seconds) for name, column in found.items()]
    return {
        "namespace": namespace,
        "service": service,
        "window": {"start": end - seconds, "end": end, "seconds": seconds},
        "versions": versions,
        "total": _total(versions),
        "weights": weights,
        "rest": REST,
        "rounding": rounding(seconds),
    }


def rounding(seconds: int) -> str:
    return (
        "Prometheus extrapolates counts to the whole window, so they are not whole numbers. Each part is rounded by "
        "itself, counts to 1 request and rates to 0.001/s, and sums are of the rounded parts: a sum of n parts is off "
        f"by at most n/2 requests, or n/2000 per second. Rates are counts divided by {seconds} s, before rounding."
    )


def _number(requests: float, seconds: int) -> Json:
    return {"requests": round(requests), "rate": round(requests / seconds, 3), "unrounded": round(requests, 3)}


def add(parts: Iterable[Json]) -> Json:
    """The sum of rounded numbers."""
    listed = list(parts)
    return {
        "requests": sum(part["requests"] for part in listed),
        "rate": round(sum(part["rate"] for part in listed), 3),
        "unrounded": round(sum(part["unrounded"] for part in listed), 3),
    }


def _subtract(first: Json, second: Json) -> Json:
    return {name: round(first[name] - second[name], 3) for name in first}


def _version(name: str, column: Column, seconds: int) -> Json:
    success = {way: _number(column.success.get(way, 0.0), seconds) for way in (GATEWAY, MESH)}
    failed = {way: _number(column.failed.get(way, 0.0), seconds) for way in (GATEWAY, MESH)}
    metrics = _number(column.metrics, seconds)
    out = {target: _number(requests, seconds) for target, requests in sorted(column.out.items())}
    total_in = add([*success.values(), *failed.values(), metrics])
    rejected = sum(requests for (way, code, _), requests in column.codes.items() if way != METRICS and rejects(code))
    return {
        "version": name,
        "workloads": sorted(column.workloads),
        "in": {
            "gateway": add([success[GATEWAY], failed[GATEWAY]]),
            "mesh": add([success[MESH], failed[MESH]]),
            "metrics": metrics,
            "success": add(success.values()),
            "failed": add(failed.values()),
            "total": total_in,
        },
        "out": {"services": out, "total": add(out.values())},
        "notPassedOn": _not_passed_on(total_in, add(out.values()), metrics, _number(rejected, seconds)),
        "bytes": {target: round(size) for target, size in sorted(column.bytes.items())},
        "codes": [
            {"from": way, "code": code, "flags": flags, **_number(requests, seconds)}
            for (way, code, flags), requests in sorted(column.codes.items())
        ],
    }


def rejects(code: str) -> bool:
    """Does a service answer so without asking another? By the HTTP contract of this application's services.

    401 and 400 are found before anybody is asked, and 500 is the bug of version 2. Whether an item exists (404) only
    the datastore can tell, and 502, 503 and 504 tell of the service behind.
    """
    return code == "500" or (code[0] == "4" and code != "404")


def _not_passed_on(total_in: Json, out: Json, metrics: Json, rejected: Json) -> Json:
    """What came in and did not go on. `rest` is what neither of the two types explains."""
    total = _subtract(total_in, out)
    return {
        "total": total,
        "metrics": metrics,
        "rejected": rejected,
        "rest": _subtract(_subtract(total, metrics), rejected),
    }


def _total(versions: list[Json]) -> Json:
    targets = sorted({target for version in versions for target in version["out"]["services"]})
    nothing: Json = {"requests": 0, "rate": 0.0, "unrounded": 0.0}
    hosts = sorted({host for version in versions for host in version["bytes"]})
    return {
        "in": {name: add(version["in"][name] for version in versions) for name in _names(versions, "in")},
        "out": {
            "services": {
                target: add(version["out"]["services"].get(target, nothing) for version in versions)
                for target in targets
            },
            "total": add(version["out"]["total"] for version in versions),
        },
        "notPassedOn": {
            name: add(version["notPassedOn"][name] for version in versions) for name in _names(versions, "notPassedOn")
        },
        "bytes": {host: sum(version["bytes"].get(host, 0) for version in versions) for host in hosts},
    }


def _names(versions: list[Json], part: str) -> list[str]:
    return list(versions[0][part]) if versions else []
