"""Pocket's mesh against istiod's answers (README.md): every request through a real Envoy, all cases in one run."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from pocket.mesh.differences import DIFFERENCES
from tests.pocket.mesh.conformance.compare import differences
from tests.pocket.mesh.conformance.live import answers
from tests.pocket.mesh.conformance.take import take
from tests.pocket.mesh.conformance.world import HERE, asked, cases, key, refused

EXPECTED = {case for one in DIFFERENCES.values() for case in one.cases}
CASES = {case["name"]: case for case in cases()}


@cache
def pocket() -> dict[str, dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        return answers(asked(list(CASES.values())), Path(folder))


def admission(case: dict[str, Any]) -> list[str]:
    """What Istio's webhook accepts and pocket does not, or the other way round."""
    out = []
    for obj in case["objects"]:
        theirs, ours = case["admission"][key(obj)], refused(obj)
        if bool(theirs) != bool(ours):
            out.append(f"{case['name']} {key(obj)}: Istio {theirs or 'accepts it'}, pocket {ours or 'accepts it'}")
    return out


def test_every_answer_is_istios() -> None:
    """Or stands in the table of differences; and what stands there is a difference still."""
    found = {name: admission(case) for name, case in CASES.items()}
    for one in asked(list(CASES.values())):
        found[one.case] += [f"{one.id} {one.request}: {each}" for each in differences(one, pocket()[one.id])]
    found = {name: lines for name, lines in found.items() if lines}
    unexpected = [line for case in found.keys() - EXPECTED for line in found[case]]
    assert not unexpected, "\n".join(unexpected)
    assert found.keys() == EXPECTED, "a difference that is none any more: take it out of the table"


def test_the_copy_is_made_by_the_script(tmp_path: Path) -> None:
    assert take(HERE, tmp_path) == len(CASES)
    assert (tmp_path / "cases.json").read_text() == (HERE / "cases.json").read_text()


def test_a_comparison_can_fail() -> None:
    """Changed in one place each, istiod's answer differs from itself."""
    one = next(one for one in asked([CASES["headers-route"]]))
    same = {**one.istio, "to": [dict(to) for to in one.istio["to"]]}
    assert differences(one, same) == []
    there: list[tuple[str, Any]] = [
        ("cluster", "elsewhere"),
        ("share", 0.5),
        ("response", {}),
        ("up_headers", {}),
        ("settings", {}),
    ]
    for name, value in there:
        changed = {**same, "to": [{**same["to"][0], name: value}]}
        assert differences(one, changed), name
    way: list[tuple[str, Any]] = [
        ("path", "/other"),
        ("timeout", 1.0),
        ("retry", None),
        ("fault", {"abort": [{}, 1.0]}),
    ]
    for name, value in way:
        assert differences(one, {**same, name: value}), name
