"""The story on a cluster that is there: C756_E2E_CONTEXT names its context, which must be current.

Anything that `make -f k8s.mak provision loader` has prepared will do: kind in GitHub Actions
(.github/workflows/e2e.yml), a cloud, or a pocket. Never run by accident: without that variable nothing here runs.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator

import pytest

from tests.e2e.cluster import NAMESPACE, Cluster, copy_of_checkout
from tests.e2e.load import Load
from tests.e2e.test_switch import set_percent_error, set_weights

CONTEXT = os.environ.get("C756_E2E_CONTEXT", "")
PATIENCE = 900  # seconds: a build and a rollout on a small machine

pytestmark = pytest.mark.skipif(not CONTEXT, reason="C756_E2E_CONTEXT does not name a cluster to shift traffic in")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("real")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    made = Cluster(copy_of_checkout(folder / "checkout"), env, 0, 0)
    assert made.kubectl("config", "current-context") == CONTEXT, "another cluster is current: nothing is touched"
    yield made
    made.run("tools/s2ver.sh", "v1", timeout=PATIENCE)
    made.kubectl("-n", NAMESPACE, "delete", "deployment", "cmpt756s2-v2", "--ignore-not-found")


def step(cluster: Cluster, *command: str) -> str:
    return cluster.run(*command, timeout=PATIENCE).stdout


def test_ten_percent_with_errors_and_back(real: Cluster) -> None:
    with Load(real.song_urls, real.token, clients=8) as load:
        said = step(real, "tools/s2ver.sh", "v2")
        assert re.search(r"v1.*90.*v2.*10", said.splitlines()[-1]), said
        time.sleep(10)
        step(real, "tools/s2ver.sh", "v1")
        before = load.answers.statuses[500]
        time.sleep(5)
        # What was on its way when the routes changed may still have failed.
        assert load.answers.statuses[500] - before <= 8
    assert set(load.answers.statuses) == {200, 500}
    assert not load.answers.lost


def test_not_one_request_is_lost_with_the_mended_version(real: Cluster) -> None:
    set_percent_error(real, 0)
    deployment = ("-n", NAMESPACE, "deploy/cmpt756s2-v2")

    def survives(what: str, *command: str) -> None:
        with Load(real.song_urls, real.token, clients=16) as load:
            time.sleep(1)
            step(real, *command)
            time.sleep(2)
        assert load.answers.failed == {}, f"{what}: {load.answers.failed} of {load.answers.total}"
        assert load.answers.total > 100, what

    survives("s2ver v2", "tools/s2ver.sh", "v2")
    shown = real.kubectl("exec", *deployment, "-c", "cmpt756s2", "--", "cat", "app.py")
    assert re.search(r"(?m)^PERCENT_ERROR.*= 0$", shown)
    survives("s2ver v1", "tools/s2ver.sh", "v1")
    survives("s2ver v2 again", "tools/s2ver.sh", "v2")
    set_weights(real, 0, 100)
    survives("weights 0/100", "kubectl", "apply", "-f", "cluster/s2-vs-v2.yaml")
    survives("rollout", "make", "-f", "k8s.mak", "rollout")
