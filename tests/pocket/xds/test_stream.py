"""One Envoy's side is played by hand: what it is told, in which order, and what it is not told again."""

from __future__ import annotations

from collections.abc import Mapping

from pocket.xds.messages import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, Wire
from pocket.xds.stream import KINDS, Configuration, Request, Response, Stream

Versions = Mapping[str, str]
NONE: Versions = {}


def configuration(
    clusters: Versions = NONE, endpoints: Versions = NONE, listeners: Versions = NONE, routes: Versions = NONE,
    empty: tuple[str, ...] = (),
) -> Configuration:  # fmt: skip
    def wires(versions: Versions) -> dict[str, Wire]:
        return {name: Wire(version, b"", name in empty) for name, version in versions.items()}

    kinds = {CLUSTER: clusters, ENDPOINT: endpoints, LISTENER: listeners, ROUTE: routes}
    return Configuration({kind: wires(versions) for kind, versions in kinds.items()})


class Envoy:
    """Asks for endpoints of its clusters and routes of its listeners as the real one does; takes what is not in
    `refuses`."""

    def __init__(self, stream: Stream, has: Mapping[str, Versions] | None = None) -> None:
        self.stream = stream
        self.refuses: dict[str, str] = {}  # name -> words
        self.told: list[tuple[str, dict[str, str], tuple[str, ...]]] = []
        self.has = {kind: dict((has or {}).get(kind, {})) for kind in KINDS}
        self.asked = {kind: set(names) for kind, names in self.has.items()}
        for kind in (CLUSTER, LISTENER):
            stream.hear(Request(kind, ["*"], initial=self.has[kind]))
        for kind in (ENDPOINT, ROUTE):
            if self.has[kind]:
                stream.hear(Request(kind, list(self.has[kind]), initial=self.has[kind]))

    def step(self) -> bool:
        """Answer what there is to answer; was there anything?"""
        responses = self.stream.due()
        for response in responses:
            self.answer(response)
        return bool(responses)

    def answer(self, response: Response) -> None:
        sent = {name: wire.version for name, wire in response.resources.items()}
        self.told.append((response.kind.rpartition(".")[2], sent, tuple(response.removed)))
        words = next((self.refuses[name] for name in sent if name in self.refuses), None)
        if words is None:
            self.has[response.kind].update(sent)
            for name in response.removed:
                self.has[response.kind].pop(name, None)
            follows = {CLUSTER: ENDPOINT, LISTENER: ROUTE}.get(response.kind)
            fresh = [name for name in sent if follows and name not in self.asked[follows]]
            if follows and fresh:
                self.asked[follows].update(fresh)
                self.stream.hear(Request(follows, fresh))
        self.stream.hear(Request(response.kind, nonce=response.nonce, error=words))

    def settle(self, wanted: Configuration) -> list[tuple[str, dict[str, str], tuple[str, ...]]]:
        """Give it all that it shall have; what it was told meanwhile."""
        self.stream.want(wanted)
        self.told.clear()
        for _ in range(50):
            if not self.step():
                break
        assert self.stream.settled
        return list(self.told)


FIRST = configuration({"a": "1"}, {"a": "1"}, {"in": "1"}, {"in": "1"})


def test_clusters_then_endpoints_then_listeners_then_routes() -> None:
    assert Envoy(Stream()).settle(FIRST) == [
        ("Cluster", {"a": "1"}, ()),
        ("ClusterLoadAssignment", {"a": "1"}, ()),
        ("Listener", {"in": "1"}, ()),
        ("RouteConfiguration", {"in": "1"}, ()),
    ]


def test_only_what_has_changed_is_sent() -> None:
    envoy = Envoy(Stream())
    envoy.settle(FIRST)
    assert envoy.settle(configuration({"a": "1"}, {"a": "1"}, {"in": "1"}, {"in": "2"})) == [
        ("RouteConfiguration", {"in": "2"}, ())
    ]
    assert envoy.settle(configuration({"a": "1"}, {"a": "2"}, {"in": "1"}, {"in": "2"})) == [
        ("ClusterLoadAssignment", {"a": "2"}, ())
    ]


def test_a_changed_cluster_gets_its_endpoints_again() -> None:
    """Envoy does not ask for them a second time, and does not answer before it has them."""
    envoy = Envoy(Stream())
    envoy.settle(FIRST)
    envoy.stream.want(configuration({"a": "2"}, {"a": "1"}, {"in": "1"}, {"in": "1"}))
    assert [response.kind for response in envoy.stream.due()] == [CLUSTER, ENDPOINT]


def test_a_cluster_that_changed_while_nobody_listened_gets_its_endpoints_too() -> None:
    """Envoy comes back, is sent the cluster, and says only then which endpoints it has."""
    stream = Stream()
    stream.want(configuration({"a": "2"}, {"a": "1"}))
    stream.hear(Request(CLUSTER, ["*"], initial={"a": "1"}))
    (clusters,) = stream.due()
    stream.hear(Request(ENDPOINT, ["a"], initial={"a": "1"}))
    (endpoints,) = stream.due()
    assert (clusters.kind, endpoints.kind, dict(endpoints.resources)) == (CLUSTER, ENDPOINT, {"a": Wire("1", b"")})


def test_what_has_nothing_is_told_so() -> None:
    """An Envoy waits for the first answer before it starts to work."""
    assert Envoy(Stream()).settle(configuration()) == [("Cluster", {}, ()), ("Listener", {}, ())]


def test_what_routes_may_still_use_goes_last() -> None:
    envoy = Envoy(Stream())
    envoy.settle(configuration({"a": "1", "b": "1"}, {"a": "1", "b": "1"}, {"in": "1"}, {"in": "1"}))
    told = envoy.settle(
        configuration({"b": "1", "c": "1"}, {"b": "0", "c": "1"}, {"in": "1"}, {"in": "2"}, empty=("b",))
    )
    assert told == [
        ("Cluster", {"c": "1"}, ()),
        ("ClusterLoadAssignment", {"c": "1"}, ()),
        ("RouteConfiguration", {"in": "2"}, ()),
        ("ClusterLoadAssignment", {"b": "0"}, ()),
        ("Cluster", {}, ("a",)),
    ]


def test_a_new_cluster_without_endpoints_is_told_so_at_once() -> None:
    """It warms until it knows."""
    envoy = Envoy(Stream())
    told = envoy.settle(configuration({"a": "1"}, {"a": "0"}, {"in": "1"}, {"in": "1"}, empty=("a",)))
    assert [kind for kind, _, _ in told] == ["Cluster", "ClusterLoadAssignment", "Listener", "RouteConfiguration"]


def test_of_a_refused_response_each_resource_is_tried_by_itself() -> None:
    envoy = Envoy(Stream())
    envoy.refuses = {"b": "no good"}
    told = envoy.settle(
        configuration({"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "1", "c": "1"}, {"in": "1"}, {"in": "1"})
    )
    assert envoy.has[CLUSTER] == {"a": "1", "c": "1"}
    assert envoy.has[ROUTE] == {"in": "1"}
    assert [list(sent) for kind, sent, _ in told if kind == "Cluster"] == [["a", "b", "c"], ["a"], ["b"], ["c"]]
    assert envoy.stream.refusals == {(CLUSTER, "b"): "no good"}


def test_what_was_refused_is_not_sent_again_until_it_changes() -> None:
    envoy = Envoy(Stream())
    envoy.settle(FIRST)
    envoy.refuses = {"in": "bad route"}
    envoy.settle(configuration({"a": "1"}, {"a": "1"}, {"in": "1"}, {"in": "2"}))
    assert envoy.stream.refusals == {(ROUTE, "in"): "bad route"}
    told = envoy.settle(configuration({"a": "2"}, {"a": "1"}, {"in": "1"}, {"in": "2"}))
    assert told[0] == ("Cluster", {"a": "2"}, ())
    assert envoy.has[ROUTE] == {"in": "1"}
    envoy.refuses = {}
    assert ("RouteConfiguration", {"in": "3"}, ()) in envoy.settle(
        configuration({"a": "2"}, {"a": "1"}, {"in": "1"}, {"in": "3"})
    )
    assert envoy.stream.refusals == {}


def test_a_refusal_ends_where_the_old_state_is_wanted_again() -> None:
    envoy = Envoy(Stream())
    envoy.settle(FIRST)
    envoy.refuses = {"in": "bad route"}
    envoy.settle(configuration({"a": "1"}, {"a": "1"}, {"in": "1"}, {"in": "2"}))
    assert envoy.settle(configuration({"a": "1"}, {"a": "1"}, {"in": "1"}, {"in": "1"})) == []
    assert envoy.stream.refusals == {}


def test_without_its_listener_a_route_is_not_waited_for() -> None:
    envoy = Envoy(Stream())
    envoy.refuses = {"in": "Address already in use"}
    envoy.settle(FIRST)
    assert envoy.stream.refusals == {(LISTENER, "in"): "Address already in use"}


def test_one_that_comes_back_is_told_only_what_is_new() -> None:
    has = {CLUSTER: {"a": "1", "old": "1"}, ENDPOINT: {"a": "1", "old": "1"}, LISTENER: {"in": "1"}, ROUTE: {"in": "1"}}
    told = Envoy(Stream(), has).settle(configuration({"a": "1"}, {"a": "2"}, {"in": "1"}, {"in": "1"}))
    assert [entry for entry in told if entry[1] or entry[2]] == [
        ("ClusterLoadAssignment", {"a": "2"}, ()),
        ("Cluster", {}, ("old",)),
    ]


def test_who_asks_again_is_told_again() -> None:
    envoy = Envoy(Stream())
    envoy.settle(FIRST)
    envoy.stream.hear(Request(ENDPOINT, ["a"]))
    assert envoy.settle(FIRST) == [("ClusterLoadAssignment", {"a": "1"}, ())]


def test_an_answer_to_something_older_is_no_answer() -> None:
    stream = Stream()
    envoy = Envoy(stream)
    stream.want(FIRST)
    (first,) = stream.due()
    stream.hear(Request(CLUSTER, nonce="of another stream"))
    assert stream.due() == []
    envoy.answer(first)
    assert stream.due() != []


def test_a_change_back_while_the_change_is_under_way_is_sent() -> None:
    stream = Stream()
    envoy = Envoy(stream)
    envoy.settle(FIRST)
    stream.want(configuration({"a": "1"}, {"a": "1"}, {"in": "1"}, {"in": "2"}))
    (under_way,) = stream.due()
    stream.want(configuration({"a": "1"}, {"a": "1"}, {"in": "1"}, {"in": "1"}))
    assert stream.due() == []
    assert not stream.settled
    envoy.answer(under_way)
    assert envoy.settle(configuration({"a": "1"}, {"a": "1"}, {"in": "1"}, {"in": "1"})) == [
        ("RouteConfiguration", {"in": "1"}, ())
    ]


def test_the_version_of_a_type_is_that_of_its_resources() -> None:
    stream = Stream()
    envoy = Envoy(stream)
    envoy.settle(FIRST)
    assert stream.version(ROUTE) == FIRST.version(ROUTE)
    changed = configuration({"a": "1"}, {"a": "1"}, {"in": "1"}, {"in": "2"})
    assert stream.version(ROUTE) != changed.version(ROUTE)
    assert stream.version(CLUSTER) == changed.version(CLUSTER)


def test_secrets_go_at_once_to_whoever_asks_while_clusters_wait_for_them() -> None:
    stream = Stream()
    wires = {kind: {"a": Wire("1", b"")} for kind in (SECRET, CLUSTER, ENDPOINT, LISTENER)}
    stream.want(Configuration({**wires, SECRET: {"default": Wire("1", b""), "ROOTCA": Wire("1", b"")}}))
    for kind in (CLUSTER, LISTENER):
        stream.hear(Request(kind, ["*"]))
    (clusters,) = stream.due()
    assert clusters.kind == CLUSTER
    stream.hear(Request(SECRET, ["default"]))  # before it takes the cluster that names it
    (secret,) = stream.due()
    assert (secret.kind, list(secret.resources)) == (SECRET, ["default"])
    stream.hear(Request(SECRET, nonce=secret.nonce))
    stream.hear(Request(CLUSTER, nonce=clusters.nonce))
    stream.hear(Request(ENDPOINT, ["a"]))
    (loads,) = stream.due()
    assert loads.kind == ENDPOINT
    stream.hear(Request(ENDPOINT, nonce=loads.nonce))
    (listeners,) = stream.due()
    stream.hear(Request(LISTENER, nonce=listeners.nonce))
    assert stream.due() == []
    assert stream.settled  # nothing has asked for ROOTCA
    renewed = Configuration({**wires, SECRET: {"default": Wire("2", b""), "ROOTCA": Wire("1", b"")}})
    stream.want(renewed)
    (secret,) = stream.due()
    assert (secret.resources["default"].version, stream.due(), stream.settled) == ("2", [], False)
    stream.hear(Request(SECRET, nonce=secret.nonce))
    assert (stream.due(), stream.settled) == ([], True)


def test_a_cluster_that_changes_while_its_endpoints_are_under_way_gets_them_again() -> None:
    """The answer to those under way is for the cluster as it was: the new one would wait for ever."""
    stream = Stream()
    stream.want(configuration({"a": "1"}, {"a": "1"}))
    for kind in (CLUSTER, LISTENER):
        stream.hear(Request(kind, ["*"]))
    (clusters,) = stream.due()
    stream.hear(Request(CLUSTER, nonce=clusters.nonce))
    stream.hear(Request(ENDPOINT, ["a"]))
    (loads,) = stream.due()
    stream.want(configuration({"a": "2"}, {"a": "1"}))
    (clusters,) = stream.due()
    assert dict(clusters.resources) == {"a": Wire("2", b"")}
    stream.hear(Request(ENDPOINT, nonce=loads.nonce))
    stream.hear(Request(CLUSTER, nonce=clusters.nonce))
    (again,) = stream.due()
    assert (again.kind, list(again.resources)) == (ENDPOINT, ["a"])
