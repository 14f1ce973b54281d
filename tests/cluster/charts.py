"""The pinned charts (cluster/addons/charts.txt), rendered by helm with this project's values, as provision does it.

Where a chart comes from: the folder that C756_CHARTS names (CHART-VERSION/ or CHART-VERSION.tgz in it), or else its
repository. Without helm, or where there is no chart, the tests that need it are skipped; with C756_CHARTS=required
they fail.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools import addons
from tools.addons import Chart
from tools.check_cluster import NAMESPACE

ROOT = addons.ROOT
CHARTS = {chart.release: chart for chart in addons.charts((ROOT / addons.ADDONS / "charts.txt").read_text())}
KUBERNETES = "1.35.0"
"""What charts are told of the cluster; versions.mak pins the same minor version."""
PATIENCE = 120
"""Seconds: for one helm command."""
DEFAULTS = "_internal_defaults_do_not_set"
"""Where Istio's charts keep their defaults: helm lays users' values over them one level up."""

Json = dict[str, Any]


def _unavailable(reason: str) -> None:
    if os.environ.get("C756_CHARTS") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


@functools.cache
def _scratch() -> Path:
    # Charts are looked for once in each process that runs tests; what they take goes away with it.
    folder = tempfile.TemporaryDirectory(prefix="c756-charts-")
    _kept.append(folder)
    return Path(folder.name)


_kept: list[tempfile.TemporaryDirectory[str]] = []


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs helm, with settings and caches of its own."""
    homes = {f"HELM_{name}_HOME": str(_scratch() / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
    command = ["helm", *map(str, arguments)]
    return subprocess.run(
        command, env={**os.environ, **homes}, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


@functools.cache
def _found(chart: Chart) -> tuple[Path | None, str]:
    """The chart's folder, or why there is none."""
    if shutil.which("helm") is None:
        return None, "helm is not installed: https://helm.sh/docs/intro/install/"
    name = f"{chart.chart}-{chart.version}"
    where = os.environ.get("C756_CHARTS", "")
    if where and where != "required":
        for candidate in (Path(where) / name, Path(where) / f"{name}.tgz"):
            if candidate.is_dir():
                return candidate.resolve(), ""
            if candidate.is_file():
                return _unpacked(candidate, _scratch() / name), ""
        return None, f"the folder {where} (C756_CHARTS) has neither {name} nor {name}.tgz"
    pulled = helm("pull", chart.chart, "--repo", chart.repository, "--version", chart.version, "-d", _scratch())
    if pulled.returncode != 0:
        return None, f"{name} cannot be had, and C756_CHARTS names no folder with it: {pulled.stderr.strip()}"
    return _unpacked(_scratch() / f"{name}.tgz", _scratch() / name), ""


def _unpacked(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    (inside,) = folder.iterdir()
    return inside


def unpacked(chart: Chart) -> Path:
    """The chart's folder. Skips the test where there is none."""
    found, reason = _found(chart)
    if found is None:
        _unavailable(reason)
    assert found is not None
    return found


def folder(release: str) -> Path:
    """The same for a release of charts.txt."""
    return unpacked(CHARTS[release])


def values(release: str, on: str = "") -> Json:
    """What this project sets; `on`: a platform, as tools/addons.py has it."""
    files = addons.value_files(CHARTS[release], on)
    return addons.merged(yaml.safe_load((ROOT / file).read_text()) for file in files)


def template(release: str, *more: str | Path, on: str = "") -> subprocess.CompletedProcess[str]:
    """`helm template` as provision would install it; `more`: further arguments."""
    files = [word for file in addons.value_files(CHARTS[release], on) for word in ("--values", str(file))]
    where = ("--namespace", NAMESPACE, "--include-crds", "--kube-version", KUBERNETES)
    return helm("template", release, folder(release), *where, *files, *more)


@functools.cache
def rendered(release: str, on: str = "") -> tuple[Json, ...]:
    """The objects that the chart makes, its hooks apart."""
    done = template(release, "--no-hooks", on=on)
    assert done.returncode == 0, done.stderr
    # What is null is not there, for Kubernetes.
    return tuple(_without_null(document) for document in yaml.safe_load_all(done.stdout) if document)


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_null(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, list):
        return [_without_null(entry) for entry in value]
    return value


def the(release: str, kind: str, name: str, on: str = "") -> Json:
    """The one object of this kind and name."""
    of_kind = {obj["metadata"]["name"]: obj for obj in rendered(release, on) if obj["kind"] == kind}
    assert name in of_kind, f"no {kind} {name}, but {sorted(of_kind)}"
    return of_kind[name]


def kinds(release: str, on: str = "") -> set[str]:
    return {obj["kind"] for obj in rendered(release, on)}


# -- what a chart knows -----------------------------------------------------------------------------------------------


def defaults(chart: Path) -> Json:
    """The values that a chart knows, those of the charts in it under their names."""
    own = yaml.safe_load((chart / "values.yaml").read_text()) or {}
    found = addons.merged([own.pop(DEFAULTS, {}), own])
    for part in sorted((chart / "charts").glob("*")) if (chart / "charts").is_dir() else ():
        inside = _unpacked(part, _scratch() / "parts" / chart.name / part.stem) if part.suffix == ".tgz" else part
        name = yaml.safe_load((inside / "Chart.yaml").read_text())["name"]
        found[name] = addons.merged([defaults(inside), found.get(name)])
    return found


def unknown(ours: Mapping[str, Any], known: Any, free: Sequence[str] = (), at: str = "") -> Iterator[str]:
    """The paths of values that a chart has no default for. Where it has an empty one, everything may follow, and under
    the paths `free`.
    """
    if not isinstance(known, Mapping) or not known:
        return
    for key, value in ours.items():
        path = f"{at}{key}"
        if path in free:
            continue
        if key not in known:
            yield path
        elif isinstance(value, Mapping):
            yield from unknown(value, known[key], free, f"{path}.")
