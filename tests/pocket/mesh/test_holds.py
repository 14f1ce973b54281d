from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from pocket.mesh.holds import Holds, blame, key_of
from pocket.objects import Obj, name_of
from tests.pocket.mesh.kit import service, virtual_service


def version(name: str, number: int) -> Obj:
    return virtual_service(name, http=[{"name": f"r{number}"}])


def test_what_is_held_back_is_replaced_by_what_was_good() -> None:
    holds = Holds()
    holds.taken([version("a", 1), version("b", 1)])
    now = [version("a", 2), version("b", 2)]
    holds.hold(now[0], "no good")
    assert holds.effective(now) == [version("a", 1), version("b", 2)]


def test_what_was_never_good_is_left_out() -> None:
    holds = Holds()
    holds.hold(version("a", 1), "no good")
    assert holds.effective([version("a", 1), version("b", 1)]) == [version("b", 1)]


def test_another_version_is_another_attempt() -> None:
    holds = Holds()
    holds.taken([version("a", 1)])
    holds.hold(version("a", 2), "no good")
    assert holds.effective([version("a", 3)]) == [version("a", 3)]
    assert holds.held == {}


def test_one_that_is_deleted_is_not_held_any_more() -> None:
    holds = Holds()
    holds.taken([version("a", 1)])
    holds.hold(version("a", 2), "no good")
    assert holds.effective([]) == []
    assert holds.held == {}


def test_a_status_is_no_change() -> None:
    holds = Holds()
    holds.hold(version("a", 1), "no good")
    assert holds.effective([{**version("a", 1), "status": {"conditions": []}}]) == []


def test_suspects_are_what_has_changed() -> None:
    holds = Holds()
    holds.taken([version("a", 1), version("b", 1), service()])
    now = [version("a", 1), version("b", 2), version("c", 1), service()]
    assert [name_of(obj) for obj in holds.suspects(now)] == ["b", "c"]
    assert holds.without(now, holds.suspects(now)) == [version("a", 1), service(), version("b", 1)]


def test_a_successor_knows_what_was_held_back() -> None:
    holds, successor = Holds(), Holds()
    holds.taken([version("a", 1)])
    holds.hold(version("a", 2), "no good")
    successor.restore(holds.to_json())
    assert successor.effective([version("a", 2)]) == [version("a", 1)]


def found(bad: set[str], suspects: Sequence[Obj]) -> tuple[list[str], int]:
    """Who is blamed, and after how many questions."""
    asked = 0

    async def objection(some: Sequence[Obj]) -> str | None:
        nonlocal asked
        asked += 1
        wrong = sorted(name_of(obj) for obj in some if name_of(obj) in bad)
        return f"{wrong[0]} is bad" if wrong else None

    guilty: list[tuple[Any, str]] = asyncio.run(blame(suspects, objection))
    assert all(words == f"{name_of(obj)} is bad" for obj, words in guilty)
    return [name_of(obj) for obj, _ in guilty], asked


def test_who_is_to_blame_is_found_by_halves() -> None:
    suspects = [version(f"s{number:02}", 1) for number in range(32)]
    assert found({"s07"}, suspects) == (["s07"], 11)
    assert found({"s07", "s30"}, suspects)[0] == ["s07", "s30"]
    assert found(set(), suspects) == ([], 1)
    assert found({"s00"}, suspects[:1]) == (["s00"], 1)


def test_two_that_do_not_go_together_cost_one_of_them() -> None:
    async def objection(some: Sequence[Obj]) -> str | None:
        return "both" if {name_of(obj) for obj in some} >= {"a", "d"} else None

    suspects = [version(name, 1) for name in "abcd"]
    assert [name_of(obj) for obj, _ in asyncio.run(blame(suspects, objection))] == ["d"]


def test_the_key_of_an_object() -> None:
    assert key_of(version("a", 1)) == ("VirtualService", "music", "a")
