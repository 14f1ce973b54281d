"""Kubernetes' own tests of the API machinery, one by one: `suite.py` says which, which fail, and why.

The program is large, and is built once, which takes from minutes to an hour (`C756_CONFORMANCE` names it):

    cd tests/ecosystem/conformance && go test -c -o PATH .
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cluster import Cluster
from tests.ecosystem import suite

PROGRAM = os.environ.get("C756_CONFORMANCE", "")
MANUAL = Path(__file__).parents[2] / "docs" / "pocket.md"
LONGEST = 240  # seconds for one test; the watches of definitions wait a minute for what must not come


def specs(report: Path) -> list[dict[str, Any]]:
    """The tests in a report, with their full `name`."""
    found = [spec for spec in json.loads(report.read_text())[0]["SpecReports"] if spec["LeafNodeType"] == "It"]
    return [
        {**spec, "name": " ".join([*(spec["ContainerHierarchyTexts"] or ()), spec["LeafNodeText"]])} for spec in found
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each of theirs that is chosen."""
    if "name" not in metafunc.fixturenames:
        return
    if not PROGRAM:
        absent = pytest.mark.skip(reason="no conformance tests: C756_CONFORMANCE names none")
        metafunc.parametrize("name", [pytest.param("", marks=absent, id="absent")])
        return
    report = Path(str(metafunc.config.cache.mkdir("conformance"))) / "all.json"
    command = [PROGRAM, "-kubeconfig=none", "-provider=skeleton", "-ginkgo.dry-run", f"-ginkgo.json-report={report}"]
    subprocess.run(command, check=True, capture_output=True, timeout=LONGEST)
    metafunc.parametrize("name", suite.chosen(spec["name"] for spec in specs(report)))


def test_conformance(whole: Cluster, name: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = whole.run(
        PROGRAM, f"-kubeconfig={whole.env['KUBECONFIG']}", "-provider=skeleton", "-ginkgo.no-color", "-num-nodes=1",
        f"-ginkgo.focus= {re.escape(name)}$", f"-ginkgo.timeout={LONGEST}s", "-ginkgo.grace-period=5s",
        f"-ginkgo.json-report={report}", check=False, timeout=LONGEST + 60,
    )  # fmt: skip
    states = {spec["name"]: spec["State"] for spec in specs(report) if spec["State"] != "skipped"}
    assert list(states) == [name], done.stdout[-3000:]
    reason = suite.why_failing(name)
    if reason is None:
        assert states[name] == "passed", done.stdout[-3000:]
    else:
        assert states[name] != "passed", f"passes now: take it out of suite.FAILING ({reason})"


def test_the_count_and_each_reason_are_of_these_tests(request: pytest.FixtureRequest) -> None:
    if not PROGRAM:
        pytest.skip("no conformance tests: C756_CONFORMANCE names none")
    report = Path(str(request.config.cache.mkdir("conformance"))) / "all.json"
    names = suite.chosen(spec["name"] for spec in specs(report))
    assert len(names) == suite.COUNT
    assert len([name for name in names if suite.why_failing(name)]) == len(suite.FAILING)


def test_the_manual_says_which_fail() -> None:
    passing = suite.COUNT - len(suite.FAILING)
    text = MANUAL.read_text()
    shown = text.partition("<!-- conformance:begin -->\n")[2].partition("<!-- conformance:end -->")[0].strip()
    assert shown == "\n".join(suite.rows()), "docs/pocket.md has another table than tests/ecosystem/suite.py"
    assert f"**{passing} of {suite.COUNT} pass**" in text
    assert passing >= 0.9 * suite.COUNT
