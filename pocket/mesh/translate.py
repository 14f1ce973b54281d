"""Istio objects, Services and pods in, the Envoy configuration of one proxy out. Pure and deterministic."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from pocket.mesh.clusters import inbound_clusters, outbound_clusters, split, substitute_clusters
from pocket.mesh.delegates import with_delegates
from pocket.mesh.gateways import all_gateway_routes
from pocket.mesh.listeners import listeners
from pocket.mesh.model import EnvoyConfig, Proxy, Resource, Snapshot
from pocket.mesh.outbound import outbound_routes
from pocket.mesh.registry import registry
from pocket.mesh.view import View


def translate(snapshot: Snapshot, proxy: Proxy) -> EnvoyConfig:
    """Everything that the Envoy of `proxy` must know in this state of the cluster."""
    if proxy.mode == "plain":  # outside the mesh nobody knows its rules
        snapshot = Snapshot(
            services=snapshot.services, endpoints=snapshot.endpoints, manual_endpoints=snapshot.manual_endpoints
        )
    snapshot = snapshot.once("delegates", partial(_merged, snapshot))
    services = snapshot.once(("registry", proxy.namespace), partial(registry, snapshot, proxy.namespace))
    view = View(snapshot, proxy, services)
    clusters, endpoints = split(
        [
            *outbound_clusters(proxy, services, view.destination_rule, snapshot.secrets),
            *inbound_clusters(snapshot, proxy),
            *substitute_clusters(proxy, services),
        ]
    )
    if proxy.mode == "gateway":
        routes = [made for port in proxy.gateway_ports for made in all_gateway_routes(view, port)]
    else:
        routes = [outbound_routes(view)]
    made = listeners(view)
    wanted = _routes_of(made)  # Envoy never asks for others, and so would never say that it has them
    routes = [route for route in routes if route["name"] in wanted]
    return EnvoyConfig(_by_name(made), _by_name(clusters), endpoints, _by_name(routes))


def _merged(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, virtual_services=with_delegates(snapshot.virtual_services))


def _routes_of(made: Iterable[Resource]) -> set[str]:
    """The names of the route configurations that listeners refer to."""
    return {
        one["typed_config"]["rds"]["route_config_name"]
        for listener in made
        for chain in listener["filter_chains"]
        for one in chain["filters"]
        if "rds" in one["typed_config"]
    }


def _by_name(resources: Iterable[Resource]) -> dict[str, Resource]:
    return {resource["name"]: resource for resource in sorted(resources, key=lambda resource: str(resource["name"]))}
