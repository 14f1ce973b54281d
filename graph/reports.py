"""The traffic report of a service: asks both servers for it."""

from __future__ import annotations

from typing import Any

from graph import panel, report
from graph.errors import Advice
from graph.rows import Row
from graph.servers import Servers

Json = dict[str, Any]


def ask(servers: Servers, namespace: str, service: str, end: int, duration: int) -> tuple[Json, list[Advice]]:
    """The traffic report of a service, and what a person should know about it."""
    cluster, advice = servers.cluster([namespace])
    incoming = servers.prometheus().query(report.incoming_query(namespace, service, duration), end)
    outgoing: list[Row] = []
    tcp: list[Row] = []
    workloads = report.workloads_of(incoming)
    if workloads:
        questions = [
            report.outgoing_query(namespace, workloads, duration),
            report.bytes_query(namespace, workloads, duration),
        ]
        outgoing, tcp = servers.rows(questions, end).values()
    is_gateway = report.gateways(incoming, cluster, servers.settings.istio_namespace)
    found = report.columns(incoming, outgoing, tcp, is_gateway)
    weights = None
    if cluster is not None:
        weights = panel.weights(servers, cluster, namespace, service, end, duration)
        if cluster.service(namespace, service) is None:
            advice.append(
                Advice(
                    "noService",
                    f"There is no service {service} in {namespace}.",
                    f"See: kubectl -n {namespace} get services",
                )
            )
    return report.build(namespace, service, end, duration, found, weights), advice
