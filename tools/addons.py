"""Installs Istio, Prometheus with Grafana, and Kiali into a cluster that lacks them: `python -m tools.addons`.

Which charts, in which versions and order: cluster/addons/charts.txt; their values stand beside it. Run again, it
changes what differs from there and nothing else. What somebody else has installed stays as it is: a cluster that has
Istio with its gateway and a Prometheus, as pocket has, gets nothing. In the end everything that the application needs
is there, or the error names what is not.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from c756 import kubectl
from c756.secret import grafana, manifest
from c756.trouble import Trouble
from tools import check_cluster
from tools.check_cluster import GATEWAY, NAMESPACE

ROOT = Path(__file__).resolve().parents[1]
ADDONS = Path("cluster/addons")
PATIENCE = 300
"""Seconds: how long each chart, and the load balancer, may take."""
ISTIO = ("istio-base", "istio-cni", "istiod", GATEWAY)
PROMETHEUS = "monitoring"
HELM = "https://helm.sh/docs/intro/install/"
WAITS = {
    GATEWAY: ("rollout", "status", f"deployment/{GATEWAY}"),
    PROMETHEUS: ("wait", "--for=condition=Available", "prometheuses.monitoring.coreos.com/monitoring-prometheus"),
}
"""What kubectl waits for, since helm does not: `install` says why for the gateway; Prometheus is made by its operator.
https://prometheus-operator.dev/docs/api-reference/api/#monitoring.coreos.com/v1.ConditionType
"""


class AddonError(Exception):
    """The cluster cannot be given what it lacks; the message says why and what to do."""


@dataclass(frozen=True)
class Chart:
    """One line of charts.txt."""

    release: str
    chart: str
    version: str
    repository: str


@dataclass(frozen=True)
class Release:
    """What helm has recorded of a release, from the newest of its Secrets."""

    status: str
    revision: int


def charts(text: str) -> list[Chart]:
    """The lines of charts.txt, in order. Raises AddonError for a line that is none."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 4:
            raise AddonError(f"{ADDONS}/charts.txt:{number}: four words are needed: release chart version repository")
        found.append(Chart(*words))
    return found


def releases(secrets: Mapping[str, Any]) -> dict[str, Release]:
    """Releases by name, from helm's Secrets: one per revision, labelled owner=helm, name, status, version.
    https://helm.sh/docs/topics/advanced/#storage-backends
    """
    found: dict[str, Release] = {}
    for secret in secrets.get("items", ()):
        labels = secret["metadata"]["labels"]
        revision = int(labels["version"])
        if revision > found.get(labels["name"], Release("", 0)).revision:
            found[labels["name"]] = Release(labels["status"], revision)
    return found


def wanted(
    all_charts: Sequence[Chart], ours: Mapping[str, Release], *, istio: bool, istio_kinds: bool, prometheus: bool
) -> list[Chart]:
    """Which charts are ours to install or to keep as they should be.

    istio, prometheus: the cluster has them, whoever installed them; istio_kinds: at least Istio's kinds are there.
    Empty if others have installed all that is needed. Raises AddonError where somebody else's Istio has no gateway:
    a second one would be in its way.
    """
    if istio and prometheus and not ours:
        return []
    our_istio = any(name in ours for name in ISTIO)
    if istio_kinds and not istio and not our_istio:
        raise AddonError(
            "there is an Istio in this cluster that was not installed from here, without a Deployment "
            f"istio-ingressgateway in {NAMESPACE}: add that to it, or remove it and run this again"
        )
    skipped: set[str] = set()
    if istio and not our_istio:
        skipped.update(ISTIO)
    if prometheus and PROMETHEUS not in ours:
        skipped.add(PROMETHEUS)
    return [chart for chart in all_charts if chart.release not in skipped]


def repair(name: str, release: Release | None) -> list[str]:
    """The helm command that ends what broke off, so that an installation or upgrade may begin; mostly none.
    States: https://helm.sh/docs/helm/helm_status/
    """
    if release is None:
        return []
    away = ["uninstall", name, "--namespace", NAMESPACE, "--wait", "--timeout", f"{PATIENCE}s"]
    if release.status in ("pending-install", "uninstalling"):
        return away
    if release.status.startswith("pending"):
        return away if release.revision == 1 else ["rollback", *away[1:]]
    return []


def as_it_should_be(
    chart: Chart, release: Release | None, installed: Iterable[Mapping[str, Any]], values: Any, wanted_values: Any
) -> bool:
    """Is the release there, complete, of this version and with these values? `installed` is what `helm list` says."""
    if release is None or release.status != "deployed":
        return False
    names = {str(entry["name"]): str(entry["chart"]) for entry in installed}
    return names.get(chart.release) == f"{chart.chart}-{chart.version}" and (values or {}) == (wanted_values or {})


def platform(version: str) -> str:
    """Whose Kubernetes it is, by the server's version, if a chart must know that; mostly nobody's."""
    return "gke" if "-gke." in version else ""


def value_files(chart: Chart, on: str) -> list[Path]:
    """A release's values files, the later the stronger: RELEASE.yaml, then RELEASE.PLATFORM.yaml if there is one."""
    special = ADDONS / f"{chart.release}.{on}.yaml"
    return [ADDONS / f"{chart.release}.yaml", *([special] if on and (ROOT / special).exists() else [])]


def merged(values: Iterable[Mapping[str, Any] | None]) -> dict[str, Any]:
    """What helm makes of several values files. https://helm.sh/docs/chart_template_guide/values_files/"""
    result: dict[str, Any] = {}
    for layer in values:
        for key, value in (layer or {}).items():
            both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
            result[key] = merged([result[key], value]) if both else value
    return result


def install(chart: Chart, files: Sequence[Path]) -> list[str]:
    """The helm command. https://helm.sh/docs/helm/helm_upgrade/

    --reset-values: where the files are empty, helm would otherwise keep the values of before. --wait: until its pods
    are ready. Not for the gateway: helm 3 would wait for the load balancer's address as well, which never comes on
    minikube and kind (serviceReady in helm's pkg/kube/ready.go).
    """
    return [
        "upgrade", "--install", chart.release, chart.chart, "--repo", chart.repository, "--version", chart.version,
        "--namespace", NAMESPACE, "--create-namespace", "--reset-values",
        *(word for file in files for word in ("--values", str(file))),
        *([] if chart.release == GATEWAY else ["--wait"]), "--timeout", f"{PATIENCE}s",
    ]  # fmt: skip


def _run(*command: str, piped: str | None = None) -> str:
    done = subprocess.run(command, input=piped, text=True, capture_output=True, check=False, cwd=ROOT)
    if done.returncode != 0:
        raise AddonError(f"{' '.join(command)}\n{(done.stderr or done.stdout).rstrip()}")
    return done.stdout


def _say(text: str) -> None:
    print(text, flush=True)


def _grafana_password() -> None:
    secret = ("--namespace", NAMESPACE, "get", "secret", "grafana-admin", "--ignore-not-found", "--output", "name")
    if not _run("kubectl", *secret).strip():
        _run("kubectl", "create", "-f", "-", piped=manifest("grafana-admin", grafana(), NAMESPACE))


def _bring_up_to_date(chart: Chart, release: Release | None, files: Sequence[Path]) -> None:
    import yaml

    name = f"{chart.release} ({chart.chart} {chart.version})"
    if broken_off := repair(chart.release, release):
        _say(f"{chart.release}: an earlier installation was broken off; helm {broken_off[0]}")
        _run("helm", *broken_off)
        release = None
    if release is not None and release.status == "deployed":
        listed = json.loads(_run("helm", "list", "--namespace", NAMESPACE, "--output", "json") or "[]")
        values = json.loads(
            _run("helm", "get", "values", chart.release, "--namespace", NAMESPACE, "--output", "json") or "null"
        )
        target = merged(yaml.safe_load((ROOT / file).read_text(encoding="utf-8")) for file in files)
        if as_it_should_be(chart, release, listed, values, target):
            _say(f"{name} is there")
            return
    _say(f"{name}: installing, and waiting for its pods, at most {PATIENCE} s")
    _run("helm", *install(chart, files))


def _wait_for_address() -> None:
    """A cloud takes a while to give a Service of type LoadBalancer an address; others never do, and need none."""
    context = _run("kubectl", "config", "current-context").strip()
    if context == "minikube" or context.startswith("kind-"):
        return
    end = time.monotonic() + PATIENCE
    told = False
    query = ("--output", "jsonpath={.spec.type} {.status.loadBalancer.ingress}")
    while True:
        said = _run("kubectl", "--namespace", NAMESPACE, "get", "service", "istio-ingressgateway", *query)
        kind, _, address = said.strip().partition(" ")
        if kind != "LoadBalancer" or address:
            return
        if time.monotonic() > end:
            raise AddonError(
                f"the load balancer of istio-ingressgateway has no address after {PATIENCE} s: "
                f"kubectl --namespace {NAMESPACE} describe service istio-ingressgateway"
            )
        if not told:
            _say(f"waiting for the load balancer's address, at most {PATIENCE} s")
            told = True
        time.sleep(2)


def provide() -> None:
    """Look at the current cluster and install what it lacks. Raises AddonError, Trouble."""
    context = kubectl.context()
    cluster = check_cluster.look()
    secrets = _run("kubectl", "--namespace", NAMESPACE, "get", "secrets", "-l", "owner=helm", "--output", "json")
    known = charts((ROOT / ADDONS / "charts.txt").read_text(encoding="utf-8"))
    names = {chart.release for chart in known}
    ours = {name: release for name, release in releases(json.loads(secrets or "{}")).items() if name in names}
    todo = wanted(known, ours, istio=cluster.istio, istio_kinds=cluster.istio_kinds, prometheus=cluster.prometheus)
    if todo:
        _install(todo, ours, cluster.version)
        cluster = check_cluster.look()
    _say(check_cluster.verdict(cluster, context))


def _install(todo: Sequence[Chart], ours: Mapping[str, Release], version: str) -> None:
    if shutil.which("helm") is None:
        raise AddonError(f"helm is not installed, and this cluster lacks {todo[0].release} and more: {HELM}")
    on = platform(version)
    try:
        for chart in todo:
            if chart.release == PROMETHEUS:
                _grafana_password()
            _bring_up_to_date(chart, ours.get(chart.release), value_files(chart, on))
            if wait := WAITS.get(chart.release):
                _run("kubectl", "--namespace", NAMESPACE, *wait, f"--timeout={PATIENCE}s")
    except AddonError as error:
        pods = subprocess.run(
            ["kubectl", "--namespace", NAMESPACE, "get", "pods"], text=True, capture_output=True, check=False
        )
        raise AddonError(f"{error}\nThe pods of {NAMESPACE}:\n{pods.stdout.rstrip()}") from None
    _run("kubectl", "apply", "-f", f"{ADDONS}/sidecars.yaml")
    _run("kubectl", "apply", "-k", "cluster/dashboards")
    _wait_for_address()


def main() -> int:
    """Returns the exit code."""
    try:
        provide()
    except (AddonError, Trouble) as error:
        print(f"addons.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ^C ends it without a traceback
    sys.exit(main())
