"""The simulations that docs/load.md shows compile, and the open one runs."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.gatling.conftest import Scripts
from tests.realservices import ROOT
from tools.load_args import simulation
from tools.load_build import RELEASE, java
from tools.load_jobs import JAVA_FLAGS, command


def test_the_examples_of_the_manual(classpath: str, scripts: Scripts, tmp_path: Path) -> None:
    blocks = re.findall(r"^```java\n(.*?)^```", (ROOT / "docs" / "load.md").read_text(), re.MULTILINE | re.DOTALL)
    found = [simulation(block) for block in blocks]
    assert [one and one.name for one in found] == ["BrowseSim", "ArrivingSim"]
    sources = []
    for one, block in zip(found, blocks, strict=True):
        assert one
        sources.append(tmp_path / f"{one.name}.java")
        sources[-1].write_text(block)
    classes, lib = classpath.removesuffix("/*").split(os.pathsep)
    (compiler,) = (Path(lib).parent / "compiler").glob("*.jar")
    path = os.pathsep.join([classes, *map(str, Path(lib).glob("*.jar"))])
    compiling = [java(), "-jar", str(compiler), "-source", RELEASE, "-target", RELEASE, "-classpath", path]
    subprocess.run([*compiling, "-d", str(tmp_path / "classes"), *map(str, sources)], check=True, timeout=180)

    env = {
        **os.environ, "SIM": "ArrivingSim", "USERS": "5", "BASE_URL": f"http://{scripts.gateway}",
        "TOKEN": scripts.token, "DURATION": "2s", "MAX_ERRORS": "0", "RESULTS": str(tmp_path / "results"),
    }  # fmt: skip
    both = Path(f"{tmp_path / 'classes'}{os.pathsep}{classes}")
    program = command(java(), JAVA_FLAGS, both, Path(lib))
    done = subprocess.run(program, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    counted = re.search(r"^> request count +\| +([0-9]+) \| +\1 \|", done.stdout, re.MULTILINE)
    assert counted, done.stdout
    assert 5 <= int(counted.group(1)) <= 10, "five arrive in each of two seconds"
