import pytest

from pocket.images.ignore import Ignore, matches


@pytest.mark.parametrize(
    ("rules", "ignored", "kept"),
    [
        (["*.pyc"], ["a.pyc"], ["d/a.pyc", "a.py"]),
        (["**/*.pyc"], ["a.pyc", "d/a.pyc", "d/e/a.pyc"], ["a.py"]),
        (["node_modules"], ["node_modules", "node_modules/x/y"], ["d/node_modules"]),
        (["/dist/"], ["dist", "dist/x"], ["d/dist"]),
        (["*", "!s1", "!s2/v1"], ["README.md", "db/app.py", "s2/v2/x"], ["s1", "s1/app.py", "s2/v1/app.py"]),
        (["*", "!s1", "**/*.md"], ["s1/README.md"], ["s1/app.py"]),
        (["a*", "!ab", "abc"], ["ax", "abc"], ["ab"]),
        (["d/**"], ["d/x", "d/e/f"], ["d"]),
        (["d/**/f"], ["d/f", "d/e/f", "d/e/g/f"], ["d/e/x"]),
        (["?.txt", "[ab].md", "[^c].rst"], ["x.txt", "a.md", "d.rst"], ["xy.txt", "c.md", "c.rst"]),
        (["# comment", "", "  spaced  "], ["spaced"], ["# comment", "x"]),
        ([r"\#real"], ["#real"], ["real"]),
        (["./x/../y"], ["y"], ["x"]),
        ([], [], ["x"]),
    ],
)
def test_rules(rules: list[str], ignored: list[str], kept: list[str]) -> None:
    ignore = Ignore(rules)
    assert [path for path in ignored if not ignore.ignores(path)] == []
    assert [path for path in kept if ignore.ignores(path)] == []


def test_wildcards_of_copy_stop_at_a_slash() -> None:
    assert matches("*.py", "a.py")
    assert not matches("*.py", "d/a.py")
    assert matches("*/a.py", "d/a.py")
    assert not matches("**/a.py", "d/e/a.py")
