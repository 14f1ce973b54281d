"""The makefiles: every promised target is there, explained, and the same for every cluster."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.conftest import StandIns
from tests.tools.test_check_cluster import has_everything
from tests.tools.test_s2ver import HOST, config_dump

ROOT = Path(__file__).resolve().parents[2]

K8S = """provision deploy gw s1 s2 db monitoring loader rollout rollout-s1 rollout-s2 rollout-db scratch
    clean ls lsa lsd log-s1 log-s2 log-db shell-s1 shell-s2 shell-db health-off reinstate showcontext extern cri
    registry-login dynamodb-init dynamodb-clean ls-tables kiali-url grafana-url prometheus-url worksheet
    submission"""
TARGETS = {
    "Makefile": ["up", "down", "test", "demo", "help"],
    "k8s.mak": K8S.split(),
    "pocket.mak": ["start", "stop", "status", "ls"],
}
PAIRS = [(file, target) for file, targets in TARGETS.items() for target in targets]


def rules(file: str) -> dict[str, str]:
    """Targets and their `## ` lines; one with `%` is there for each of SERVICES, unless it has a line of its own."""
    text = (ROOT / file).read_text()
    services = re.findall(r"^SERVICES := (.+)$", text, re.MULTILINE)
    found = dict(re.findall(r"^## ([\w%-]+): (.+)$", text + (ROOT / "common.mak").read_text(), re.MULTILINE))
    for pattern in [name for name in found if "%" in name]:
        line = found.pop(pattern)
        for service in services[0].split():
            found.setdefault(pattern.replace("%", service), line.replace("%", service))
    return found


@pytest.mark.parametrize("file", TARGETS)
def test_every_target_is_explained_and_phony(standins: StandIns, file: str) -> None:
    text = (ROOT / file).read_text()
    assert set(TARGETS[file]) <= rules(file).keys()
    read = standins.run("make", "--print-data-base", "--dry-run", "--file", file, "help", cwd=ROOT).stdout
    phony = {name for line in re.findall(r"^\.PHONY: (.+)$", read, re.MULTILINE) for name in line.split()}
    targets = set(re.findall(r"^([\w-]+):(?!=)", read, re.MULTILINE))
    assert rules(file).keys() <= phony & targets
    assert not re.search(r"^\t.*[^$(]\bmake\b", re.sub(r'"[^"]*"|`[^`]*`', "", text), re.MULTILINE), "use $(MAKE)"


@pytest.mark.parametrize("file", ["Makefile", *sorted(path.name for path in ROOT.glob("*.mak"))])
def test_every_makefile_is_strict(file: str) -> None:
    text = (ROOT / file).read_text()
    if file in ("config.mak", "versions.mak"):
        assert not re.search(r"^\t", text, re.MULTILINE), "settings only"
    elif file == "common.mak":
        for line in ("SHELL := bash", ".SHELLFLAGS := -eu -o pipefail -c", ".DELETE_ON_ERROR:"):
            assert f"{line}\n" in text
    else:
        assert re.search(r"^include (common|clusters)\.mak$", text, re.MULTILINE)
        assert not re.search(r"^\.?SHELL", text, re.MULTILINE), "common.mak says that, for all"


@pytest.mark.parametrize(("file", "target"), PAIRS)
def test_make_n(standins: StandIns, file: str, target: str) -> None:
    """It expands without an error, and runs nothing that changes anything."""
    done = standins.run("make", "-n", "-f", file, target, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert standins.calls == []


@pytest.mark.parametrize("file", TARGETS)
def test_help_lists_them(standins: StandIns, file: str) -> None:
    said = standins.run("make", "-f", file, cwd=ROOT).stdout
    for target, text in rules(file).items():
        assert re.search(rf"^ +(make )?{target} +{re.escape(text)}$", said, re.MULTILINE), target


@pytest.fixture
def cluster(standins: StandIns) -> StandIns:
    has_everything(standins)
    standins.answer("get deployments -l app=cmpt756s2", "v1\nv2\n")
    standins.answer("get job cmpt756loader", "Complete\n")
    standins.answer("get pods -l job-name", "Succeeded")
    standins.answer("get svc", '{"metadata":{"name":"g"},"spec":{"ports":[{"port":80,"nodePort":8080}]}}')
    standins.answer("get nodes", '{"items":[{"status":{"addresses":[{"type":"InternalIP","address":"127.0.0.1"}]}}]}')
    standins.answer("get secret c756-auth", "secret/c756-auth\n")
    weights = {"spec": {"http": [{"route": [{"destination": {"host": HOST, "subset": "v1"}, "weight": 100}]}]}}
    standins.answer("create --dry-run", json.dumps(weights))
    standins.answer("get deployment cmpt756s2-", "1")
    standins.answer("get pods -l istio=ingressgateway", "pod/istio-ingressgateway-1\n")
    standins.answer("config_dump", config_dump({"v1": 100}))
    unknown = "Error from server (NotFound): the server could not find the requested resource\n"
    standins.answer("get --raw /apis/(metrics.k8s.io|security.istio.io)", unknown, 1)
    return standins


def make(cluster: StandIns, checkout: Path, *arguments: str, fails: bool = False, **env: str) -> list[str]:
    cluster.forget()
    done = cluster.run("make", "-f", "k8s.mak", *arguments, cwd=checkout, env=env)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return cluster.calls


def prebuilt(cluster: StandIns, checkout: Path, context: str) -> None:
    """Every image is built: what is compared is what happens in the cluster."""
    cluster.answer("config current-context", f"{context}\n")
    names = ("db", "s1", "s2-v1", "s2-v2", "loader", "graph")
    platforms = "" if context == "pocket" else f" {cluster.env['PLATFORMS']}"
    stamps = checkout / ".cache/images" / f"{context}-01234567"
    stamps.mkdir(parents=True)
    for name in names:
        dockerfile = f"{name.replace('-', '/')}/Dockerfile"
        print_ = cluster.run("python3", "tools/fingerprint.py", dockerfile, cwd=checkout).stdout.strip()
        base, _, version = name.partition("-")
        tag = f"ghcr.io/c756/cmpt756{base}:{version or 'v1'}"
        (stamps / name).write_text(f"{tag} {print_}{platforms}\n@sha256:{'0' * 64}\n")


@pytest.mark.parametrize(
    "target", ["deploy", "db", "s1", "s2", "rollout", "scratch", "monitoring", "loader", "provision"]
)
def test_the_same_commands_in_every_cluster(cluster: StandIns, checkout: Path, target: str) -> None:
    (checkout / "pocket").mkdir()
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    said = "\n".join(f"{name}={value}" for name, value in {"DYNAMODB_URL": "http://127.0.0.1:20001", **keys}.items())
    (checkout / "pocket/__main__.py").write_text(f"print({said!r})\n")
    seen = []
    for context in ("pocket", "aws756"):
        prebuilt(cluster, checkout, context)
        calls = make(cluster, checkout, target, fails=False, **keys)
        piped = cluster.stdin("kubectl apply -f -")
        assert all(call.startswith("kubectl ") for call in calls), "nothing is built or pushed"
        # Only pocket has an emulator of its own; elsewhere it is asked whether there is one.
        seen.append(([call for call in calls if "get service dynamodb" not in call], piped))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("target", ["deploy", "s2-code", "rollout", "scratch"])
def test_make_n_prints_the_same_for_every_cluster(cluster: StandIns, checkout: Path, target: str) -> None:
    """Byte for byte: nothing in k8s.mak asks which cluster it is."""
    said = set()
    for context in ("pocket", "aws756", "az756", "gcp756", "minikube", "kind-c756"):
        cluster.answer("config current-context", f"{context}\n")
        said.add(cluster.run("make", "-n", "-f", "k8s.mak", target, cwd=checkout, env={"S2_VER": "v2"}).stdout)
    (commands,) = said
    assert "kubectl" in commands or "tools/apply.sh" in commands


@pytest.mark.parametrize("ingress", [{"ip": "20.1.2.3"}, {"hostname": "x.elb.us-west-2.amazonaws.com"}])
def test_addresses_of_load_balancers(cluster: StandIns, checkout: Path, ingress: dict[str, str]) -> None:
    """AKS and GKE give an IP, EKS a name."""
    service = {
        "metadata": {"name": "istio-ingressgateway"},
        "spec": {"type": "LoadBalancer", "ports": [{"name": "http2", "port": 80, "nodePort": 31380}]},
        "status": {"loadBalancer": {"ingress": [ingress]}},
    }
    cluster.answer("get svc", json.dumps(service))
    (address,) = ingress.values()
    ends = {"extern": "", "kiali-url": "/kiali/", "grafana-url": "/grafana/", "prometheus-url": "/prometheus/"}
    for target, path in ends.items():
        done = cluster.run("make", "-f", "k8s.mak", target, cwd=checkout)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == f"http://{address}{path}"


def test_deploy_waits_for_every_deployment(cluster: StandIns, checkout: Path) -> None:
    prebuilt(cluster, checkout, "aws756")
    calls = make(cluster, checkout, "deploy")
    names = [f"deployment/{name}" for name in ("cmpt756db", "cmpt756s1", "cmpt756s2-v1", "cmpt756s2-v2")]
    assert f"kubectl -n c756ns rollout status --timeout=180s {' '.join(names)}" in calls
    applied = [call for call in calls if "apply -f cluster/" in call]
    assert [call.split("cluster/")[1] for call in applied] == [
        "s2-vs-v1.yaml", "db-vs.yaml", "s1-vs.yaml", "s2-vs.yaml",
    ]  # fmt: skip


def test_deploy_leaves_routes_alone_that_are_there(cluster: StandIns, checkout: Path) -> None:
    prebuilt(cluster, checkout, "aws756")
    names = ("cmpt756s1", "cmpt756s2", "cmpt756s2-mesh", "cmpt756s2-weights", "cmpt756db")
    cluster.answer("get virtualservices", "".join(f"virtualservice.networking.istio.io/{name}\n" for name in names))
    calls = make(cluster, checkout, "deploy")
    assert not any("apply -f cluster/" in call for call in calls)


def test_s2_does_what_s2ver_does(cluster: StandIns, checkout: Path) -> None:
    """Code and routes, in the order that loses nothing; here back to v1, which runs."""
    prebuilt(cluster, checkout, "aws756")
    seen = []
    for command in (("make", "-e", "-f", "k8s.mak", "s2"), ("tools/s2ver.sh", "v1")):
        cluster.forget()
        done = cluster.run(*command, cwd=checkout, env={"S2_VER": "v1", "OWNER": "c756"})
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "music is served by: v1 100 % (in force at the ingress gateway)"
        seen.append(cluster.calls)
    assert seen[0] == seen[1]
    changes = [call for call in seen[0] if " apply -f" in call]
    assert changes[0] == "kubectl apply -f cluster/s2-vs-v1.yaml -f cluster/s2-vs.yaml", "the routes first"
    assert any("name: cmpt756s2-v1" in text for text in cluster.stdin("apply -f -")), "and then the code"


def test_s2_deploys_the_version_from_the_environment(cluster: StandIns, checkout: Path) -> None:
    prebuilt(cluster, checkout, "aws756")
    cluster.forget()
    done = cluster.run("make", "-e", "-f", "k8s.mak", "s2-code", cwd=checkout, env={"S2_VER": "v2", "OWNER": "c756"})
    assert done.returncode == 0, done.stderr
    assert "name: cmpt756s2-v2" in cluster.stdin("apply -f -")[-1]
    assert "cmpt756s2:v1" not in cluster.stdin("apply -f -")[-1]
    done = cluster.run("make", "-e", "-f", "k8s.mak", "s2", cwd=checkout, env={"S2_VER": "v9"})
    assert done.returncode != 0
    assert 'unknown version "v9" of s2. Known: v1 v2' in done.stderr


@pytest.mark.parametrize("target", ["deploy", "s2", "rollout", "scratch", "ls", "lsd", "loader", "kiali-url"])
def test_a_failing_command_stops_the_recipe(cluster: StandIns, checkout: Path, target: str) -> None:
    prebuilt(cluster, checkout, "aws756")
    for pattern in ("kubectl .*(apply|delete|restart|get gateways|get pods --all)", "get svc"):
        cluster.answer(pattern, "the cluster says no\n", 1)
    calls = make(cluster, checkout, target, fails=True)
    refused = [call for call in calls if re.search("apply|delete|restart|get gateways|--all-name|get svc", call)]
    assert len(refused) == 1, calls


def test_autoscalers_only_where_cpu_is_measured_on_several_nodes(cluster: StandIns, checkout: Path) -> None:
    prebuilt(cluster, checkout, "aws756")
    make(cluster, checkout, "provision")
    assert not any("HorizontalPodAutoscaler" in text for text in cluster.stdin("apply -f -"))
    make(cluster, checkout, "hpa", fails=True)
    cluster.answer("get --raw /apis/metrics.k8s.io", "{}")
    cluster.answer("get nodes --output=name", "node/pocket\n")
    make(cluster, checkout, "provision")
    assert not any("HorizontalPodAutoscaler" in text for text in cluster.stdin("apply -f -"))
    make(cluster, checkout, "hpa")
    assert "HorizontalPodAutoscaler" in cluster.stdin("apply -f -")[-1]
    cluster.answer("get nodes --output=name", "node/a\nnode/b\n")
    make(cluster, checkout, "provision")
    assert "HorizontalPodAutoscaler" in cluster.stdin("apply -f -")[-1]


def test_health_off_takes_all_three_probes_from_every_deployment(cluster: StandIns, checkout: Path) -> None:
    patches = [call for call in make(cluster, checkout, "health-off") if "patch" in call]
    assert [call.split()[5] for call in patches] == ["cmpt756db", "cmpt756s1", "cmpt756s2-v1", "cmpt756s2-v2"]
    assert all(call.count('Probe":null') == 3 for call in patches)


def test_registry_login_pipes_the_token(cluster: StandIns, checkout: Path) -> None:
    assert make(cluster, checkout, "registry-login", fails=True)[-1] == "kubectl config current-context"
    calls = make(cluster, checkout, "registry-login", CR_PAT="the-token")
    assert calls[-1] == "docker login ghcr.io --username c756 --password-stdin"
    assert cluster.stdin("docker login") == ["the-token"]
    cluster.answer("config current-context", "pocket\n")
    assert not any("docker" in call for call in make(cluster, checkout, "registry-login"))


def test_scratch_keeps_the_secrets(cluster: StandIns, checkout: Path) -> None:
    calls = make(cluster, checkout, "scratch")
    deleted = [call for call in calls if " delete " in call]
    assert deleted
    assert not any("secret" in call for call in calls)
    istio = "virtualservices gateways destinationrules serviceentries"
    others = "servicemonitors horizontalpodautoscalers poddisruptionbudgets jobs deployments services serviceaccounts"
    for kind in f"{istio} {others}".split():
        assert kind in " ".join(deleted)


@pytest.mark.parametrize(
    "target",
    ["addons", "dynamodb-init", "dynamodb-clean", "ls-tables", "report", "snapshot", "worksheet", "submission"],
)
def test_what_needs_python_packages_installs_them(cluster: StandIns, checkout: Path, target: str) -> None:
    """In a fresh clone, on a machine that has no other Python than the system's."""
    (checkout / ".venv").unlink()
    setup = checkout / "tools/setup.sh"
    setup.write_text(
        f"#!/bin/sh\necho installing\nmkdir -p .venv/bin\nln -s {ROOT}/.venv/bin/python .venv/bin/python\n"
    )
    cluster.program("python")
    said = cluster.run("make", "-f", "k8s.mak", target, cwd=checkout).stdout
    assert said.splitlines()[0] == "installing"
    assert not any(call.startswith("python ") for call in cluster.calls), "there may be none of this name"
    assert "installing" not in cluster.run("make", "-f", "k8s.mak", target, cwd=checkout).stdout
