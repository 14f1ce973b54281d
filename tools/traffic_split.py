"""Which version gets which share of a service's traffic. Reads JSON on standard input, prints `v1=90 v2=10`.

`tools/traffic_split.py wanted HOST`   from VirtualServices and HTTPRoutes, one after the other: one line for each
`tools/traffic_split.py served HOST`   from an Envoy's `config_dump?resource=dynamic_route_configs`

Weights that do not add up to 100 are a proportion, as Istio takes them; that is told on standard error.
Versions without traffic are left out, as Istio leaves them out of Envoy's configuration. Shares are percentages.
An HTTPRoute has no subsets: a version is a Service of its own there, HOST's name with `-VERSION` behind it.
A route with conditions beside the path (a header for testers, say) is not what most callers get, so the last route
without such conditions counts.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]


class WeightError(Exception):
    """A weight that is none; the message says which and what it should be."""


def wanted(services: Iterable[Json], host: str) -> list[str]:
    """The shares that each VirtualService asks for, in their order. Those without a route to the host are left out.

    Raises WeightError.
    """
    return [_text(shares) for service in services if (shares := _last(_asked(service, host)))]


def served(dump: Json, host: str) -> list[str]:
    """The shares by the routes of Envoy, each different answer once. Empty if no route leads to the host."""
    answers = {_text(shares) for config in _route_configs(dump) if (shares := _last(_routed(config, host)))}
    return sorted(answers)


def short_names(host: str) -> tuple[str, ...]:
    """`s`, `s.ns` and `s.ns.svc` mean `s.ns.svc.cluster.local` too, within the namespace."""
    parts = host.split(".")
    return host, *(".".join(parts[:count]) for count in (1, 2, 3))


def documents(text: str) -> list[Json]:
    """The JSON documents of a text, one after the other. Raises json.JSONDecodeError."""
    decoder, found, position = json.JSONDecoder(), [], 0
    text = text.strip()
    while position < len(text):
        document, position = decoder.raw_decode(text, position)
        found.append(document)
        position += len(text[position:]) - len(text[position:].lstrip())
    return found


def version(found: str, host: str) -> str | None:
    """The version whose Service `found` is; None where it is none of `host`: `s-v1.ns` of `s.ns` is `v1`."""
    name, _, domain = host.partition(".")
    label, _, rest = found.partition(".")
    return label.removeprefix(f"{name}-") if rest == domain and label.startswith(f"{name}-") else None


def _asked(service: Json, host: str) -> Iterator[dict[str, int]]:
    if service.get("kind") == "HTTPRoute":
        yield from _asked_of_http_route(service, host)
        return
    for http in service["spec"].get("http") or ():
        conditions = [set(match) - {"uri", "name", "gateways", "port"} for match in http.get("match") or ()]
        if conditions and all(conditions):
            continue
        routes = http.get("route") or ()
        shares: dict[str, int] = {}
        for route in routes:
            if route["destination"]["host"] in short_names(host):
                name = route["destination"].get("subset", "all")
                shares[name] = shares.get(name, 0) + _weight(route, name, alone=len(routes) == 1)
        yield shares


def _asked_of_http_route(route: Json, host: str) -> Iterator[dict[str, int]]:
    for rule in route["spec"].get("rules") or ():
        conditions = [set(match) - {"path"} for match in rule.get("matches") or ()]
        if conditions and all(conditions):
            continue
        shares: dict[str, int] = {}
        for backend in rule.get("backendRefs") or ():
            namespace = backend.get("namespace") or route["metadata"].get("namespace") or "default"
            name = version(f"{backend['name']}.{namespace}.svc.cluster.local", host)
            if name is not None:
                shares[name] = shares.get(name, 0) + _weight({"weight": 1, **backend}, name, alone=False)
        yield shares


def _weight(route: Json, name: str, *, alone: bool) -> int:
    weight = route.get("weight", 100 if alone else 0)
    if isinstance(weight, bool) or not isinstance(weight, int) or weight < 0:
        raise WeightError(f"the weight of {name} is {json.dumps(weight)}: it must be a whole number, 0 or more")
    return weight


def proportion(services: Iterable[Json], host: str) -> str:
    """A note where weights do not add up to 100; empty where they do."""
    for service in services:
        total = sum((shares := _last(_asked(service, host))).values())
        if total not in (0, 100):
            return f"the weights add up to {total}, not to 100: Istio takes them as a proportion, {_text(shares)}"
    return ""


def _route_configs(dump: Json) -> Iterator[Json]:
    """A `config_dump` holds RoutesConfigDump sections; with `resource=`, their entries directly."""
    for entry in dump.get("configs") or ():
        for dynamic in entry.get("dynamic_route_configs", [entry]):
            if "route_config" in dynamic:
                yield dynamic["route_config"]


def _routed(config: Json, host: str) -> Iterator[dict[str, int]]:
    for virtual_host in config.get("virtual_hosts") or ():
        for route in virtual_host.get("routes") or ():
            match = route.get("match") or {}
            if match.get("headers") or match.get("query_parameters"):
                continue
            action = route.get("route") or {}
            shares: dict[str, int] = {}
            for name, weight in _clusters(action):
                # Istio's name of a cluster: outbound|PORT|SUBSET|HOST
                parts = name.split("|")
                if len(parts) != 4 or not weight:
                    continue
                found = (parts[2] or "all") if parts[3] == host else version(parts[3], host)
                if found is not None:
                    shares[found] = shares.get(found, 0) + weight
            yield shares


def _clusters(action: Json) -> list[tuple[str, int]]:
    if "weighted_clusters" in action:
        return [(entry["name"], int(entry.get("weight") or 0)) for entry in action["weighted_clusters"]["clusters"]]
    return [(action["cluster"], 100)] if "cluster" in action else []


def _last(shares: Iterator[dict[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for entry in shares:
        found = entry if any(entry.values()) else found
    return found


def _text(shares: Mapping[str, int]) -> str:
    total = sum(shares.values())
    return " ".join(f"{name}={round(100 * weight / total)}" for name, weight in sorted(shares.items()) if weight)


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    if len(arguments) != 2 or arguments[0] not in ("wanted", "served"):
        print("usage: tools/traffic_split.py wanted|served HOST", file=sys.stderr)
        return 2
    what, host = arguments
    try:
        found = documents(sys.stdin.read())
    except json.JSONDecodeError as error:
        print(f"traffic_split.py: standard input is no JSON: {error}", file=sys.stderr)
        return 1
    try:
        lines = wanted(found, host) if what == "wanted" else served(found[0] if found else {}, host)
    except WeightError as error:
        print(error, file=sys.stderr)
        return 1
    if what == "wanted" and (note := proportion(found, host)):
        print(f"Note: {note}", file=sys.stderr)
    print(*lines, sep="\n", end="\n" if lines else "")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
