"""Compiling once, the locked libraries, and what is said when this machine lacks something. A stand-in plays Maven."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from tools import load_build
from tools.load_build import BuildError, Missing, NoRegistry

MAVEN = """#!{python}
import pathlib, sys
project = pathlib.Path(sys.argv[sys.argv.index("--file") + 1]).parent
with (project / "calls").open("a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
says = project / "says"
if says.exists():
    print(says.read_text())
    sys.exit(1)
for path, content in (("classes/A.class", "class"), ("lib/a.jar", "jar")):
    path = project / "target" / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "gatling"
    (made / "src").mkdir(parents=True)
    (made / "resources").mkdir()
    (made / "pom.xml").write_text("<project/>")
    (made / "src" / "A.java").write_text("class A {}")
    (made / "resources" / "music.csv").write_text("music_id\n1\n")
    (made / "lib.sha256").write_text(f"{hashlib.sha256(b'jar').hexdigest()}  a.jar\n")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "mvn").write_text(MAVEN.format(python=sys.executable))
    (programs / "mvn").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    return made


def builds(project: Path) -> int:
    calls = project / "calls"
    return len(calls.read_text().splitlines()) if calls.exists() else 0


def test_compiles_once_until_something_changes(project: Path) -> None:
    assert load_build.prepare(project) == project / "target"
    load_build.prepare(project)
    assert builds(project) == 1
    for count, (name, text) in enumerate(
        [("src/A.java", "class A { }"), ("resources/music.csv", "music_id\n2\n"), ("pom.xml", "<project></project>")], 2
    ):
        (project / name).write_text(text)
        load_build.prepare(project)
        assert builds(project) == count, name
    load_build.prepare(project)
    assert builds(project) == 4


def test_maven_must_check_checksums(project: Path) -> None:
    load_build.prepare(project)
    assert "--strict-checksums" in (project / "calls").read_text()


def test_what_was_compiled_from_a_deleted_source_goes(project: Path) -> None:
    load_build.prepare(project)
    stale = project / "target" / "classes" / "Gone.class"
    stale.write_text("")
    (project / "src" / "A.java").write_text("class B {}")
    load_build.prepare(project)
    assert not stale.exists()


@pytest.mark.parametrize(
    ("lock", "complaint"),
    [
        (f"{'0' * 64}  a.jar\n", "a.jar: another content"),
        ("", "a.jar: not locked"),
        (f"{hashlib.sha256(b'jar').hexdigest()}  a.jar\n{'0' * 64}  b.jar\n", "b.jar: missing"),
    ],
)
def test_other_libraries_than_the_locked_ones_are_refused(project: Path, lock: str, complaint: str) -> None:
    (project / "lib.sha256").write_text(lock)
    for _ in range(2):  # not believed the second time either
        with pytest.raises(BuildError, match=complaint):
            load_build.prepare(project)


@pytest.mark.parametrize(
    ("says", "error", "cure"),
    [
        ("[ERROR] Could not transfer artifact a:b:1", NoRegistry, "Connect to the internet once"),
        ("[ERROR] Cannot access central in offline mode", NoRegistry, "proxy or mirror"),
        ("[ERROR] No compiler is provided in this environment.", Missing, "Maven finds no Java compiler"),
        ("[INFO] x\n[ERROR] A.java:[1,2] ';' expected", BuildError, "A.java:.*expected"),
    ],
)
def test_each_failure_of_maven_has_its_own_message(
    project: Path, says: str, error: type[Exception], cure: str
) -> None:
    (project / "says").write_text(says)
    with pytest.raises(error, match=cure):
        load_build.prepare(project)
    (project / "says").unlink()
    load_build.prepare(project)
    assert builds(project) == 2, "a failed build must not count as done"


def test_the_reason_is_shown_and_not_how_to_ask_for_more(project: Path) -> None:
    (project / "says").write_text(
        "\x1b[0m[ERROR] Plugin a:b:1 not resolved: Connection refused -> [Help 1]\n[ERROR] \n"
        "[ERROR] To see the full stack trace of the errors, re-run Maven with the -e switch.\n[ERROR] [Help 1] http://x"
    )
    with pytest.raises(NoRegistry) as error:
        load_build.prepare(project)
    assert "words:\n[ERROR] Plugin a:b:1 not resolved: Connection refused\nConnect to" in str(error.value)


def test_no_maven(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Missing, match=r"no Maven.*apt-get install maven"):
        load_build.prepare(project)


def java(folder: Path, output: str, code: int = 0) -> None:
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    program = folder / "bin" / "java"
    program.write_text(f"#!/bin/sh\necho '{output}' >&2\nexit {code}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("output", "code", "complaint"),
    [
        ('openjdk version "11.0.2"', 0, "is Java 11: too old"),
        ('java version "1.8.0_292"', 0, "is Java 8: too old"),
        ("Unable to locate a Java Runtime", 1, "Unable to locate a Java Runtime"),
    ],
)
def test_a_java_that_will_not_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, code: int, complaint: str
) -> None:
    java(tmp_path, output, code)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(Missing, match=complaint):
        load_build.java()


def test_no_java_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(load_build, "KEGS", ())
    with pytest.raises(Missing, match=r"no java on the PATH.*apt-get install"):
        load_build.java()


@pytest.mark.parametrize("version", ["17.0.15", "21", "25-ea"])
def test_a_java_that_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    java(tmp_path, f'openjdk version "{version}" 2025-04-15')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert load_build.java() == str(tmp_path / "bin" / "java")


def test_homebrews_java_is_found_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keg = tmp_path / "keg"
    keg.mkdir()
    (keg / "java").write_text("#!/bin/sh\necho 'openjdk version \"25\"' >&2\n")
    (keg / "java").chmod(0o755)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(load_build, "KEGS", (str(keg),))
    assert load_build.java() == str(keg / "java")
