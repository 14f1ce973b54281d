"""tools/apply.sh: a cluster that does not answer is told with the cure; a refused object, in kubectl's words."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import StandIns


def test_a_cluster_that_does_not_answer(standins: StandIns, checkout: Path) -> None:
    standins.answer("config current-context", "pocket\n")
    standins.answer("apply -f -", "error validating data: failed to download openapi\n", 1)
    standins.answer("get --raw /version", "The connection to the server 127.0.0.1:20000 was refused\n", 1)
    done = standins.run("tools/apply.sh", "cluster/namespace.yaml", cwd=checkout)
    assert done.returncode == 1
    assert 'context "pocket" cannot be asked: The connection to the server' in done.stderr
    assert "make up" in done.stderr
    assert "openapi" not in done.stderr, "kubectl's own words lead astray"


def test_an_object_that_is_refused(standins: StandIns, checkout: Path) -> None:
    standins.answer("config current-context", "pocket\n")
    standins.answer("apply -f -", 'unknown field "spec.hozts"\n', 1)
    done = standins.run("tools/apply.sh", "cluster/namespace.yaml", cwd=checkout)
    assert done.returncode == 1
    assert done.stderr == 'unknown field "spec.hozts"\n'
