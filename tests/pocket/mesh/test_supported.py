from __future__ import annotations

from pathlib import Path

import pytest

from pocket.mesh.admission import FORMATS
from pocket.mesh.rules import RULES
from pocket.mesh.supported import BEGIN, END, SPECS, Field, leaves, markdown, render_into

PAGE = Path(__file__).parents[3] / "docs" / "pocket.md"


def everything(spec: Field) -> list[Field]:
    inner = [*spec.fields.values(), *([spec.values] if spec.values else [])]
    return inner + [deeper for one in inner for deeper in everything(one)]


@pytest.mark.parametrize("kind", SPECS)
def test_every_field_that_is_not_honoured_says_why(kind: str) -> None:
    for one in everything(SPECS[kind]):
        assert one.status == "honoured" or one.note
        assert one.format == "" or one.format in FORMATS
        assert set(one.refused_values) <= set(one.enum)
    assert kind in RULES


def test_the_table_names_each_kind_of_answer() -> None:
    table = markdown()
    assert "| VirtualService | honoured |" in table
    assert (
        "| VirtualService | refused: write the delegate's rules into this VirtualService | `http[].delegate` |" in table
    )
    assert "| ServiceEntry | no effect:" in table
    assert "{SIMPLE, MUTUAL, ISTIO_MUTUAL}" in table


def test_the_same_policy_is_listed_once() -> None:
    paths = [path for path, _ in leaves(SPECS["DestinationRule"])]
    assert "subsets[].trafficPolicy" in paths
    assert len(paths) == len(set(paths))


def test_rendering_replaces_what_stands_between_the_marks() -> None:
    page = render_into(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert page == f"before\n{BEGIN}\n\n{markdown()}\n{END}\nafter\n"
    assert render_into(page) == page
    with pytest.raises(ValueError, match="lacks the lines"):
        render_into("nothing")


def test_the_documentation_is_current() -> None:
    page = PAGE.read_text()
    assert render_into(page) == page, "run: python -m pocket.mesh.supported docs/pocket.md"
