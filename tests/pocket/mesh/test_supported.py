from __future__ import annotations

from pathlib import Path

import pytest

from pocket.mesh.admission import FORMATS
from pocket.mesh.rules import RULES
from pocket.mesh.supported import SPECS, Field, leaves, markdown

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
    assert "| VirtualService | refused: every source is 127.0.0.1 | `tcp[].match[].sourceSubnet` |" in table
    assert "| ServiceEntry | no effect:" in table
    assert "`servers[].tls.mode: AUTO_PASSTHROUGH`" in table


def test_the_same_policy_is_listed_once() -> None:
    paths = [path for path, _ in leaves(SPECS["DestinationRule"])]
    assert "subsets[].trafficPolicy" in paths
    assert len(paths) == len(set(paths))
