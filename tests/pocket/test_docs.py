"""docs/pocket.md says what the code does, and names what is there."""

from __future__ import annotations

import pytest

from pocket.docs import TABLES, render_into
from pocket.settings import ROOT

PAGE = ROOT / "docs" / "pocket.md"


def test_the_tables_are_current() -> None:
    page = PAGE.read_text()
    assert render_into(page) == page, "run: python -m pocket.docs docs/pocket.md"


def test_rendering_replaces_what_stands_between_the_marks() -> None:
    page = "".join(f"# {name}\n<!-- {name}:begin -->\nSTALE\n<!-- {name}:end -->\nafter\n" for name in TABLES)
    rendered = render_into(page)
    assert "STALE" not in rendered
    assert rendered.count("after") == len(TABLES)
    assert all(table().rstrip() in rendered for table in TABLES.values())
    with pytest.raises(ValueError, match="lacks the lines"):
        render_into("nothing")
