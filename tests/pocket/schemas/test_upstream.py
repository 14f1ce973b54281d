"""Are the schemas those of the pinned versions? And: what would newer ones change?

`refresh.py` makes them of the modules in `go.mod`; this compares, where those modules are on the machine.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from pathlib import Path

import pytest

from pocket.api import crds
from pocket.schemas import refresh

ROOT = Path(__file__).parents[3]


def versions() -> dict[str, str]:
    text = (refresh.HERE / "go.mod").read_text()
    return dict(re.findall(r"^\t(\S+) (v\S+)", text, re.MULTILINE))


def test_istio_is_that_of_the_charts() -> None:
    charts = (ROOT / "cluster" / "addons" / "charts.txt").read_text()
    found = re.search(r"^istiod +istiod +(\S+)", charts, re.MULTILINE)
    assert found is not None
    assert versions()["istio.io/api"] == f"v{found.group(1)}"


def test_the_types_are_those_of_the_pinned_module() -> None:
    cache = Path(os.environ.get("GOMODCACHE", Path.home() / "go" / "pkg" / "mod")) / "cache" / "download"
    version = versions()["k8s.io/kubernetes"]
    module = cache / "k8s.io" / "kubernetes" / "@v" / f"{version}.zip"
    if not module.exists():
        pytest.skip(f"k8s.io/kubernetes {version} is not on this machine: go mod download (in pocket/schemas)")
    definitions, kinds = refresh.kubernetes(zipfile.ZipFile(module))
    kept = {}
    for line in (refresh.HERE / "kubernetes.jsonl").read_text().splitlines():
        entry = json.loads(line)
        entry["schema"].pop("x-protobuf", None)
        kept[entry["name"]] = entry["schema"]
    assert kept == definitions
    assert json.loads((refresh.HERE / "kinds.json").read_text()) == kinds


def test_every_definition_says_whose_it_is() -> None:
    names = [str(entry["metadata"]["name"]) for entry in crds.definitions()]
    assert len(names) == len(set(names))
    assert all(name.endswith(crds.GROUPS) for name in names)
    assert "Apache License" in (refresh.HERE / "LICENSE").read_text()
