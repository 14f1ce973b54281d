"""Istio objects, Services and pods in, the Envoy configuration of one proxy out. Pure and deterministic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pocket.mesh.clusters import inbound_clusters, key_clusters, outbound_clusters, split, substitute_clusters
from pocket.mesh.delegates import with_delegates
from pocket.mesh.gatewayapi import convert as gatewayapi
from pocket.mesh.gateways import all_gateway_routes
from pocket.mesh.listeners import listeners
from pocket.mesh.model import EnvoyConfig, Joined, Proxy, Resource, Snapshot
from pocket.mesh.outbound import outbound_routes
from pocket.mesh.registry import registry
from pocket.mesh.view import View


def translate(snapshot: Snapshot, proxy: Proxy) -> EnvoyConfig:
    """Everything that the Envoy of `proxy` must know in this state of the cluster."""
    return Translation(snapshot).of(proxy)


@dataclass(frozen=True)
class _Outbound:
    """What all proxies of one class have in common: the way out."""

    view: View
    clusters: Mapping[str, Resource]
    endpoints: Mapping[str, Resource]
    routes: Mapping[str, Resource]


class Translation:
    """One state of the cluster for any number of proxies; what they have in common is made once."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot.once("delegates", partial(_merged, snapshot))
        self._statuses = gateway_api(snapshot).statuses
        # Outside the mesh nobody knows its rules.
        self._plain = Snapshot(
            services=snapshot.services, endpoints=snapshot.endpoints, manual_endpoints=snapshot.manual_endpoints
        )
        self._labels = frozenset(
            _selecting([obj["spec"] for obj in (*self._snapshot.virtual_services, *self._snapshot.destination_rules)])
        )
        self._outbound: dict[object, _Outbound] = {}

    @property
    def statuses(self) -> Mapping[gatewayapi.Key, Mapping[str, Any]]:
        """What the Gateway API's objects say of themselves in this state."""
        return self._statuses

    def of(self, proxy: Proxy) -> EnvoyConfig:
        """Everything that the Envoy of `proxy` must know. Read only: others may have the same resources."""
        snapshot = self._plain if proxy.mode == "plain" else self._snapshot
        shared = self._class_of(proxy, snapshot)
        view = replace(shared.view, proxy=proxy)
        own, _ = split(
            [
                *_counted_bytes(proxy, shared.view),
                *inbound_clusters(snapshot, proxy),
                *key_clusters(snapshot, proxy, view.services),
                *substitute_clusters(proxy, view.services),
            ]
        )
        made = listeners(view)
        routes = shared.routes
        wanted = _routes_of(made)  # Envoy never asks for others, and so would never say that it has them
        if not routes.keys() <= wanted:
            routes = {name: route for name, route in routes.items() if name in wanted}
        clusters = Joined(shared.clusters, _by_name(own))
        return EnvoyConfig(_by_name(made), clusters, shared.endpoints, routes)

    def _class_of(self, proxy: Proxy, snapshot: Snapshot) -> _Outbound:
        labels = (
            proxy.labels if proxy.mode == "gateway" else {k: v for k, v in proxy.labels.items() if k in self._labels}
        )
        key = (proxy.mode, proxy.namespace, frozenset(labels.items()), proxy.gateway_ports, proxy.hosts)
        if key not in self._outbound:
            services = snapshot.once(("registry", proxy.namespace), partial(registry, snapshot, proxy.namespace))
            view = View(snapshot, proxy, services)
            made = outbound_clusters(proxy, view.services, view.destination_rule, snapshot.secrets)
            clusters, endpoints = split(made)
            if proxy.mode == "gateway":
                routes = [route for port in proxy.gateway_ports for route in all_gateway_routes(view, port)]
            else:
                routes = [outbound_routes(view)]
            shared = [cluster for cluster in clusters if "alt_stat_name" not in cluster]
            self._outbound[key] = _Outbound(view, _by_name(shared), endpoints, _by_name(routes))
        return self._outbound[key]


def _counted_bytes(proxy: Proxy, view: View) -> list[Resource]:
    """The clusters whose statistics say who sends: those that carry TCP."""
    made = outbound_clusters(proxy, view.tcp_services, view.destination_rule, view.snapshot.secrets)
    return [cluster for cluster in made if "alt_stat_name" in cluster]


def _merged(snapshot: Snapshot) -> Snapshot:
    """With nothing but Istio's own Gateways and VirtualServices, and these without delegates."""
    converted = gateway_api(snapshot)
    return replace(
        snapshot,
        gateways=(*snapshot.gateways, *converted.gateways),
        virtual_services=(*with_delegates(snapshot.virtual_services), *converted.virtual_services),
        gateway_api=(),
    )


def gateway_api(snapshot: Snapshot) -> gatewayapi.Converted:
    """What the objects of the Gateway API come to."""
    return snapshot.once("gateway api", partial(gatewayapi.convert, snapshot))


def _routes_of(made: Iterable[Resource]) -> set[str]:
    """The names of the route configurations that listeners refer to."""
    return {
        one["typed_config"]["rds"]["route_config_name"]
        for listener in made
        for chain in listener["filter_chains"]
        for one in chain["filters"]
        if "rds" in one["typed_config"]
    }


def _selecting(node: Any) -> Iterator[str]:
    """The keys of labels by which Istio objects tell proxies apart."""
    if isinstance(node, list):
        for value in node:
            yield from _selecting(value)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("sourceLabels", "matchLabels") and isinstance(value, dict):
                yield from value
            else:
                yield from _selecting(value)


def _by_name(resources: Iterable[Resource]) -> dict[str, Resource]:
    return {resource["name"]: resource for resource in sorted(resources, key=lambda resource: str(resource["name"]))}
