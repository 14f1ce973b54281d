"""All requests of the conformance cases through one real Envoy, with one stand-in behind it.

Every proxy of every case becomes one listener with its own routes. What a request meets is Envoy's decision: the
listener's routes carry names, so that the answer tells which one it was. Clusters lead to the stand-in where they have
endpoints at all; settings of clusters, shares and faults are read from the configuration (reading.py).
"""

from __future__ import annotations

import asyncio
import copy
import json
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pocket.mesh.model import EnvoyConfig, Proxy, Resource
from pocket.mesh.names import PASSTHROUGH, PASSTHROUGH_TCP, typed
from pocket.programs import envoy
from tests.pocket.mesh.conformance import reading
from tests.pocket.mesh.conformance.world import Asked, configured
from tests.pocket.mesh.kit import free_ports

TRIES = 100
"""How often a request is repeated until every cluster with a weight was met: at 10 %, one in 38,000 runs misses."""

_ANSWER = {"d": "0", "e": "0", "f": "0"}  # the stand-in's headers, as istiod's answers presume
_ECHO = "x-stand-in-saw"


@dataclass
class Place:
    """One proxy of one case in the live Envoy."""

    proxy: Proxy
    config: EnvoyConfig
    ports: dict[str, int] = field(default_factory=dict)  # listener's name -> live port
    routes: dict[str, tuple[Resource, Resource]] = field(default_factory=dict)  # live name -> virtual host, route


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, list[str]]
    body: str

    def one(self, name: str) -> str | None:
        return next(iter(self.headers.get(name, [])), None)


def answers(listed: Iterable[Asked], root: Path) -> dict[str, dict[str, Any]]:
    """What pocket makes of each request, in the words of the cases, by the request's id."""
    return asyncio.run(_answers(list(listed), root))


async def _answers(listed: list[Asked], root: Path) -> dict[str, dict[str, Any]]:
    places = {one.id: Place(*configured(one)) for one in listed}
    (bridge,) = free_ports(1)
    (admin,) = free_ports(1)
    server = await asyncio.start_server(_stand_in, "127.0.0.1", 0)
    document = _document(places, admin, bridge, server.sockets[0].getsockname()[1])
    (root / "envoy.json").write_text(json.dumps(document))
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: ASYNC220 - it ends below
            [str(envoy()), "-c", "envoy.json", "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"],
            cwd=root, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        await _ready(admin, process)
        return {one.id: await _outcome(one, places[one.id]) for one in listed}
    finally:
        process.kill()
        process.wait()
        server.close()


async def _ready(admin: int, process: subprocess.Popen[bytes]) -> None:
    async with asyncio.timeout(120):
        while True:
            if process.poll() is not None:
                raise RuntimeError("Envoy does not take the configuration: its log says why")
            try:
                answer = await _ask(admin, "GET", "/ready", "x", {})
            except OSError:
                answer = None
            if answer and answer.status == 200:
                return
            await asyncio.sleep(0.1)


# -- one request --------------------------------------------------------------------------------------------------


async def _outcome(one: Asked, place: Place) -> dict[str, Any]:
    request = one.request
    listener = "outbound"
    if place.proxy.mode == "gateway":
        listener = f"gateway_{request['port']}"
    if listener not in place.ports:
        return {"status": "refused"}
    port = place.ports[listener]
    if request["tls"]:
        return _connection(place, await _ask(port, "CONNECT", request["host"], request["host"], {}))
    target = request["path"] if place.proxy.mode == "gateway" else f"http://{request['host']}{request['path']}"

    async def ask() -> Answer:
        return await _ask(port, request["method"], target, request["host"], request["headers"])

    answer = await ask()
    name = answer.one("x-live-route")
    if name is None:
        return _without_route(answer)
    virtual_host, route = place.routes[name]
    if virtual_host.get("require_tls"):
        return {"redirect": {"code": "MOVED_PERMANENTLY", "scheme": "https"}}
    out = reading.filters(route)
    if "redirect" in route:
        assert 301 <= answer.status <= 308, answer
        return {**out, "redirect": reading.redirect(route)}
    if "direct_response" in route:
        return {**out, "direct": [answer.status, answer.body]}
    wanted = reading.shares(route["route"])
    if set(wanted) <= {PASSTHROUGH} or _external(place, wanted):
        return {"unknown host": True}
    met: dict[str, Answer] = {}
    for _ in range(TRIES):
        met[str(answer.one("x-live-cluster"))] = answer
        if len(met) == len(wanted):
            break
        answer = await ask()
    assert len(met) == len(wanted), (one.id, met.keys(), wanted)
    destinations = [_destination(place, cluster, wanted, got, request) for cluster, got in met.items()]
    saw = next((_saw(got) for got in met.values() if got.one(_ECHO)), None)
    if saw:
        out["path"] = saw["path"]
    return {**out, **reading.action(place.config, route), "to": sorted(destinations, key=lambda d: d["cluster"])}


def _without_route(answer: Answer) -> dict[str, Any]:
    if answer.status == 301 and (answer.one("location") or "").startswith("https://"):
        return {"redirect": {"code": "MOVED_PERMANENTLY", "scheme": "https"}}
    return {"status": answer.status}


def _connection(place: Place, answer: Answer) -> dict[str, Any]:
    name = answer.one("x-live-route")
    if name is None:
        return {"status": answer.status}
    found = reading.shares(place.routes[name][1]["route"])
    if set(found) == {PASSTHROUGH_TCP}:
        return {"unknown host": True}
    return {"tcp": [[cluster, share, reading.endpoints(place.config, cluster)] for cluster, share in found.items()]}


def _external(place: Place, wanted: dict[str, float]) -> bool:
    """An ExternalName: pocket resolves what cluster DNS would have, and passes through."""
    return all(name.startswith(f"{PASSTHROUGH}|") for name in wanted)


def _destination(
    place: Place, cluster: str, wanted: dict[str, float], answer: Answer, request: dict[str, Any]
) -> dict[str, Any]:
    found = place.config.clusters.get(cluster)
    out: dict[str, Any] = {
        "cluster": cluster,
        "share": wanted[cluster],
        "endpoints": reading.endpoints(place.config, cluster),
        "settings": reading.settings(found) if found else None,
    }
    if answer.one(_ECHO):
        saw = _saw(answer)
        out["authority"] = None if saw["authority"] == request["host"] else saw["authority"]
        out["up_headers"] = saw["headers"]
        out["response"] = {name: sorted(answer.headers[name]) for name in _ANSWER if name in answer.headers}
    else:
        assert answer.status == 503, answer
    return out


def _saw(answer: Answer) -> dict[str, Any]:
    return dict(json.loads(str(answer.one(_ECHO))))


# -- plain HTTP/1.1 -------------------------------------------------------------------------------------------------


async def _ask(port: int, method: str, target: str, host: str, headers: dict[str, Any]) -> Answer:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        lines = [f"{method} {target} HTTP/1.1", f"host: {host}", *_lines(headers)]
        writer.write("".join(f"{line}\r\n" for line in [*lines, "connection: close", "", ""][:-1]).encode())
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)).decode("latin-1")
        body = b"" if method == "CONNECT" else await asyncio.wait_for(reader.read(), 30)
    finally:
        writer.close()
    first, *rest = head.split("\r\n")[:-2]
    got: dict[str, list[str]] = {}
    for line in rest:
        name, _, value = line.partition(":")
        got.setdefault(name.lower(), []).append(value.strip())
    return Answer(int(first.split()[1]), got, body.decode("latin-1"))


def _lines(headers: dict[str, Any]) -> Iterator[str]:
    for name, value in headers.items():
        for each in value if isinstance(value, list) else [value]:
            yield f"{name}: {each}"


async def _stand_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers each request with what came: path, authority and headers, in one header."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *rest = head.split("\r\n")[:-2]
            headers: dict[str, list[str]] = {}
            for line in rest:
                name, _, value = line.partition(":")
                headers.setdefault(name.lower(), []).append(value.strip())
            (authority,) = headers.pop("host")
            _, path, _ = first.split(" ")
            saw = {"path": path, "authority": authority, "headers": headers}
            lines = ["HTTP/1.1 200 OK", "content-length: 0", f"{_ECHO}: {json.dumps(saw)}", *_lines(_ANSWER)]
            writer.write("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
            await writer.drain()
    except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
        writer.close()


# -- the live configuration -----------------------------------------------------------------------------------------


def _document(places: dict[str, Place], admin: int, bridge: int, stand_in: int) -> dict[str, Any]:
    clusters = _Clusters(bridge)
    listeners = [_bridge(bridge)]
    ports = iter(free_ports(sum(len(place.config.listeners) for place in places.values())))
    for place in places.values():
        for name, listener in place.config.listeners.items():
            if name == "outbound" or name.startswith("gateway_"):
                place.ports[name] = next(ports)
                listeners.append(_listener(place, listener, place.ports[name], clusters))
    static = [*clusters.live.values(), _cluster("stand-in", stand_in)]
    return {
        "admin": {"address": _address(admin)},
        "static_resources": {"listeners": listeners, "clusters": static},
        "layered_runtime": {"layers": [{"name": "s", "static_layer": {"re2.max_program_size.error_level": 32768}}]},
    }


class _Clusters:
    """The clusters of all cases, those alike once; with endpoints they lead to the bridge, without to nobody."""

    def __init__(self, bridge: int) -> None:
        self._bridge = bridge
        self.live: dict[str, Resource] = {}

    def name(self, place: Place, cluster: str) -> str:
        found = place.config.clusters.get(cluster)
        if found is None:
            return cluster
        reached = reading.endpoints(place.config, cluster) != reading.NOBODY
        options = found.get("typed_extension_protocol_options")
        live = f"{cluster}@{reached}@{abs(hash(json.dumps(options, sort_keys=True)))}"
        made = _cluster(live, self._bridge if reached else 0)
        if options:
            made["typed_extension_protocol_options"] = copy.deepcopy(options)
            for one in made["typed_extension_protocol_options"].values():
                one.pop("upstream_http_protocol_options", None)
        self.live[live] = made
        return live


def _listener(place: Place, listener: Resource, port: int, clusters: _Clusters) -> Resource:
    made = copy.deepcopy(listener)
    made["name"] = f"live_{port}"
    made["address"] = _address(port)
    for chain in made["filter_chains"]:
        for one in chain["filters"]:
            manager = one["typed_config"]
            # By way of JSON: virtual hosts may share a route, and each is marked on its own here.
            routes = json.loads(json.dumps(place.config.routes[manager.pop("rds")["route_config_name"]]))
            manager["access_log"] = []
            manager["route_config"] = routes
            for index, virtual_host in enumerate(routes["virtual_hosts"]):
                for number, route in enumerate(virtual_host["routes"]):
                    live = f"{port}-{index}-{number}"
                    place.routes[live] = (virtual_host, copy.deepcopy(route))
                    _mark(route, live, place, clusters)
    return made


def _mark(route: Resource, live: str, place: Place, clusters: _Clusters) -> None:
    """Let the answer say which route and cluster it came by; faults and mirrors are left out."""
    route["name"] = live
    route.pop("typed_per_filter_config", None)
    headers = [{"header": {"key": "x-live-route", "value": live}}]
    if found := route.get("route"):
        found.pop("request_mirror_policies", None)
        if "cluster" in found:
            headers.append(_told(found["cluster"]))
            found["cluster"] = clusters.name(place, found["cluster"])
        else:
            for one in found["weighted_clusters"]["clusters"]:
                one["response_headers_to_add"] = [*one.get("response_headers_to_add", []), _told(one["name"])]
                one["name"] = clusters.name(place, one["name"])
    route["response_headers_to_add"] = [*route.get("response_headers_to_add", []), *headers]


def _told(cluster: str) -> Resource:
    return {"header": {"key": "x-live-cluster", "value": cluster}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _bridge(port: int) -> Resource:
    """HTTP/1 or HTTP/2 in, HTTP/1 to the stand-in, nothing changed on the way."""
    route = {"match": {"prefix": "/"}, "route": {"cluster": "stand-in"}}
    manager = typed(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="bridge",
        generate_request_id=False,
        http_filters=[
            {
                "name": "envoy.filters.http.router",
                "typed_config": typed("envoy.extensions.filters.http.router.v3.Router", suppress_envoy_headers=True),
            }
        ],
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
    )
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    return {"name": "bridge", "address": _address(port), "filter_chains": [chain]}


def _cluster(name: str, port: int) -> Resource:
    where = [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}] if port else []
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": where},
    }


def _address(port: int) -> Resource:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
