"""The protocols that the graph draws and the rates that it gives for each, as tables.

The names are Kiali's (its graph/protocol.go), so that tools written for its JSON read ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field

NO_RESPONSE = "-"
"""The code of a request that was never answered (Istio reports it as 0)."""


@dataclass(frozen=True)
class Protocol:
    """One protocol. Rates are per second: requests for http and grpc, bytes for tcp."""

    name: str
    total: str  # edge rate of everything
    errors: tuple[str, ...]  # edge rates that count as failures
    percent_error: str | None  # edge rate: failures in percent of the total
    percent_request: str | None  # edge rate: total in percent of everything that the source sends
    node_in: str
    node_out: str
    # (what the response code starts with, edge rate, node rate); no entry for plain success
    classes: tuple[tuple[str, str, str], ...] = field(default=())

    def edge_rates(self) -> tuple[str, ...]:
        """Every edge rate that is a sum of series, the total first."""
        return (self.total, *(edge for _, edge, _ in self.classes))

    def node_rates(self) -> tuple[str, ...]:
        return (self.node_in, *(node for _, _, node in self.classes), self.node_out)

    def class_of(self, code: str) -> tuple[str, str] | None:
        """The edge rate and the node rate that a response code adds to, besides the total."""
        for start, edge, node in self.classes:
            if code.startswith(start):
                return edge, node
        return None


class _Grpc(Protocol):
    def class_of(self, code: str) -> tuple[str, str] | None:
        """A call fails with any status but 0; three digits are the HTTP code of a failed transport.

        Messages have no code at all, and none of them fails.
        """
        if code == NO_RESPONSE:
            return self.classes[0][1:]
        failed = code.startswith(("4", "5")) if len(code) == 3 else code not in ("", "0")
        return self.classes[1][1:] if failed else None


GRPC = _Grpc(
    name="grpc",
    total="grpc",
    errors=("grpcNoResponse", "grpcErr"),
    percent_error="grpcPercentErr",
    percent_request="grpcPercentReq",
    node_in="grpcIn",
    node_out="grpcOut",
    classes=((NO_RESPONSE, "grpcNoResponse", "grpcInNoResponse"), ("", "grpcErr", "grpcInErr")),
)

HTTP = Protocol(
    name="http",
    total="http",
    errors=("http4xx", "http5xx", "httpNoResponse"),
    percent_error="httpPercentErr",
    percent_request="httpPercentReq",
    node_in="httpIn",
    node_out="httpOut",
    classes=(
        ("3", "http3xx", "httpIn3xx"),
        ("4", "http4xx", "httpIn4xx"),
        ("5", "http5xx", "httpIn5xx"),
        (NO_RESPONSE, "httpNoResponse", "httpInNoResponse"),
    ),
)

TCP = Protocol(
    name="tcp",
    total="tcp",
    errors=(),
    percent_error=None,
    percent_request=None,
    node_in="tcpIn",
    node_out="tcpOut",
)

PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in (GRPC, HTTP, TCP)}
