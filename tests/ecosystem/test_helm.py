"""Helm, unmodified: a chart with definitions, objects of these and hooks, from installation to removal."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from pocket.store import NotFound
from tests.ecosystem.programs import each
from tests.pocket.api.live import Cluster

CHART = {
    "Chart.yaml": "{apiVersion: v2, name: demo, version: 0.1.0}",
    "values.yaml": "size: 1",
    "crds/gadget.yaml": """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.example.com}
spec:
  group: example.com
  names: {kind: Gadget, plural: gadgets, singular: gadget}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}
""",
    "templates/gadget.yaml": """
apiVersion: example.com/v1
kind: Gadget
metadata: {name: "{{ .Release.Name }}"}
spec: {size: {{ .Values.size }}}
""",
    "templates/config.yaml": """
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}"}
data: {size: "{{ .Values.size }}", on: "{{ .Capabilities.KubeVersion.Version }}"}
""",
    "templates/hook.yaml": """
apiVersion: v1
kind: ConfigMap
metadata:
  name: "{{ .Release.Name }}-hook"
  annotations: {helm.sh/hook: "pre-install,post-upgrade", helm.sh/hook-delete-policy: before-hook-creation}
data: {revision: "{{ .Release.Revision }}"}
""",
}


@each("helm")
def test_a_release_from_its_installation_to_its_end(cluster: Cluster, tmp_path: Path, program: Path) -> None:
    chart = tmp_path / "chart"
    for name, text in CHART.items():
        (chart / name).parent.mkdir(parents=True, exist_ok=True)
        (chart / name).write_text(text)
    env = {**os.environ, "HOME": str(tmp_path), "KUBECONFIG": str(cluster.kubeconfig)}

    def helm(*arguments: str) -> str:
        command = [str(program), *arguments]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def sizes() -> tuple[object, object]:
        gadget = cluster.get("Gadget.example.com", "default", "r")
        return gadget["spec"]["size"], cluster.get("ConfigMap", "default", "r")["data"]["size"]

    wait = ("--wait", "--timeout=60s")
    helm("install", "r", str(chart), *wait)
    assert sizes() == (1, "1")
    assert cluster.get("ConfigMap", "default", "r-hook")["data"] == {"revision": "1"}
    helm("upgrade", "r", str(chart), "--set=size=2", *wait)
    assert sizes() == (2, "2")
    assert cluster.get("ConfigMap", "default", "r-hook")["data"] == {"revision": "2"}
    helm("rollback", "r", "1", *wait)
    assert sizes() == (1, "1")
    history = json.loads(helm("history", "r", "-o", "json"))
    assert [entry["status"] for entry in history] == ["superseded", "superseded", "deployed"]
    assert [entry["name"] for entry in json.loads(helm("list", "-o", "json"))] == ["r"]
    assert "kind: Gadget" in helm("get", "manifest", "r")
    helm("uninstall", "r", *wait)
    assert json.loads(helm("list", "-o", "json")) == []
    with pytest.raises(NotFound):
        cluster.get("Gadget.example.com", "default", "r")
    assert cluster.get("CustomResourceDefinition", None, "gadgets.example.com")  # helm keeps definitions
