"""What an Envoy is started with: who it is, where it finds the rest, what it measures. Pure."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from pocket.mesh import telemetry
from pocket.mesh.identities import sample
from pocket.mesh.model import (
    ADMIN_SOCKET,
    ADS,
    BOOTSTRAP_FILE,
    CLUSTER_DOMAIN,
    LOCALHOST,
    STATS_SOCKET,
    EnvoyConfig,
    Proxy,
)
from pocket.mesh.names import typed
from pocket.mesh.regexes import MAX_PROGRAM_SIZE

XDS_SOCKET = "xds.sock"
"""The control channel, in a proxy's directory: a link to the control process' socket, wherever that is."""

XDS_CLUSTER = "xds-grpc"  # Istio's name

_COME_BACK = {"base_interval": "0.1s", "max_interval": "1s"}  # when the control process is away

READY_PATH = "/healthz/ready"
"""Where a proxy says at STATS_SOCKET that it is ready; Istio's sidecars do so on port 15021."""

LISTENER_DRAIN_SECONDS = 60
"""How long requests may go on through a listener that was replaced; then Envoy cuts them off. Listeners are replaced
only when the protocol of a port or the place of a gateway changes."""

MAX_CONNECTIONS = 50_000
"""A bound on the clients of one Envoy, far above what one machine needs; without one Envoy warns at every start."""


def bootstrap(proxy: Proxy) -> dict[str, Any]:
    """The bootstrap configuration. Paths are relative: Envoy must be started in `proxy.directory`."""
    return {
        "node": {
            "id": f"{'router' if proxy.mode == 'gateway' else 'sidecar'}~{LOCALHOST}~{proxy.name}.{proxy.namespace}"
            f"~{proxy.namespace}.svc.{CLUSTER_DOMAIN}",
            "cluster": f"{proxy.app or proxy.workload}.{proxy.namespace}",
            "metadata": {
                "NAME": proxy.name,
                "NAMESPACE": proxy.namespace,
                "WORKLOAD_NAME": proxy.workload,
                "SERVICE_ACCOUNT": proxy.service_account,
                "CLUSTER_ID": telemetry.CLUSTER_ID,
                "LABELS": dict(sorted(proxy.labels.items())),
            },
        },
        # A Unix socket: no other user of the machine may stop or read this Envoy, and it needs no port.
        "admin": {"address": {"pipe": {"path": ADMIN_SOCKET, "mode": 0o600}}},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "grpc_services": [
                    {
                        "envoy_grpc": {
                            "cluster_name": XDS_CLUSTER,
                            "retry_policy": {"retry_back_off": _COME_BACK},
                        }
                    }
                ],
            },
            "cds_config": ADS,
            "lds_config": ADS,
        },
        "static_resources": {"listeners": [_stats_listener()], "clusters": [_admin_cluster(), _xds_cluster()]},
        "stats_config": {
            "use_all_default_tags": False,
            "stats_tags": telemetry.stats_tags(),
            "stats_matcher": telemetry.stats_matcher(),
            "histogram_bucket_settings": telemetry.histogram_buckets(),
        },
        "stats_flush_interval": "1s",  # histograms reach the scrape when they are flushed
        # As Istio's: without it, Envoy refuses a whole configuration for one longer regular expression.
        "layered_runtime": {
            "layers": [
                {"name": "global config", "static_layer": {"re2.max_program_size.error_level": MAX_PROGRAM_SIZE}},
                {"name": "admin", "admin_layer": {}},
            ]
        },
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": typed(
                        "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                        max_active_downstream_connections=MAX_CONNECTIONS,
                    ),
                }
            ]
        },
    }


def complete(proxy: Proxy, config: EnvoyConfig) -> dict[str, Any]:
    """Bootstrap and dynamic configuration in one document, for `envoy --mode validate`: what Envoy says about it."""
    whole = bootstrap(proxy)
    del whole["dynamic_resources"]
    static = whole["static_resources"]
    for name, cluster in config.clusters.items():
        if "eds_cluster_config" in cluster:
            cluster = {key: value for key, value in cluster.items() if key != "eds_cluster_config"}
            cluster |= {"type": "STATIC", "load_assignment": config.endpoints[name]}
        static["clusters"].append(cluster)
    for listener in config.listeners.values():
        copied = copy.deepcopy(listener)
        for chain in copied["filter_chains"]:
            for network_filter in chain["filters"]:
                source = network_filter["typed_config"].pop("rds", None)
                if source:
                    network_filter["typed_config"]["route_config"] = config.routes[source["route_config_name"]]
        static["listeners"].append(copied)
    static["secrets"] = list(sample().values())
    made: dict[str, Any] = _without_sds(whole)
    return made


def _without_sds(node: Any) -> Any:
    """The same, with every secret the static one of its name: a validating Envoy has nobody to ask."""
    if isinstance(node, dict):
        return {key: _without_sds(value) for key, value in node.items() if key != "sds_config"}
    return [_without_sds(one) for one in node] if isinstance(node, list) else node


def envoy_argv(envoy: str | Path) -> list[str]:
    """The command that starts an Envoy in a proxy's directory; it writes its log to standard error.

    One worker: on one machine the pods share the cores, and one does 20,000 requests/s. Without hot restart any number
    of Envoys run side by side.
    """
    return [
        str(envoy),
        "-c", BOOTSTRAP_FILE,
        "--concurrency", "1",
        "--disable-hot-restart",
        "--drain-time-s", str(LISTENER_DRAIN_SECONDS),
        "--drain-strategy", "immediate",
        "--log-level", "warning",
    ]  # fmt: skip


def stats_chain() -> dict[str, Any]:
    """The filter chain of who reads what a proxy counts: `/stats/prometheus` and nothing else of the admin interface.

    And Istio's READY_PATH, which the worker thread answers itself.
    """
    path = telemetry.scrape_path()
    # What was never counted is left out: most of the statistics of most pods.
    route = {"match": {"path": path}, "route": {"cluster": "admin", "prefix_rewrite": f"{path}?usedonly"}}
    ready = {"match": {"path": READY_PATH}, "direct_response": {"status": 200}}
    manager = typed(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="stats",
        route_config={"virtual_hosts": [{"name": "stats", "domains": ["*"], "routes": [route, ready]}]},
        http_filters=[
            {
                "name": "envoy.filters.http.router",
                "typed_config": typed("envoy.extensions.filters.http.router.v3.Router"),
            }
        ],
    )
    return {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}


def _stats_listener() -> dict[str, Any]:
    """For pocket and `kubectl port-forward`; Prometheus, which reads no Unix sockets, has a port with mutual TLS."""
    return {
        "name": "stats",
        "address": {"pipe": {"path": STATS_SOCKET, "mode": 0o600}},
        "filter_chains": [stats_chain()],
        "enable_reuse_port": False,
    }


def _admin_cluster() -> dict[str, Any]:
    return _socket_cluster("admin", ADMIN_SOCKET)


def _xds_cluster() -> dict[str, Any]:
    options = typed(
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config={"http2_protocol_options": {}},
    )
    return {
        **_socket_cluster(XDS_CLUSTER, XDS_SOCKET),
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
    }


def _socket_cluster(name: str, path: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": path}}}}]}],
        },
    }
