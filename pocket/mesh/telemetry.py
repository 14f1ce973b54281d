"""Istio's standard metrics, straight from Envoy (https://istio.io/latest/docs/reference/config/metrics/).

HTTP: the access logger `envoy.access_loggers.stats` counts every request with all labels. The destination is read from
the metadata of the endpoint that answered and of its cluster; the source of an incoming request from a header that the
caller's sidecar sets and the callee's sidecar takes away again, as Istio's peer metadata exchange does.

TCP: the byte and connection counters of a cluster, whose statistics name carries the labels.

What is empty becomes `unknown` when Prometheus scrapes (`metric_relabel_configs`). Principals are those of the
certificates that both sides have shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pocket.mesh import password
from pocket.mesh.model import PodEndpoint, Proxy
from pocket.mesh.names import PASSTHROUGH, typed
from pocket.mesh.registry import Address, MeshService

UNKNOWN = "unknown"

PEER_HEADER = "x-pocket-peer"
"""The caller's identity between two sidecars: the PEER_FIELDS, separated by `|`. Applications never see it."""

PEER_NAMESPACE = "istio.peer"  # dynamic metadata that holds the fields of PEER_HEADER

CLUSTER_ID = "Kubernetes"  # Istio's default name of the cluster

TCP_STAT = "istio_tcp"

BUCKETS = (
    0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000,
)  # fmt: skip
"""Istio's (and Envoy's) boundaries for every histogram: milliseconds or bytes."""

PEER_FIELDS = ("workload", "workload_namespace", "app", "version", "cluster", "canonical_service", "canonical_revision")

PROBE_ID = "kube-probe/"
"""How the x-request-id of a health check begins. Services pass the id on, so that what a check of one service asks the
next one is known as a health check, too, and is not counted as traffic. A gateway counts everything."""

Labels = dict[str, str]

_SIDE_LABELS = tuple(
    f"{side}_{field}" for side in ("source", "destination") for field in ("principal", *PEER_FIELDS)
)  # every label that says who; empty means unknown
_SERVICE_LABELS = ("destination_service", "destination_service_name", "destination_service_namespace")


def identity(workload: str, namespace: str, app: str, version: str, labels: Mapping[str, str]) -> Labels:
    """Who a workload is, by PEER_FIELDS.

    The canonical names follow Istio: the `service.istio.io/` labels, else `app.kubernetes.io/`, else `app` and
    `version`, else the workload's name and `latest`.
    """
    service = labels.get("service.istio.io/canonical-name") or labels.get("app.kubernetes.io/name") or app or workload
    revision = (
        labels.get("service.istio.io/canonical-revision")
        or labels.get("app.kubernetes.io/version")
        or version
        or "latest"
    )
    return {
        "workload": workload or UNKNOWN,
        "workload_namespace": namespace or UNKNOWN,
        "app": app or UNKNOWN,
        "version": version or UNKNOWN,
        "cluster": CLUSTER_ID,
        "canonical_service": service or UNKNOWN,
        "canonical_revision": revision,
    }


def proxy_identity(proxy: Proxy) -> Labels:
    return identity(proxy.workload, proxy.namespace, proxy.app, proxy.version, proxy.labels)


def pod_identity(pod: PodEndpoint) -> Labels:
    return identity(pod.workload, pod.namespace, pod.app, pod.version, pod.labels)


def peer_header_value(proxy: Proxy) -> str:
    who = proxy_identity(proxy)
    return "|".join(who[field] for field in PEER_FIELDS)


def identity_filter(proxy: Proxy) -> dict[str, Any]:
    """The HTTP filter of an outbound listener: PEER_HEADER tells the callee's sidecar who calls.

    It replaces whatever the caller put there. Routes that lead out of the mesh take it off again: so the routes of all
    callers are the same.
    """
    header = {"key": PEER_HEADER, "value": peer_header_value(proxy)}
    append = {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {
        "name": "envoy.filters.http.header_mutation",
        "typed_config": typed(
            "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
            mutations={"request_mutations": [{"append": append}]},
        ),
    }


def peer_filter() -> dict[str, Any]:
    """The HTTP filter of an inbound listener: PEER_HEADER into dynamic metadata, and off the request."""
    rules = []
    for position, field in enumerate(PEER_FIELDS):
        pair = {"metadata_namespace": PEER_NAMESPACE, "key": field}
        rules.append(
            {
                "header": PEER_HEADER,
                "on_header_present": {
                    **pair,
                    "regex_value_rewrite": {
                        "pattern": {"regex": rf"^(?:[^|]*\|){{{position}}}([^|]*).*$"},
                        "substitution": r"\1",
                    },
                },
                "on_header_missing": {**pair, "value": UNKNOWN},
                "remove": position == len(PEER_FIELDS) - 1,  # the earlier rules still need it
            }
        )
    return {
        "name": "envoy.filters.http.header_to_metadata",
        "typed_config": typed("envoy.extensions.filters.http.header_to_metadata.v3.Config", request_rules=rules),
    }


def endpoint_metadata(pod: PodEndpoint) -> dict[str, Any]:
    """The metadata of an endpoint that stands for a pod."""
    return {"filter_metadata": {"istio": pod_identity(pod)}}


def cluster_metadata(service: MeshService, protocol: str) -> dict[str, Any]:
    """The metadata of every cluster of a service."""
    return {
        "filter_metadata": {
            "istio": {
                "service": service.host,
                "service_name": service.name,
                "service_namespace": service.namespace,
                "protocol": "grpc" if protocol == "grpc" else "http",
            }
        }
    }


def passthrough_metadata() -> dict[str, Any]:
    return {"filter_metadata": {"istio": {"service_name": PASSTHROUGH, "protocol": "http"}}}


def access_log(proxy: Proxy, side: str, *, mutual: bool = False) -> list[dict[str, Any]]:
    """The access loggers of an HTTP listener. `side` is `source` (outbound, gateway) or `destination` (inbound).

    `mutual`: of the filter chain to which callers prove themselves.
    """
    tags: dict[str, str] = {"reporter": side}
    mine = proxy_identity(proxy)
    if side == "source":
        tags |= {f"source_{field}": mine[field] for field in PEER_FIELDS}
        tags |= {f"destination_{field}": f"%UPSTREAM_METADATA(istio:{field})%" for field in PEER_FIELDS}
        tags["connection_security_policy"] = UNKNOWN
        tags["source_principal"] = "%UPSTREAM_LOCAL_URI_SAN%"
        tags["destination_principal"] = "%UPSTREAM_PEER_URI_SAN%"
    else:
        tags |= {f"source_{field}": f"%DYNAMIC_METADATA({PEER_NAMESPACE}:{field})%" for field in PEER_FIELDS}
        tags |= {f"destination_{field}": mine[field] for field in PEER_FIELDS}
        tags["connection_security_policy"] = "mutual_tls" if mutual else "none"
        tags["source_principal"] = "%DOWNSTREAM_PEER_URI_SAN%" if mutual else UNKNOWN
        tags["destination_principal"] = "%DOWNSTREAM_LOCAL_URI_SAN%" if mutual else UNKNOWN
    host = "%METADATA(CLUSTER:istio:service)%"
    if side == "source" and proxy.mode == "sidecar":
        # Istio falls back to the Host header for hosts it does not know, but not at gateways, where clients choose it.
        host = (
            '%COALESCE({"operators":[{"command":"METADATA","param":"CLUSTER:istio:service"},'
            '{"command":"REQ","param":":authority"}]})%'
        )
    tags["destination_service"] = host
    tags["destination_service_name"] = "%METADATA(CLUSTER:istio:service_name)%"
    tags["destination_service_namespace"] = "%METADATA(CLUSTER:istio:service_namespace)%"
    tags["request_protocol"] = "%METADATA(CLUSTER:istio:protocol)%"
    tags["response_code"] = "%RESPONSE_CODE%"
    tags["grpc_response_status"] = "%GRPC_STATUS_NUMBER%"
    tags["response_flags"] = "%RESPONSE_FLAGS%"
    listed = [{"name": name, "value_format": value} for name, value in tags.items()]
    histograms = [
        ("request_duration_milliseconds", "Milliseconds", "%DURATION%"),
        ("request_bytes", "Bytes", "%DOWNSTREAM_WIRE_BYTES_RECEIVED%"),
        ("response_bytes", "Bytes", "%DOWNSTREAM_WIRE_BYTES_SENT%"),
    ]
    config = typed(
        "envoy.extensions.access_loggers.stats.v3.Config",
        stats_scope={"prefix": "istio"},
        counters=[{"stat": {"name": "requests_total", "tags": listed}, "value_fixed": 1}],
        histograms=[
            {"stat": {"name": name, "tags": listed}, "unit": unit, "value_format": value}
            for name, unit, value in histograms
        ],
    )
    return [{"name": "istio", "filter": _counted(proxy, side), "typed_config": config}]


def _counted(proxy: Proxy, side: str) -> dict[str, Any]:
    """The access log filter: all but tunnels (they are TCP) and, between services, health checks.

    Nor what a sidecar's way out refuses (password.STATUS): that was not its application.
    """

    def unless(header: str, match: dict[str, Any]) -> dict[str, Any]:
        return {"header_filter": {"header": {"name": header, "string_match": match, "invert_match": True}}}

    no_tunnel = unless(":method", {"exact": "CONNECT"})
    if proxy.mode == "gateway":
        return no_tunnel
    # A missing id does not match, and so is counted: Envoy makes one for every request anyway.
    filters = [no_tunnel, unless("x-request-id", {"prefix": PROBE_ID})]
    if side == "source" and proxy.password:
        around = (("LE", password.STATUS - 1), ("GE", password.STATUS + 1))
        statuses = [
            {"status_code_filter": {"comparison": {"op": op, "value": {"default_value": value, "runtime_key": "none"}}}}
            for op, value in around
        ]
        filters.append({"or_filter": {"filters": statuses}})
    return {"and_filter": {"filters": filters}}


# -- TCP ----------------------------------------------------------------------------------------------------------


_TCP_LABELS = (
    "reporter",
    *_SERVICE_LABELS,
    *(f"source_{field}" for field in PEER_FIELDS),
    *(f"destination_{field}" for field in PEER_FIELDS),
    "connection_security_policy",
)

_TCP_POLICY = {"STRICT": "mutual_tls", "DISABLE": "none"}  # PERMISSIVE: it may be either


def tcp_stat_name(
    proxy: Proxy, side: str, service: MeshService | None, addresses: Sequence[Address] = (), *, mode: str = ""
) -> str:
    """The statistics name of a cluster that carries TCP: TCP_LABELS' values, which `stats_tags` reads back.

    `service` is None for what passes through to an unknown host. The destination's workload is known where all
    addresses belong to one. `mode`: what the destination's PeerAuthentication says.
    """
    mine = proxy_identity(proxy)
    nobody = dict.fromkeys(PEER_FIELDS, UNKNOWN)
    if side == "source":
        pods = [pod_identity(address.pod) if address.pod else nobody for address in addresses]
        other = pods[0] if pods and all(pod == pods[0] for pod in pods) else nobody
        source, destination = mine, other
    else:
        source, destination = nobody, mine
    labels = {
        "reporter": side,
        "destination_service": service.host if service else UNKNOWN,
        "destination_service_name": service.name if service else PASSTHROUGH,
        "destination_service_namespace": service.namespace if service else UNKNOWN,
        **{f"source_{field}": value for field, value in source.items()},
        **{f"destination_{field}": value for field, value in destination.items()},
        "connection_security_policy": _TCP_POLICY.get(mode, UNKNOWN),
    }
    return f"{TCP_STAT}|" + "".join(f"{labels[label]}|" for label in _TCP_LABELS)


def stats_tags() -> list[dict[str, str]]:
    """Bootstrap's `stats_config.stats_tags`: the labels in the statistics name of a TCP cluster."""
    return [
        {"tag_name": label, "regex": rf"^cluster\.{TCP_STAT}\|(?:[^|]*\|){{{position}}}(([^|]*)\|)"}
        for position, label in enumerate(_TCP_LABELS)
    ]


# -- what Envoy keeps, what Prometheus takes -----------------------------------------------------------------------


def stats_matcher() -> dict[str, Any]:
    """Bootstrap's `stats_config.stats_matcher`: only what metrics, acknowledgement and draining need (memory)."""
    patterns = [
        *({"prefix": prefix} for prefix in ("istio.", "cluster_manager.cds.", "listener_manager.lds.", "server.")),
        {"safe_regex": {"regex": rf"cluster\.{TCP_STAT}\|.*\.upstream_cx_(?:[rt]x_bytes_total|total|destroy)"}},
        {"safe_regex": {"regex": r"http\.(?:outbound|gateway)_.*rds\..*"}},
        {"safe_regex": {"regex": r"http\.(?:outbound|inbound|gateway)_.*\.downstream_(?:rq|cx)_active"}},
        {"exact": "listener_manager.total_listeners_warming"},
        {"exact": "cluster_manager.warming_clusters"},
    ]
    return {"inclusion_list": {"patterns": patterns}}


def histogram_buckets() -> list[dict[str, Any]]:
    """Bootstrap's `stats_config.histogram_bucket_settings`."""
    return [{"match": {"prefix": "istio"}, "buckets": list(BUCKETS)}]


def scrape_path() -> str:
    """Where Prometheus finds the metrics on a proxy's `metrics_port`."""
    return "/stats/prometheus"


def metric_relabel_configs() -> list[dict[str, Any]]:
    """Prometheus' `metric_relabel_configs` for the scrape of the sidecars: Envoy's names into Istio's.

    Sent and received are seen from the destination, as Istio defines them: sent is what it answered.
    """
    rename = {
        "rx_bytes_total": "istio_tcp_sent_bytes_total",
        "tx_bytes_total": "istio_tcp_received_bytes_total",
        "total": "istio_tcp_connections_opened_total",
        "destroy": "istio_tcp_connections_closed_total",
    }
    rules: list[dict[str, Any]] = [
        {
            "source_labels": ["__name__"],
            "regex": f"envoy_cluster_{TCP_STAT}__upstream_cx_{suffix}",
            "target_label": "__name__",
            "replacement": name,
        }
        for suffix, name in rename.items()
    ]
    rules += [
        {
            "source_labels": ["__name__"],
            "regex": "envoy_(istio_.+)",
            "target_label": "__name__",
            "replacement": "$1",
        },
        {"source_labels": ["__name__"], "regex": "istio_.+", "action": "keep"},
    ]
    rules += [_fill(label, UNKNOWN) for label in (*_SIDE_LABELS, *_SERVICE_LABELS)]
    rules += [
        _fill("request_protocol", "http", "istio_re.+"),
        _fill("request_protocol", "tcp", "istio_tcp_.+"),
        _fill("response_flags", "-"),
        _fill("connection_security_policy", UNKNOWN),
    ]
    return rules


def _fill(label: str, value: str, names: str = "istio_.+") -> dict[str, Any]:
    return {
        "source_labels": ["__name__", label],
        "separator": ";",
        "regex": f"{names};-?",
        "target_label": label,
        "replacement": value,
    }


def label_names() -> Iterable[str]:
    """Every label that an HTTP metric carries after relabelling, for tests and documentation."""
    return (
        "reporter", *_SIDE_LABELS, *_SERVICE_LABELS, "request_protocol", "response_code", "response_flags",
        "connection_security_policy",
    )  # fmt: skip
