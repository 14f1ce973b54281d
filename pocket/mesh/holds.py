"""What one object breaks breaks that object only: which objects are held back, and which one is to blame. No I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pocket.mesh.gatewayapi import convert as gatewayapi
from pocket.objects import Obj, kind_of, name_of, namespace_of

BLAMED = (
    "VirtualService", "DestinationRule", "Gateway", "ServiceEntry", "Service", *gatewayapi.KINDS,
    "PeerAuthentication", "AuthorizationPolicy", "RequestAuthentication",
)  # fmt: skip
"""The kinds that people write and that an Envoy may have something against."""

Key = tuple[str, str, str]  # kind, namespace, name


def key_of(obj: Obj) -> Key:
    return kind_of(obj), namespace_of(obj) or "", name_of(obj)


@dataclass(frozen=True)
class Held:
    """An object that an Envoy refuses: `good` stands for it until it changes; None where there was nothing before."""

    digest: str
    words: str
    good: Obj | None


class Holds:
    """Remembers what all Envoys have taken, and what is held back."""

    def __init__(self) -> None:
        self._good: dict[Key, Obj] = {}
        self._held: dict[Key, Held] = {}

    def effective(self, objects: Iterable[Obj]) -> list[Obj]:
        """The objects as they are to be in force: of those that are held back, the last good version."""
        found = []
        known = set()
        for obj in objects:
            key = key_of(obj)
            known.add(key)
            held = self._held.get(key)
            if held is not None and held.digest != _digest(obj):
                del self._held[key]  # it has changed: another attempt
                held = None
            if held is None:
                found.append(obj)
            elif held.good is not None:
                found.append(held.good)
        for key in self._held.keys() - known:
            del self._held[key]
        return found

    def suspects(self, objects: Iterable[Obj]) -> list[Obj]:
        """What is new since all Envoys took what there was, of that which is in force."""
        return [
            obj
            for obj in objects
            if kind_of(obj) in BLAMED
            and key_of(obj) not in self._held
            and (key_of(obj) not in self._good or _digest(self._good[key_of(obj)]) != _digest(obj))
        ]

    def without(self, objects: Iterable[Obj], suspects: Iterable[Obj]) -> list[Obj]:
        """The objects with the last good version in place of each suspect."""
        keys = {key_of(obj) for obj in suspects}
        rest = [obj for obj in objects if key_of(obj) not in keys]
        return rest + [self._good[key] for key in sorted(keys) if key in self._good]

    def hold(self, obj: Obj, words: str) -> None:
        """From now on its last good version stands for it."""
        self._held[key_of(obj)] = Held(_digest(obj), words, self._good.get(key_of(obj)))

    def taken(self, effective: Iterable[Obj]) -> None:
        """All Envoys have taken these."""
        self._good = {key_of(obj): obj for obj in effective}

    @property
    def held(self) -> Mapping[Key, Held]:
        return self._held

    def to_json(self) -> list[dict[str, Any]]:
        return [{"key": list(key), **asdict(held)} for key, held in sorted(self._held.items())]

    def restore(self, data: Iterable[Mapping[str, Any]]) -> None:
        """What an earlier control process held back."""
        for entry in data:
            kind, namespace, name = entry["key"]
            self._held[kind, namespace, name] = Held(entry["digest"], entry["words"], entry["good"])


async def blame(
    suspects: Sequence[Obj], objection: Callable[[Sequence[Obj]], Awaitable[str | None]]
) -> list[tuple[Obj, str]]:
    """Which of the suspects are refused, and with which words; by halves, for each question takes half a second.

    `objection` says what is wrong with the good state and some suspects, None where nothing is. It is not asked about
    none of them: a state that is refused without any suspect is nobody's fault, and everybody would seem guilty.
    """
    guilty: list[tuple[Obj, str]] = []

    async def search(some: Sequence[Obj], cleared: list[Obj]) -> None:
        words = await objection([*cleared, *some])
        if words is None:
            cleared += some
        elif len(some) == 1:
            guilty.append((some[0], words))
        else:
            middle = len(some) // 2
            await search(some[:middle], cleared)
            await search(some[middle:], cleared)

    if suspects:
        await search(suspects, [])
    return guilty


def _digest(obj: Obj) -> str:
    """Of what a person says in an object: its status is ours."""
    said = {"spec": obj.get("spec"), "labels": obj["metadata"].get("labels")}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
