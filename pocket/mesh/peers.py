"""Mutual TLS between sidecars: PeerAuthentications, and what they and the certificates make of clusters and listeners.

The rules are Istio's (https://istio.io/latest/docs/reference/config/security/peer_authentication/): for a workload the
oldest policy that selects it, else the oldest of its namespace, else the oldest of the root namespace, else PERMISSIVE;
UNSET takes what is above. Who calls sends TLS to every pod that has a sidecar and does not disable it (automatic mTLS),
unless a DestinationRule says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, cast

from pocket.mesh.model import ADS, TRUST_DOMAIN, Resource
from pocket.mesh.names import ROOT_NAMESPACE, oldest_first, typed
from pocket.objects import Obj, matches

Mode = Literal["STRICT", "PERMISSIVE", "DISABLE"]

CERTIFICATE, AUTHORITIES = "default", "ROOTCA"
"""The secrets of every proxy in the mesh, by Istio's names."""

ALPN = ("istio-peer-exchange", "istio")
"""What sidecars say to each other, so that an application's own TLS is told from theirs."""

_THEIRS = ("istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2")
_MATCH = "envoy.transport_socket_match"
_TLS = "envoy.transport_sockets.tls"
_RAW: Resource = {
    "name": "envoy.transport_sockets.raw_buffer",
    "typed_config": typed("envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"),
}

INSPECTOR: Resource = {
    "name": "envoy.filters.listener.tls_inspector",
    "typed_config": typed("envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"),
}
"""The listener filter that sees whether a connection begins TLS, and what it asks for."""


def principal(namespace: str, account: str) -> str:
    """An identity as policies name it: without `spiffe://`."""
    return f"{TRUST_DOMAIN}/ns/{namespace}/sa/{account}"


PROMETHEUS = principal(ROOT_NAMESPACE, "prometheus")
"""Who Prometheus is in the mesh: what policies that let it read metrics name, and the only reader of proxies' own."""


class PeerAuthentications:
    """What the PeerAuthentications of a cluster say."""

    def __init__(self, policies: Iterable[Obj]) -> None:
        self._of: dict[str, list[Obj]] = {}  # the namespace's own, without selector
        self._selecting: dict[str, list[Obj]] = {}
        for obj in sorted(policies, key=oldest_first):
            heap = self._selecting if _selector(obj) else self._of
            heap.setdefault(obj["metadata"].get("namespace") or "default", []).append(obj)

    def mode(self, namespace: str, labels: Mapping[str, str], port: int) -> Mode:
        """What a workload takes on one of its ports (containerPort)."""
        mode: Mode = "PERMISSIVE"
        levels = [self._of.get(ROOT_NAMESPACE, ())[:1]]
        if namespace != ROOT_NAMESPACE:
            levels.append(self._of.get(namespace, ())[:1])
            own = [obj for obj in self._selecting.get(namespace, ()) if matches(_selector(obj), labels)]
            levels.append(own[:1])
        for level in levels:
            for obj in level:
                spec = obj.get("spec") or {}
                mode = _mode(spec.get("mtls"), mode)
                if _selector(obj):
                    mode = _mode((spec.get("portLevelMtls") or {}).get(str(port)), mode)
        return mode


def _selector(obj: Obj) -> Mapping[str, str]:
    return ((obj.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}


def _mode(mtls: Mapping[str, Any] | None, above: Mode) -> Mode:
    said = (mtls or {}).get("mode") or "UNSET"
    return above if said == "UNSET" else cast(Mode, said)


# -- who calls --------------------------------------------------------------------------------------------------------


def endpoint_metadata() -> Resource:
    """The metadata of an endpoint that takes mutual TLS, beside the rest of `filter_metadata`."""
    return {_MATCH: {"tlsMode": "istio"}}


def client(mode: str | None, principals: Sequence[str], names: Sequence[str], sni: str) -> Resource:
    """The fields of a cluster of a service in the mesh, by the mode of its DestinationRule's `tls`, None without one.

    Whoever answers must be one of `names` (of the rule), or else of `principals`: those that the service's pods have.
    """
    if mode not in (None, "ISTIO_MUTUAL"):
        return {}
    wanted = list(names) or [f"spiffe://{one}" for one in principals]
    common: Resource = {
        "alpn_protocols": list(ALPN),
        "tls_certificate_sds_secret_configs": [_sds(CERTIFICATE)],
        "combined_validation_context": {
            "default_validation_context": {
                "match_typed_subject_alt_names": [
                    {"san_type": "URI" if "://" in one else "DNS", "matcher": {"exact": one}} for one in wanted
                ]
            },
            "validation_context_sds_secret_config": _sds(AUTHORITIES),
        },
    }
    kind = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
    socket = {"name": _TLS, "typed_config": typed(kind, common_tls_context=common, sni=sni)}
    if mode == "ISTIO_MUTUAL":
        return {"transport_socket": socket}
    return {
        "transport_socket_matches": [
            {"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transport_socket": socket},
            {"name": "tlsMode-disabled", "match": {}, "transport_socket": _RAW},
        ]
    }


# -- who is called ----------------------------------------------------------------------------------------------------


def server_chains(mode: Mode, encrypted: Resource, plain: Resource, only: str = "") -> Resource:
    """The fields of an inbound listener: a filter chain for mutual TLS, one for the rest, or both.

    `only`: the one principal that may connect by mutual TLS, in place of all of the trust domain.
    """
    who = {"exact": f"spiffe://{only}"} if only else {"prefix": f"spiffe://{TRUST_DOMAIN}/"}
    if mode == "DISABLE":
        return {"filter_chains": [plain]}
    common = {
        "tls_certificate_sds_secret_configs": [_sds(CERTIFICATE)],
        "combined_validation_context": {
            "default_validation_context": {
                "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": who}]
            },
            "validation_context_sds_secret_config": _sds(AUTHORITIES),
        },
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
    }
    kind = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    socket = {"name": _TLS, "typed_config": typed(kind, common_tls_context=common, require_client_certificate=True)}
    match: Resource = {"transport_protocol": "tls"}
    if mode == "PERMISSIVE":
        match["application_protocols"] = list(_THEIRS)
    chains = [{**encrypted, "filter_chain_match": match, "transport_socket": socket}]
    return {
        "filter_chains": chains if mode == "STRICT" else [*chains, plain],
        "listener_filters": [INSPECTOR],
        # Who waits for the server to speak first is plain: Istio's protocolDetectionTimeout in its old default.
        "listener_filters_timeout": "5s",
        "continue_on_listener_filters_timeout": mode != "STRICT",
    }


def _sds(name: str) -> Resource:
    return {"name": name, "sds_config": ADS}
