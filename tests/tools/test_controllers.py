"""Releases by Flagger and Argo Rollouts: what is applied, what is read out of their objects, and what is refused."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from c756.trouble import Trouble
from tests.cluster import charts
from tests.cluster.test_objects import OBJECTS
from tools import addons, controllers
from tools.controllers import ARGO, CONTROLLERS, FLAGGER, LABEL, NAME, PROMOTED, ROLLED_BACK, Controller, Pin

ROOT = controllers.ROOT
PINS = controllers.pins(controllers.TABLE.read_text())


def objects(controller: Controller) -> dict[str, dict[str, Any]]:
    """Its objects by kind and name."""
    found = yaml.safe_load_all((ROOT / controller.objects).read_text())
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in found}


def test_what_is_pinned() -> None:
    assert set(PINS) == set(CONTROLLERS)
    for name, pin in PINS.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", pin.version)
        assert f"/v{pin.version}/" in pin.url
        assert pin.url.startswith("https://")
        assert re.fullmatch(r"[0-9a-f]{64}", pin.sha256), name


def test_flaggers_chart_takes_our_values() -> None:
    chart = addons.Chart("flagger", "flagger", PINS["flagger"].version, "https://flagger.app")
    known = charts.defaults(charts.unpacked(chart))
    values = yaml.safe_load((ROOT / "cluster/addons/flagger.yaml").read_text())
    assert list(charts.unknown(values, known)) == []
    assert values["metricsServer"] == controllers.PROMETHEUS


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_version_under_a_name_without_it(version: str) -> None:
    (deployment,) = OBJECTS[f"s2-dpl-{version}.yaml"]
    made = controllers.without_version(deployment)
    assert made["metadata"]["name"] == NAME
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert labels == {"app": "cmpt756s2", "version": version, LABEL: NAME}
    assert made["spec"]["selector"] == {"matchLabels": {LABEL: NAME}}, "no version: that changes, a selector cannot"
    assert "replicas" not in made["spec"], "the controller's business"
    assert made["spec"]["template"]["spec"] == deployment["spec"]["template"]["spec"]
    assert LABEL not in deployment["spec"]["template"]["metadata"]["labels"], "the original stays as it was"


def test_both_take_over_the_weights_that_the_roots_lead_to() -> None:
    delegates = {
        rule["delegate"]["name"] for one in OBJECTS["s2-vs.yaml"] for rule in one["spec"]["http"] if "delegate" in rule
    }
    (service,) = OBJECTS["s2-svc.yaml"]
    port = service["spec"]["ports"][0]
    flagger = objects(FLAGGER)[f"Canary/{NAME}"]["spec"]
    assert delegates == {flagger["service"]["name"]}
    assert flagger["service"]["delegation"] is True
    assert (flagger["service"]["port"], flagger["service"]["targetPort"]) == (port["port"], port["targetPort"])
    assert flagger["targetRef"]["name"] == NAME

    argo = objects(ARGO)
    rollout = argo[f"Rollout/{NAME}"]["spec"]
    canary = rollout["strategy"]["canary"]
    assert delegates == {canary["trafficRouting"]["istio"]["virtualService"]["name"]}
    (rule,) = argo["VirtualService/cmpt756s2-weights"]["spec"]["http"]
    weights = {route["destination"]["host"]: route["weight"] for route in rule["route"]}
    assert weights == {canary["stableService"]: 100, canary["canaryService"]: 0}
    for name in weights:
        spec = argo[f"Service/{name}"]["spec"]
        assert (spec["ports"], spec["selector"]) == ([port], {LABEL: NAME})
    assert rollout["workloadRef"]["name"] == NAME
    assert all(f'destination_service_name="{canary["canaryService"]}"' in query for query in queries(argo))
    assert {one["metadata"]["namespace"] for one in (*argo.values(), *objects(FLAGGER).values())} == {"c756ns"}


def queries(argo: dict[str, dict[str, Any]]) -> list[str]:
    metrics = argo[f"AnalysisTemplate/{NAME}"]["spec"]["metrics"]
    return [metric["provider"]["prometheus"]["query"] for metric in metrics]


@pytest.mark.parametrize(
    ("controller", "status", "code", "line"),
    [
        (FLAGGER, None, None, "not seen yet"),
        (FLAGGER, {"phase": "Initializing"}, None, "Initializing"),
        (FLAGGER, {"phase": "Initialized", "lastAppliedSpec": "a"}, PROMOTED, "Initialized"),
        (FLAGGER, {"phase": "Progressing", "canaryWeight": 25, "failedChecks": 1}, None, "Progressing, 25 %, 1 failed"),
        (FLAGGER, {"phase": "Finalising"}, None, "Finalising"),
        (FLAGGER, {"phase": "Succeeded"}, PROMOTED, "Succeeded"),
        (FLAGGER, {"phase": "Failed"}, ROLLED_BACK, "Failed"),
        (ARGO, None, None, "not seen yet"),
        (ARGO, {"phase": "Healthy", "currentPodHash": "a", "stableRS": "a"}, PROMOTED, "Healthy, 0 %"),
        # The status is of before: the new pods are not the stable ones yet.
        (ARGO, {"phase": "Healthy", "currentPodHash": "b", "stableRS": "a"}, None, "Healthy"),
        (
            ARGO,
            {"phase": "Progressing", "message": "more", "canary": {"weights": {"canary": {"weight": 10}}}},
            None,
            "Progressing, 10 %: more",
        ),
        # Aborted, but the routes are not back yet.
        (ARGO, {"phase": "Degraded", "abort": True, "canary": {"weights": {"canary": {"weight": 10}}}}, None, "10 %"),
        (ARGO, {"phase": "Degraded", "abort": True, "currentPodHash": "b", "stableRS": "a"}, ROLLED_BACK, "Degraded"),
    ],
)
def test_what_their_objects_say(
    controller: Controller, status: dict[str, Any] | None, code: int | None, line: str
) -> None:
    found = controllers.progress(controller, {"status": status} if status else {})
    assert found.code == code
    assert line in found.line


def test_the_owners_file_must_be_what_was_pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controllers, "CACHE", tmp_path)
    pin = Pin("1.2.3", "https://127.0.0.1:1/crd.yaml", hashlib.sha256(b"kind: A").hexdigest())
    with pytest.raises(Trouble, match=r"cannot be read(.|\n)*put that file there: .*tool-1\.2\.3\.yaml"):
        controllers._file("tool", pin)
    (tmp_path / "tool-1.2.3.yaml").write_text("kind: A")
    assert controllers._file("tool", pin).read_text() == "kind: A"
    (tmp_path / "tool-1.2.3.yaml").write_text("kind: B")
    with pytest.raises(Trouble, match=r"is not the file of controllers\.txt"):
        controllers._file("tool", pin)


def test_wrong_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert controllers.main(["spinnaker"]) == controllers.WRONG
    assert "flagger|argo-rollouts" in capsys.readouterr().err


def test_pocket_without_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("C756_ARGO_ROLLOUTS", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Trouble, match=r"none on the PATH(.|\n)*C756_ARGO_ROLLOUTS=/path"), controllers._here(ARGO):
        pass


def test_the_make_targets_call_it() -> None:
    for name in CONTROLLERS:
        done = subprocess.run(
            ["make", "-n", "-f", "k8s.mak", name, "VERSION=v2"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert f"-m tools.controllers {name} v2" in done.stdout


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, ...]]:
    """What is run in a real cluster, with what is piped last; the owners' files are small ones."""
    made: list[tuple[str, ...]] = []

    def ask(*arguments: str, piped: str | None = None) -> str:
        made.append(("kubectl", *arguments, *([piped] if piped else [])))
        return ""

    monkeypatch.setattr("c756.kubectl.ask", ask)
    monkeypatch.setattr(controllers, "_run", lambda *command: made.append(command))
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(controllers, "CACHE", tmp_path)
    return made


def test_flagger_comes_into_a_real_cluster_by_its_chart(calls: list[tuple[str, ...]]) -> None:
    controllers._install(FLAGGER, PINS["flagger"])
    (helm,) = calls
    assert helm[:5] == ("helm", "upgrade", "--install", "flagger", "flagger")
    words = " ".join(helm)
    assert f"--version {PINS['flagger'].version} " in words
    assert "--namespace istio-system" in words
    assert "--values cluster/addons/flagger.yaml" in words


FILE = """
kind: CustomResourceDefinition
metadata: {name: rollouts.argoproj.io}
---
kind: Deployment
metadata: {name: argo-rollouts}
spec: {image: "quay.io/argoproj/argo-rollouts:latest"}
---
"""


def test_argo_rollouts_comes_into_a_real_cluster_in_the_version_that_is_pinned(
    calls: list[tuple[str, ...]], tmp_path: Path
) -> None:
    (tmp_path / "argo-rollouts-1.2.3.yaml").write_text(FILE)
    pin = Pin("1.2.3", "https://127.0.0.1:1/install.yaml", hashlib.sha256(FILE.encode()).hexdigest())
    controllers._install(ARGO, pin)
    applied = yaml.safe_load(calls[0][-1])["items"]
    assert [one["kind"] for one in applied] == ["Namespace", "CustomResourceDefinition", "Deployment"]
    assert applied[2]["spec"]["image"] == "quay.io/argoproj/argo-rollouts:v1.2.3"
    assert "--server-side" in calls[0], "two of its definitions are too large for the other way"
    assert any(f"ARGO_ROLLOUTS_PROMETHEUS_ADDRESS={controllers.PROMETHEUS}" in call for call in calls)
    assert any("status" in call for call in calls), "and is waited for"

    calls.clear()
    controllers._define(ARGO, pin, everything=False)  # pocket
    assert [one["kind"] for one in yaml.safe_load(calls[0][-1])["items"]] == ["CustomResourceDefinition"]
