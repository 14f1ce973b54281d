from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pocket.mesh.admission import FORMATS
from pocket.mesh.rules import RULES
from pocket.mesh.supported import OVERLAY, SPECS, Field, leaves, markdown

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


def paths(spec: Field, path: str) -> Iterator[str]:
    yield path
    for name, one in spec.fields.items():
        yield from paths(one, f"{path}.{name}")
    if spec.values:
        yield from paths(spec.values, f"{path}.*")


def test_the_overlay_names_fields_that_upstream_has() -> None:
    """A newer upstream that drops or renames one shows here; one that brings one shows in the table of the docs."""
    known = [path for kind in SPECS for path in paths(SPECS[kind], kind)]
    ends = [end for table in OVERLAY for end in table]
    assert [end for end in ends if not any(path.endswith(f".{end}") or path == end for path in known)] == []


def test_the_fields_are_upstream_s_with_the_overlay() -> None:
    route = SPECS["VirtualService"].fields["http"].fields
    assert (route["timeout"].type, route["timeout"].format) == ("string", "duration")
    destination = route["route"].fields["destination"].fields
    assert (destination["host"].required, destination["host"].format) == (True, "host")
    number = destination["port"].fields["number"]
    assert (number.required, number.low, number.high) == (True, 1, 65535)
    assert route["fault"].fields["delay"].fields["exponentialDelay"].status == "refused"
    assert route["match"].fields["statPrefix"].status == "no effect"
    assert (route["headers"].fields["request"].fields["set"].values or Field("any")).format == "header-value"


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
