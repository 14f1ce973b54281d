"""Which DestinationRule holds for a service, as one proxy sees it.

1. Rules of one namespace for one host are merged where they are exported alike: the subsets of all, the traffic policy
   of the oldest that has one.
2. They are looked for among the rules of the proxy's namespace, then those that the service's namespace exports, then
   those that the root namespace exports. A proxy of the root namespace (the gateway) leaves the first step out, except
   for rules that nobody else sees: what the root namespace says of `*.local` is for everybody, and must not hide the
   service's own rule from the gateway.
3. At each step the most specific host wins, and only its rules count; those not exported to the proxy drop out.
4. Of the rest, one whose `workloadSelector` fits the proxy goes first.

The steps are those of Istio's control plane
(https://istio.io/latest/docs/ops/best-practices/traffic-management/#cross-namespace-configuration).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pocket.mesh.model import Proxy
from pocket.mesh.names import ROOT_NAMESPACE, fqdn, most_specific
from pocket.mesh.registry import MeshService
from pocket.objects import Obj, name_of


@dataclass
class _Merged:
    """Rules of one host that became one."""

    spec: dict[str, Any]
    namespace: str
    names: list[str]
    exports: frozenset[str]

    def take(self, spec: dict[str, Any], name: str) -> None:
        present = {subset["name"] for subset in self.spec.get("subsets") or ()}
        more = [subset for subset in spec.get("subsets") or () if subset["name"] not in present]
        self.spec = {**self.spec, "subsets": [*(self.spec.get("subsets") or ()), *more]}
        if self.spec.get("trafficPolicy") is None and spec.get("trafficPolicy") is not None:
            self.spec["trafficPolicy"] = spec["trafficPolicy"]
        self.names.append(name)


_Hosts = dict[str, list[_Merged]]


@dataclass(frozen=True)
class DestinationRule:
    """The rule that holds: its merged spec, and what it came from."""

    spec: dict[str, Any]
    namespace: str
    names: tuple[str, ...]


class DestinationRules:
    """All rules of a cluster, arranged for look-ups."""

    def __init__(self, rules: Iterable[Obj]) -> None:
        self._local: dict[str, _Hosts] = {}
        self._exported: dict[str, _Hosts] = {}
        self._root_private: _Hosts = {}
        for rule in sorted(rules, key=_order):
            namespace = _namespace(rule)
            exports = frozenset(rule["spec"].get("exportTo") or ())
            if _selector(rule["spec"]) is not None:
                exports = frozenset(".")  # holds for pods of its own namespace only
            if not exports or exports & {"*", ".", namespace}:
                _merge(self._local.setdefault(namespace, {}), rule, exports)
            if exports not in ({"."}, {namespace}):
                _merge(self._exported.setdefault(namespace, {}), rule, exports)
            elif namespace == ROOT_NAMESPACE:
                _merge(self._root_private, rule, exports)

    def find(self, service: MeshService, proxy: Proxy) -> DestinationRule | None:
        """The rule for a service at a proxy."""
        for found in self._steps(service, proxy.namespace):
            if found:
                return _for_workload(found, proxy)
        return None

    def _steps(self, service: MeshService, namespace: str) -> Iterable[list[_Merged]]:
        own = self._root_private if namespace == ROOT_NAMESPACE else self._local.get(namespace, {})
        yield _most_specific(own, service.host)
        for owner in (service.namespace, ROOT_NAMESPACE):
            found = _most_specific(self._exported.get(owner, {}), service.host)
            yield [one for one in found if not one.exports or one.exports & {"*", namespace}]


def _order(rule: Obj) -> tuple[bool, str, str, str]:
    created = rule["metadata"].get("creationTimestamp") or ""
    return _selector(rule["spec"]) is None, created, name_of(rule), _namespace(rule)


def _merge(hosts: _Hosts, rule: Obj, exports: frozenset[str]) -> None:
    """Add a rule to those of its host, or to one of them."""
    spec, namespace = rule["spec"], _namespace(rule)
    listed = hosts.setdefault(fqdn(spec["host"], namespace), [])
    separate = True
    for one in listed:
        alike = exports == one.exports
        if not alike and not (one.exports and exports >= one.exports):
            continue
        if _selector(spec) == _selector(one.spec):
            separate = False
        elif _selector(spec) is not None and _selector(one.spec) is not None:
            continue
        elif alike:
            separate = False
        one.take(spec, name_of(rule))
    if separate:
        listed.append(_Merged(dict(spec), namespace, [name_of(rule)], exports))


def _for_workload(found: list[_Merged], proxy: Proxy) -> DestinationRule | None:
    chosen = None
    for one in found:
        selector = _selector(one.spec)
        if selector is None:
            chosen = one
        elif one.namespace == proxy.namespace and selector.items() <= dict(proxy.labels).items():
            chosen = one
            break
    return DestinationRule(chosen.spec, chosen.namespace, tuple(chosen.names)) if chosen else None


def _most_specific(hosts: _Hosts, host: str) -> list[_Merged]:
    if host in hosts:
        return hosts[host]
    best = most_specific([one for one in hosts if one.startswith("*")], host)
    return hosts[best] if best is not None else []


def _selector(spec: dict[str, Any]) -> dict[str, str] | None:
    selector = spec.get("workloadSelector")
    return None if selector is None else dict(selector.get("matchLabels") or {})


def _namespace(rule: Obj) -> str:
    return str(rule["metadata"].get("namespace") or "default")
