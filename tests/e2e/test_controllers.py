"""Flagger and Argo Rollouts, unmodified, on pocket: the same service, the same story as with tools/canary.sh."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cluster import NAMESPACE, Cluster
from tests.e2e.load import Answers
from tests.e2e.test_canary import load
from tests.e2e.test_switch import set_percent_error
from tests.ecosystem.programs import each
from tools import controllers
from tools.controllers import ARGO, FLAGGER, NAME, Controller

LIMIT = 600.0  # seconds for one release, on a busy machine
MODULES = {
    FLAGGER: ("github.com/fluxcd/flagger", "artifacts/flagger/crd.yaml"),
    ARGO: ("github.com/argoproj/argo-rollouts", "manifests/install.yaml"),
}
"""Go modules that have the owners' files too: these are compared by the same SHA-256."""

pytestmark = pytest.mark.timeout(1800)


def definitions(controller: Controller) -> None:
    """The definitions of its kinds, where tools/controllers.py looks before it fetches them; else skips."""
    pin = controllers.pins(controllers.TABLE.read_text())[controller.name]
    path = controllers.CACHE / f"{controller.name}-{pin.version}.yaml"
    if path.exists():
        return
    if shutil.which("go") is None:
        pytest.skip(f"no Go to fetch the definitions of {controller.name} with, and {path} is not there")
    module, file = MODULES[controller]
    done = subprocess.run(
        ["go", "mod", "download", "-json", f"{module}@v{pin.version}"], capture_output=True, text=True, timeout=300
    )
    if done.returncode != 0:
        pytest.skip(f"no definitions of {controller.name}: {done.stdout}{done.stderr}")
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(Path(json.loads(done.stdout)["Dir"]) / file, path)


@pytest.fixture(autouse=True)
def _as_it_was(cluster: Cluster) -> Iterator[None]:
    """The way back that docs/canary.md names: v1, by this project's own routes."""
    path = cluster.root / "s2" / "v2" / "app.py"
    text = path.read_text()
    yield
    path.write_text(text)
    cluster.run("tools/s2ver.sh", "v1")
    for kind in ("canary.flagger.app", "rollout.argoproj.io"):
        cluster.run("kubectl", "-n", NAMESPACE, "delete", kind, NAME, "--ignore-not-found", check=False)
    cluster.kubectl("-n", NAMESPACE, "delete", f"deployment/{NAME}", "--ignore-not-found")


def release(cluster: Cluster, controller: Controller, program: Path, version: str) -> tuple[int, str]:
    make = ("make", "-f", "k8s.mak", controller.name, f"VERSION={version}")
    variable = f"C756_{controller.name.upper().replace('-', '_')}={program}"
    done = cluster.run("env", variable, *make, check=False, timeout=LIMIT)
    return done.returncode, done.stdout + done.stderr


def shares(cluster: Cluster) -> dict[str, int]:
    """The hosts that the weights lead to."""
    found = json.loads(cluster.kubectl("-n", NAMESPACE, "get", "virtualservice", f"{NAME}-weights", "-o", "json"))[
        "spec"
    ]["http"]
    return {route["destination"]["host"]: route["weight"] for rule in found for route in rule["route"]}


def only(answers: Answers, *statuses: int) -> None:
    assert not answers.lost, answers.lost
    assert set(answers.statuses) == set(statuses), answers.statuses


def the_story(cluster: Cluster, controller: Controller, program: Path) -> None:
    definitions(controller)
    set_percent_error(cluster, 50)
    stable = {FLAGGER: f"{NAME}-weights-primary", ARGO: f"{NAME}-stable"}[controller]
    with load(cluster) as running:
        code, said = release(cluster, controller, program, "v1")
        assert code == 0, said
        assert shares(cluster)[stable] == 100
    only(running.answers, 200)

    with load(cluster) as running:
        code, said = release(cluster, controller, program, "v2")
        assert code != 0, said
        assert "v2 rolled back" in said
        assert shares(cluster)[stable] == 100
    only(running.answers, 200, 500)  # the 500 are version 2's own

    set_percent_error(cluster, 0)
    with load(cluster) as running:
        code, said = release(cluster, controller, program, "v2")
        assert code == 0, said
        assert "v2 promoted" in said
        assert shares(cluster)[stable] == 100
    only(running.answers, 200)
    behind = cluster.kubectl("-n", NAMESPACE, "get", f"service/{stable}", "-o", "json")
    selector = ",".join(f"{name}={value}" for name, value in json.loads(behind)["spec"]["selector"].items())
    pods = json.loads(cluster.kubectl("-n", NAMESPACE, "get", "pods", "-l", selector, "-o", "json"))["items"]
    stay = [pod["metadata"]["labels"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    assert {labels["version"] for labels in stay} == {"v2"}

    # Nobody calls: neither of them promotes.
    set_percent_error(cluster, 1)
    code, said = release(cluster, controller, program, "v2")
    assert code != 0, said
    assert "v2 rolled back" in said


@each("flagger")
def test_flagger(cluster: Cluster, program: Path) -> None:
    the_story(cluster, FLAGGER, program)


@each("argo-rollouts")
def test_argo_rollouts(cluster: Cluster, program: Path) -> None:
    the_story(cluster, ARGO, program)
