"""What one Envoy has, what it shall have, and what it is to be told next: delta xDS without I/O.

Make before break: clusters first, then their endpoints; once Envoy has both, listeners and routes; at the end what
nothing uses any more goes away, the last endpoints of clusters included. Of each type at most one response is under
way, and only what changed is sent. The protocol:
https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#incremental-xds
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import Enum

from pocket.xds.messages import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, Wire

KINDS = (SECRET, CLUSTER, ENDPOINT, LISTENER, ROUTE)
"""In the order of sending: clusters and listeners name secrets."""

_BY_NAME = (SECRET, ENDPOINT, ROUTE)  # it asks for these by name, and for no more than it needs


class State(Enum):
    """What `istioctl proxy-status` tells of one type at one Envoy."""

    UNASKED = "it has not asked for any"
    UNSENT = "there is nothing to tell"
    SYNCED = "it has what it shall have"
    STALE = "it has been told, or is to be told, and has not answered"
    REFUSED = "it refuses some"


_NONE: Mapping[str, Wire] = {}


@dataclass(frozen=True)
class Configuration:
    """All that an Envoy shall have: resources by type and name."""

    resources: Mapping[str, Mapping[str, Wire]]

    _versions: dict[str, str] = field(default_factory=dict, init=False, compare=False, repr=False)

    def version(self, kind: str) -> str:
        """Of a type as a whole: what `istioctl proxy-status` compares."""
        if kind not in self._versions:
            self._versions[kind] = _digest({name: wire.version for name, wire in self.of(kind).items()})
        return self._versions[kind]

    def after(self, before: Configuration | None) -> Configuration:
        """The same, with what is as it was before in the very place where it was: nobody needs to compare it again."""
        if before is None:
            return self
        kept = {kind: new if before.of(kind) != new else before.of(kind) for kind, new in self.resources.items()}
        made = Configuration(kept)
        made._versions.update((kind, v) for kind, v in before._versions.items() if kept.get(kind) is before.of(kind))
        return made

    def of(self, kind: str) -> Mapping[str, Wire]:
        return self.resources.get(kind, _NONE)


@dataclass(frozen=True)
class Request:
    """What a DeltaDiscoveryRequest says."""

    kind: str
    subscribe: Sequence[str] = ()
    unsubscribe: Sequence[str] = ()
    initial: Mapping[str, str] = field(default_factory=dict)  # name -> version, the first time
    nonce: str = ""
    error: str | None = None  # Envoy's words, where it refuses the response with that nonce


@dataclass(frozen=True)
class Response:
    """What a DeltaDiscoveryResponse says."""

    kind: str
    nonce: str
    version: str
    resources: Mapping[str, Wire]
    removed: Sequence[str] = ()


@dataclass
class _Kind:
    """One type of resource at one Envoy."""

    asked: bool = False
    told: bool = False  # it waits for a first answer, even if there is nothing to tell
    subscribed: set[str] = field(default_factory=set)
    has: dict[str, str] = field(default_factory=dict)  # name -> version
    flight: Response | None = None
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)  # name -> version, Envoy's words
    again: set[str] = field(default_factory=set)  # under way, and to be told once more whatever Envoy answers
    alone: set[str] = field(default_factory=set)  # of a response that was refused: each to be tried by itself
    complete: Mapping[str, Wire] | None = None  # has all of this; a shortcut, for most of the time nothing changes

    def lacks(self, wanted: Mapping[str, Wire], without: Set[str] = frozenset()) -> list[str]:
        """What it does not have as wanted, and has not refused."""
        if self.complete is wanted:
            return []
        found = [
            name
            for name, wire in wanted.items()
            if self.has.get(name) != wire.version
            and name not in without
            and self.refused.get(name, ("", ""))[0] != wire.version
        ]
        if not found and not without:
            self.complete = wanted
        return found

    def forget(self, names: Set[str]) -> None:
        """It is to be told these again."""
        if not names:
            return
        for name in names:
            self.has.pop(name, None)
        if self.flight is not None:
            self.again.update(names & self.flight.resources.keys())
        self.complete = None

    def answered(self, flight: Response, error: str | None) -> None:
        """Envoy takes a response, or refuses it. Of a response with several resources it does not say which is wrong
        (and may have taken the others): each is sent again by itself."""
        again, self.again = self.again, set()
        self.flight = self.complete = None
        if error is not None and len(flight.resources) > 1:
            self.alone.update(flight.resources)
            return
        for name, wire in flight.resources.items():
            self.alone.discard(name)
            if error is None:
                self.refused.pop(name, None)
                if name not in again:
                    self.has[name] = wire.version
            else:
                self.refused[name] = (wire.version, error)
        for name in flight.removed:
            self.has.pop(name, None)


class Stream:
    """One connection of one Envoy."""

    def __init__(self) -> None:
        self._kinds = {kind: _Kind() for kind in KINDS}
        self._wanted: Configuration | None = None
        self._count = 0
        self.settled = False
        """It has all that it shall have, but for what it refuses."""

    def want(self, configuration: Configuration) -> None:
        """From now on it shall have this."""
        if self._wanted is not configuration:
            self._wanted = configuration
            self.settled = False

    def hear(self, request: Request) -> None:
        """Envoy says which resources it wants to know, and whether it takes what it was sent."""
        kind = self._kinds.get(request.kind)
        if kind is None:
            return  # a type that pocket has nothing of
        if not kind.asked:
            kind.asked = True
            kind.has = dict(request.initial)
            clusters = self._kinds[CLUSTER].flight
            if request.kind == ENDPOINT and clusters is not None:  # those wait for endpoints, as `_make` says
                kind.forget(clusters.resources.keys())
        else:
            kind.forget(set(request.subscribe))  # it wants to be told again
        kind.subscribed.update(request.subscribe)
        kind.subscribed.difference_update(request.unsubscribe)
        kind.forget(set(request.unsubscribe))
        if kind.flight is not None and request.nonce == kind.flight.nonce:
            kind.answered(kind.flight, request.error)
        self.settled = False

    def due(self) -> list[Response]:
        """What is to be sent now. Sets `settled` where that is nothing, and Envoy has answered everything."""
        if self._wanted is None:
            return []
        for stage in (self._prove, self._make, self._move, self._break):
            waits, responses = stage(self._wanted)
            if waits or responses:
                return responses
        self.settled = self._kinds[SECRET].flight is None
        return []

    @property
    def refusals(self) -> dict[tuple[str, str], str]:
        """What it refuses of what it shall have: (type, name) -> its words."""
        wanted = self._wanted
        return {
            (kind, name): words
            for kind, state in self._kinds.items()
            for name, (version, words) in state.refused.items()
            if wanted and name in wanted.of(kind) and wanted.of(kind)[name].version == version
        }

    def version(self, kind: str) -> str:
        """The version of a type that it has, as a whole."""
        return _digest(self._kinds[kind].has)

    def state(self, kind: str) -> State:
        """How far it is with a type."""
        known = self._kinds[kind]
        if not known.asked:
            return State.UNASKED
        if known.refused:
            return State.REFUSED
        if known.flight is not None:
            return State.STALE
        if self._wanted is None or not (known.told or known.has):
            return State.UNSENT
        wanted = self._wanted.of(kind)
        lacking = [name for name in known.lacks(wanted) if kind not in _BY_NAME or name in known.subscribed]
        return State.STALE if lacking else State.SYNCED

    # -- stages: does Envoy still owe us something, and what is to be sent ---------------------------------------------

    def _prove(self, wanted: Configuration) -> tuple[bool, list[Response]]:
        """Secrets, as soon as it asks: it does when a cluster or a listener names them, which waits for them. So they
        do not wait for what is under way, and nothing waits for them here."""
        secrets = self._kinds[SECRET]
        names = [name for name in secrets.lacks(wanted.of(SECRET)) if name in secrets.subscribed]
        if not names or secrets.flight is not None:
            return False, []
        return True, [self._send(wanted, SECRET, names, ())]

    def _make(self, wanted: Configuration) -> tuple[bool, list[Response]]:
        clusters, endpoints = self._kinds[CLUSTER], self._kinds[ENDPOINT]
        changed = clusters.lacks(wanted.of(CLUSTER))
        if clusters.flight is None:
            # A changed cluster waits for its endpoints anew, without asking; and Envoy's answer waits with it.
            endpoints.forget(set(changed))
        loads = wanted.of(ENDPOINT)
        lacking = [
            name
            for name in endpoints.lacks(loads, self._refused(CLUSTER))
            if not (loads[name].empty and name in endpoints.has)
        ]
        return self._step(
            wanted,
            bool(lacking),  # it has yet to ask for some, or to take them
            (CLUSTER, changed, ()),
            (ENDPOINT, [name for name in lacking if name in endpoints.subscribed], ()),
        )

    def _move(self, wanted: Configuration) -> tuple[bool, list[Response]]:
        routes = self._kinds[ROUTE]
        lacking = routes.lacks(wanted.of(ROUTE))
        return self._step(
            wanted,
            bool(lacking) and not self._refused(LISTENER),  # without its listener, it does not ask for a route
            (LISTENER, self._kinds[LISTENER].lacks(wanted.of(LISTENER)), ()),
            (ROUTE, [name for name in lacking if name in routes.subscribed], ()),
        )

    def _break(self, wanted: Configuration) -> tuple[bool, list[Response]]:
        def gone(kind: str) -> list[str]:
            state, needed = self._kinds[kind], wanted.of(kind)
            if state.complete is needed and len(state.has) == len(needed):
                return []
            return [name for name in state.has if name not in needed]

        endpoints = self._kinds[ENDPOINT]
        lacking = endpoints.lacks(wanted.of(ENDPOINT), self._refused(CLUSTER))
        emptied = [name for name in lacking if name in endpoints.subscribed]
        return self._step(
            wanted, False, (LISTENER, (), gone(LISTENER)), (ENDPOINT, emptied, ()), (CLUSTER, (), gone(CLUSTER))
        )

    def _refused(self, kind: str) -> set[str]:
        return {name for of, name in self.refusals if of == kind}

    def _step(
        self, wanted: Configuration, waits: bool, *parts: tuple[str, Sequence[str], Sequence[str]]
    ) -> tuple[bool, list[Response]]:
        """Of each type: what to add or change, and what to remove."""
        responses = []
        for kind, names, removed in parts:
            state = self._kinds[kind]
            speak = bool(names or removed) or (kind in (CLUSTER, LISTENER) and not state.told)
            if speak and state.asked and state.flight is None:
                responses.append(self._send(wanted, kind, names, removed))
            waits = waits or speak or state.flight is not None
        return waits, responses

    def _send(self, wanted: Configuration, kind: str, names: Sequence[str], removed: Sequence[str]) -> Response:
        state = self._kinds[kind]
        together = [name for name in names if name not in state.alone] or names[:1]
        self._count += 1
        resources = {name: wanted.of(kind)[name] for name in together}
        state.told = True
        state.flight = Response(kind, str(self._count), wanted.version(kind), resources, removed)
        return state.flight


def _digest(versions: Mapping[str, str]) -> str:
    """Stands for all resources of a type."""
    lines = "".join(f"{name}={versions[name]}\n" for name in sorted(versions))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]
