"""What Istio's own program says of cluster/: its analysis, and the validation that istiod's webhook does.

`C756_ISTIOCTL=PATH` or istioctl on the PATH.
"""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.test_objects import OBJECTS
from tests.ecosystem.programs import each

PATIENCE = 120
"""Seconds."""
ALTERNATIVES = ("s2-vs-v2.yaml", "db-vs-delay.yaml", "db-vs-fault.yaml")
"""They take the place of another file's objects."""
AT_ONCE = {name: objects for name, objects in OBJECTS.items() if name not in ALTERNATIVES}

Files = Mapping[str, list[dict[str, Any]]]


def written(files: Files, folder: Path) -> Path:
    for name, objects in files.items():
        (folder / name).write_text(yaml.safe_dump_all(objects))
    return folder


def analyze(program: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    levels = ("--output-threshold=Info", "--failure-threshold=Info")
    command: list[str | Path] = [program, "analyze", "--use-kube=false", "--all-namespaces", *levels, folder]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)


@each("istioctl")
def test_analyze_finds_nothing(program: Path, tmp_path: Path) -> None:
    done = analyze(program, written(AT_ONCE, tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No validation issues found" in done.stdout + done.stderr


@each("istioctl")
def test_analyze_finds_what_is_wrong(program: Path, tmp_path: Path) -> None:
    """A route at a gateway that is not there."""
    files = copy.deepcopy(AT_ONCE)
    files["s1-vs.yaml"][0]["spec"]["gateways"] = ["no-gateway"]
    done = analyze(program, written(files, tmp_path))
    assert done.returncode != 0
    assert "no-gateway" in done.stdout + done.stderr


@each("istioctl")
def test_the_webhooks_validation_takes_every_object_and_refuses_what_is_wrong(program: Path, tmp_path: Path) -> None:
    """istioctl validate is istiod's pkg/config/validation."""
    istio = {name: [obj for obj in objects if ".istio.io/" in obj["apiVersion"]] for name, objects in OBJECTS.items()}
    folder = written({name: objects for name, objects in istio.items() if objects}, tmp_path)
    arguments = [word for path in sorted(folder.iterdir()) for word in ("-f", str(path))]
    done = subprocess.run([program, "validate", *arguments], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("is valid") + done.stderr.count("is valid") == len(arguments) // 2

    wrong = copy.deepcopy(OBJECTS["policies.yaml"])
    wrong[3]["spec"]["rules"][0]["to"][0]["operation"]["paths"] = ["/a/{*}/{**}/*"]
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump_all(wrong))
    done = subprocess.run(
        [program, "validate", "-f", tmp_path / "wrong.yaml"], capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode != 0
    name = wrong[3]["metadata"]["name"]
    assert f"invalid policy {name}.c756ns: invalid or unsupported path" in done.stderr
