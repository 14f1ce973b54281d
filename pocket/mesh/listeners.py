"""Listeners: the application's way out, the way in to each of its ports, substitutes, and a gateway's ports.

No sidecar shares its ports (`enable_reuse_port`): a port that something else holds is an error, not half the traffic.
A gateway does, for its port is given and cannot change: so a new one takes over before the old one goes.
"""

from __future__ import annotations

from typing import Any

from pocket.mesh import authorization, jwt, password, peers, telemetry
from pocket.mesh.bootstrap import stats_chain
from pocket.mesh.certificates import problem, server_socket, terminates
from pocket.mesh.clusters import dns_cache, inbound_service, substitute_name, token_rules
from pocket.mesh.gateways import Server, gateway_routes_name, gateway_servers, l4_route, sni_routes
from pocket.mesh.model import ADS, LOCALHOST, GatewayPort, Inbound, Resource
from pocket.mesh.names import inbound_cluster_name, typed
from pocket.mesh.outbound import OUTBOUND_ROUTES
from pocket.mesh.registry import peer_authentications
from pocket.mesh.routes import GRPC_TIMEOUT
from pocket.mesh.tunnels import substitute_targets
from pocket.mesh.view import View

BUFFER_LIMIT = 1 << 18
"""Bytes that a connection may buffer; a request body up to this size can be retried."""

INBOUND_RETRY = {"retry_on": "reset-before-request,connect-failure", "num_retries": 2}
"""A kept-alive connection that the application closes in the very moment of its next use costs no request, as Istio's
inbound retry. `connect-failure` covers an application server that replaces its listening socket."""


SUBSTITUTE_RETRY = {"max_connect_attempts": 30, "backoff_options": {"base_interval": "0.05s", "max_interval": "0.25s"}}
"""What stands for a service that is never away may be away for a moment (it died, or is renewed): a new connection
waits for it, up to some four seconds (30 times half of 0.25 s)."""


def listeners(view: View) -> list[Resource]:
    """All listeners of a proxy."""
    if view.proxy.mode == "gateway":
        ports = view.proxy.gateway_ports
        made = [listener for port in ports if (listener := _gateway(view, port))]
    else:
        made = [_outbound(view)]
        targets = substitute_targets(view)
        for substitute in view.proxy.substitutes:
            name = substitute_name(substitute)
            chain = _tcp_chain(name, {**targets[name], **SUBSTITUTE_RETRY})
            made.append(_listener(name, substitute.listen_port, [chain]))
    if view.proxy.metrics_port:
        made.append(_metrics(view.proxy.metrics_port))
    return made + [_inbound(view, inbound) for inbound in view.proxy.inbound]


def _metrics(port: int) -> Resource:
    """What the proxy counts, for Prometheus alone."""
    chain = stats_chain()
    return _listener("metrics", port, [], "INBOUND") | peers.server_chains("STRICT", chain, chain, peers.PROMETHEUS)


def _outbound(view: View) -> Resource:
    proxy = view.proxy
    manager = _manager(f"outbound_{proxy.outbound_port}")
    manager |= {
        "rds": route_source(OUTBOUND_ROUTES),
        "access_log": telemetry.access_log(proxy, "source") if proxy.mode == "sidecar" else [],
        "use_remote_address": False,
        "normalize_path": True,  # Istio's default, BASE
        "upgrade_configs": [{"upgrade_type": "CONNECT"}, {"upgrade_type": "websocket"}],
        **password.challenge(proxy.password),
        "http_filters": [
            *password.filters(proxy.password),
            *([] if proxy.mode == "plain" else [telemetry.identity_filter(proxy)]),
            *_request_filters(),
            {
                "name": "envoy.filters.http.dynamic_forward_proxy",
                "typed_config": typed(
                    "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig", dns_cache_config=dns_cache()
                ),
            },
            _router(plain=proxy.mode == "plain"),
        ],
    }
    if proxy.mode == "plain":  # requests and answers are to look as if nobody were in between
        manager |= {
            "server_header_transformation": "PASS_THROUGH",
            "generate_request_id": False,
            "http_protocol_options": {"accept_http_10": True},
            "normalize_path": False,
        }
    return _listener("outbound", proxy.outbound_port, [_chain(manager)], direction="OUTBOUND")


def _gateway(view: View, port: GatewayPort) -> Resource | None:
    """The listener of a gateway's port; None where no server has anything to say there."""
    name, chains = f"gateway_{port.service_port}", []
    servers = gateway_servers(view, port)
    if servers and servers[0].is_plain_http:
        chains = [_chain(_gateway_manager(view, port, servers[0]))]
    else:
        taken: set[str] = set()  # Envoy refuses a listener in which a name leads to two places: the first has it
        for server in servers:
            for names, chain in _gateway_chains(view, port, server):
                fresh = [one for one in names if one not in taken]
                taken.update(fresh)
                if fresh:
                    everything = "*" in fresh or server.tls is None
                    chains.append({**chain, **({} if everything else {"filter_chain_match": {"server_names": fresh}})})
    if not chains:
        return None
    listener = _listener(name, port.listen_port, chains, shared=True)
    if any(server.tls is not None and not server.is_plain_http for server in servers):
        listener["listener_filters"] = [peers.INSPECTOR]
    return listener


def _gateway_chains(view: View, port: GatewayPort, server: Server) -> list[tuple[list[str], Resource]]:
    """The filter chains of a server that is not plain HTTP, each with the names that clients ask for by SNI."""
    stat = f"gateway_{port.service_port}"
    if not terminates(server.tls):
        if server.tls is None:
            clusters = l4_route(view, server)
            return [(["*"], _guarded(view, port.target, _tcp_chain(stat, clusters)))] if clusters else []
        found = sni_routes(view, server)
        return [(names, _guarded(view, port.target, _tcp_chain(stat, clusters))) for names, clusters in found]
    tls, secrets, namespace = server.tls or {}, view.snapshot.secrets, view.proxy.namespace
    if problem(tls, secrets, namespace):
        return []  # clients cannot connect, as in Istio, until the Secret is there
    if server.is_https:
        chain = _chain(_gateway_manager(view, port, server))
    elif clusters := l4_route(view, server):
        chain = _guarded(view, port.target, _tcp_chain(stat, clusters))
    else:
        return []
    socket = server_socket(tls, secrets, namespace, http=server.is_https)
    return [(server.hosts, {**chain, "transport_socket": socket})]


def _gateway_manager(view: View, port: GatewayPort, server: Server) -> dict[str, Any]:
    return _manager(f"gateway_{port.service_port}") | {
        "rds": route_source(gateway_routes_name(port, server)),
        "access_log": telemetry.access_log(view.proxy, "source"),
        "use_remote_address": True,  # x-forwarded-for and -proto start here, whatever the client claims
        "normalize_path": True,
        "merge_slashes": False,
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "http_filters": [
            telemetry.identity_filter(view.proxy), *_guards(view, port.target), *_request_filters(), _router()
        ],
    }  # fmt: skip


def _guards(view: View, port: int) -> list[Resource]:
    """The HTTP filters by which RequestAuthentications and AuthorizationPolicies hold."""
    place = authorization.Place(view.proxy.namespace, view.proxy.labels, port)
    tokens = jwt.filters(token_rules(view.snapshot, view.proxy), view.services)
    return [*tokens, *authorization.filters(view.snapshot.authorization_policies, place)]


def _guarded(view: View, port: int, chain: Resource) -> Resource:
    """A filter chain of plain bytes, with what AuthorizationPolicies say before it."""
    place = authorization.Place(view.proxy.namespace, view.proxy.labels, port, http=False)
    guards = authorization.filters(view.snapshot.authorization_policies, place)
    return {**chain, "filters": [*guards, *chain["filters"]]}


def _inbound(view: View, inbound: Inbound) -> Resource:
    proxy, port = view.proxy, inbound.container_port
    _, protocol = inbound_service(view.snapshot, proxy, port)
    cluster = inbound_cluster_name(port)
    name = f"inbound_{port}"
    mode = peer_authentications(view.snapshot).mode(proxy.namespace, proxy.labels, port)

    def listener(encrypted: Resource, plain: Resource) -> Resource:
        made = _listener(name, inbound.listen_port, [], direction="INBOUND")
        return made | peers.server_chains(mode, encrypted, plain)

    if protocol in ("tcp", "tls"):
        tcp = _guarded(view, port, _tcp_chain(name, {"cluster": cluster}))
        return listener(tcp, tcp)
    route = {
        "name": "default",
        "match": {"prefix": "/"},
        "route": {
            "cluster": cluster,
            "timeout": "0s",
            "max_stream_duration": GRPC_TIMEOUT,
            # What a stream of gRPC has sent cannot be sent again.
            **({} if protocol == "grpc" else {"retry_policy": INBOUND_RETRY}),
        },
    }
    manager = _manager(name)
    manager |= {
        "route_config": {
            "name": cluster,
            "virtual_hosts": [{"name": f"inbound|http|{port}", "domains": ["*"], "routes": [route]}],
            "validate_clusters": False,
        },
        "use_remote_address": False,
        "normalize_path": True,
        "server_header_transformation": "PASS_THROUGH",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "http_filters": [telemetry.peer_filter(), *_guards(view, port), _router()],
    }
    encrypted, plain = (
        _chain({**manager, "access_log": telemetry.access_log(proxy, "destination", mutual=mutual)})
        for mutual in (True, False)
    )
    return listener(encrypted, plain)


def route_source(name: str) -> Resource:
    """Where a listener gets a route configuration from."""
    return {"route_config_name": name, "config_source": ADS}


def _manager(stat_prefix: str) -> dict[str, Any]:
    return typed(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=stat_prefix,
        server_name="istio-envoy",
        stream_idle_timeout="0s",
        generate_request_id=True,
        preserve_external_request_id=True,
        delayed_close_timeout="1s",
    )


def _request_filters() -> list[Resource]:
    """Filters that do nothing until a route gives them a configuration."""
    return [
        {
            "name": "envoy.filters.http.cors",
            "typed_config": typed("envoy.extensions.filters.http.cors.v3.Cors"),
        },
        {
            "name": "envoy.filters.http.fault",
            "typed_config": typed("envoy.extensions.filters.http.fault.v3.HTTPFault"),
        },
    ]


def _router(*, plain: bool = False) -> Resource:
    """The last HTTP filter; a `plain` one adds no headers of Envoy's."""
    more = {"suppress_envoy_headers": True} if plain else {}
    return {
        "name": "envoy.filters.http.router",
        "typed_config": typed("envoy.extensions.filters.http.router.v3.Router", **more),
    }


def _chain(manager: dict[str, Any]) -> Resource:
    return {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}


def _tcp_chain(name: str, more: Resource) -> Resource:
    proxy = typed("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", stat_prefix=name, **more)
    return {"filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy}]}


def _listener(
    name: str, port: int, chains: list[Resource], direction: str = "OUTBOUND", *, shared: bool = False
) -> Resource:
    return {
        "name": name,
        "address": {"socket_address": {"address": LOCALHOST, "port_value": port}},
        "filter_chains": chains,
        "traffic_direction": direction,
        "enable_reuse_port": shared,
        "per_connection_buffer_limit_bytes": BUFFER_LIMIT,
    }
