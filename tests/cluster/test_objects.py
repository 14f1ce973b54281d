"""Every object of cluster/ is what its kind's schema says, strictly, and they agree with each other."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pocket.api import decode, validate
from pocket.kinds import fill_defaults
from pocket.mesh import admission
from pocket.schemas import values
from tests.pocket.api.known import KINDS, struct_of

ROOT = Path(__file__).resolve().parents[2]
OTHERS = ("canary-flagger.yaml", "rollout-argo.yaml")
"""Kinds of others, who define them, in the place of s2-vs-v1.yaml: tests/tools/test_controllers.py looks at these."""
FILES = sorted(path for path in (ROOT / "cluster").glob("*.yaml") if path.name not in OTHERS)
VALUES = {
    "REGISTRY": "ghcr.io", "OWNER": "someone", "REGION": "us-west-2", "TABLE_SUFFIX": "someone",
    "LOAD_JOB": "load-readmusicsim", "LOAD_SIM": "ReadMusicSim", "LOAD_USERS": "200", "LOAD_PODS": "4",
    "LOAD_DURATION": "5m", "LOAD_URL": "http://127.0.0.1:8080",
    **{
        f"PIN_{name}": f"@sha256:{'0' * 64}"
        for name in ("DB", "DYNAMODB", "GATLING", "GRAPH", "LOADER", "S1", "S2_V1", "S2_V2")
    },
}  # fmt: skip
POD_SECURITY_UNPRIVILEGED = 1024
ELSEWHERE = {
    "graph.yaml": "istio-system",
    "monitoring-virtualservice.yaml": "istio-system",
    "dynamodb-emulator.yaml": "dynamodb",
    "stranger.yaml": "stranger",
}
"""Files whose objects belong to no service of the application, and their namespace."""


def load(path: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "render.py", path], env=VALUES, capture_output=True, text=True, check=True
    )
    return [document for document in yaml.safe_load_all(done.stdout) if document]


OBJECTS = {path.name: load(path) for path in FILES}
ALL = [(name, obj) for name, objects in OBJECTS.items() for obj in objects]
IDS = [f"{name}:{obj['kind']}/{obj['metadata']['name']}" for name, obj in ALL]


def pod_specs() -> list[tuple[str, dict[str, Any]]]:
    return [(name, obj["spec"]["template"]["spec"]) for name, obj in ALL if obj["kind"] in ("Deployment", "Job")]


def of_kind(kind: str) -> list[dict[str, Any]]:
    """Of the application: the graph and the emulator stand apart."""
    return [obj for name, obj in ALL if obj["kind"] == kind and name not in ELSEWHERE]


def test_the_files_that_the_design_names_are_there() -> None:
    named = """s2-dpl-v1 s2-dpl-v2 s2-svc s2-vs s2-vs-v1 s2-vs-v2 s2-sm s2-dr s1-dpl s1-svc s1-vs s1-sm db-dpl db-svc
        db-vs db-sm db-vs-delay db-vs-fault service-gateway dynamodb-service-entry monitoring-virtualservice loader"""
    assert {f"{name}.yaml" for name in named.split()} <= OBJECTS.keys()


@pytest.mark.parametrize(("name", "obj"), ALL, ids=IDS)
def test_strictly_valid(name: str, obj: dict[str, Any]) -> None:
    kind = KINDS[obj["kind"]]
    assert obj["apiVersion"] == kind.api_versions[0], "the current version of the API"
    if kind.namespaced:
        assert obj["metadata"].get("namespace") == ELSEWHERE.get(name, "c756ns")
    found = decode.check(obj, struct_of(obj))
    assert found.strict() + found.wrong == []
    fill_defaults(obj := yaml.safe_load(yaml.safe_dump(obj)))
    assert [str(error) for error in validate.check(obj, struct_of(obj))] == []
    if kind.custom:
        assert [str(error) for error in values.check(obj, None, struct_of(obj))] == []


CUSTOM = [(name, obj) for name, obj in ALL if KINDS[obj["kind"]].custom]


@pytest.mark.parametrize(("name", "obj"), CUSTOM, ids=[f"{name}:{obj['metadata']['name']}" for name, obj in CUSTOM])
def test_valid_for_istio_and_the_prometheus_operator(name: str, obj: dict[str, Any]) -> None:
    assert [str(error) for error in admission.check(obj)] == []


def test_no_key_is_written_twice() -> None:
    for path in FILES:
        for text in re.split(r"(?m)^---$", path.read_text()):
            assert decode.parse(text.encode(), "application/yaml")[1] == [], path.name


def test_every_file_begins_with_what_it_is_for() -> None:
    for path in FILES:
        assert path.read_text().startswith("# "), f"{path.name} has no comment at its head"


def test_subsets_are_declared_once_and_routes_name_only_those() -> None:
    rules = of_kind("DestinationRule")
    assert len(rules) == 1
    subsets = {subset["name"]: subset["labels"] for subset in rules[0]["spec"]["subsets"]}
    assert subsets == {"v1": {"version": "v1"}, "v2": {"version": "v2"}}
    services = {
        f"{obj['metadata']['name']}.c756ns.svc.cluster.local": obj["spec"]["ports"] for obj in of_kind("Service")
    }
    for obj in of_kind("VirtualService"):
        for route in (route for http in obj["spec"]["http"] for route in http.get("route", ())):
            destination = route["destination"]
            assert destination.get("subset", "v1") in subsets
            ports = [port["port"] for port in services[destination["host"]]]
            # https://istio.io/latest/docs/reference/config/networking/virtual-service/#Destination: it may be left out
            # where there is one.
            assert destination.get("port", {"number": ports[0]})["number"] in ports
            assert len(ports) == 1


@pytest.mark.parametrize(("name", "weights"), [("s2-vs-v1.yaml", [100, 0]), ("s2-vs-v2.yaml", [90, 10])])
def test_weights_stand_once_and_there_is_nothing_else_to_read(name: str, weights: list[int]) -> None:
    (obj,) = OBJECTS[name]
    host = "cmpt756s2.c756ns.svc.cluster.local"
    subsets = [
        {"destination": {"host": host, "subset": v}, "weight": w} for v, w in zip(("v1", "v2"), weights, strict=True)
    ]
    assert obj["spec"] == {"http": [{"route": subsets}]}  # no hosts, no gateways: a delegate


def test_the_ways_in_at_the_gateway_and_in_the_mesh_lead_to_the_weights() -> None:
    (weights,) = OBJECTS["s2-vs-v1.yaml"]
    gateways = []
    for obj in OBJECTS["s2-vs.yaml"]:
        gateways += obj["spec"]["gateways"]
        (rule,) = obj["spec"]["http"]
        assert rule["delegate"] == {name: weights["metadata"][name] for name in ("name", "namespace")}
        # Istio refuses "*" for the mesh: pkg/config/validation, "wildcard host * is not allowed ..."
        assert ("mesh" in obj["spec"]["gateways"]) != (obj["spec"]["hosts"] == ["*"])
        assert not {"route", "redirect", "directResponse"} & rule.keys(), "Istio refuses these beside a delegate"
    assert gateways == ["c756-gateway", "mesh"]


def test_the_two_route_files_differ_in_nothing_but_the_weights() -> None:
    v1, v2 = (re.sub(r"weight: \d+", "weight: N", yaml.safe_dump_all(OBJECTS[f"s2-vs-{v}.yaml"])) for v in ("v1", "v2"))
    assert v1 == v2


def test_a_second_version_is_the_first_with_another_number() -> None:
    texts = [(ROOT / "cluster" / f"s2-dpl-{version}.yaml").read_text() for version in ("v1", "v2")]
    other = re.sub(r"(?<!apps/)(?<!api/)v1", "v2", texts[0]).replace("V1", "V2")
    assert other == texts[1]


def test_services_have_their_names_ports_and_port_name() -> None:
    found = {obj["metadata"]["name"]: obj["spec"]["ports"] for obj in of_kind("Service")}
    assert {name: ports[0]["port"] for name, ports in found.items()} == {
        "cmpt756s1": 30000, "cmpt756s2": 30001, "cmpt756db": 30002,
    }  # fmt: skip
    assert all([port["name"] for port in ports] == ["http"] for ports in found.values())


def test_service_monitors_find_their_services() -> None:
    services = {obj["metadata"]["name"]: obj for obj in of_kind("Service")}
    for monitor in of_kind("ServiceMonitor"):
        service = services[monitor["metadata"]["name"]]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        (endpoint,) = monitor["spec"]["endpoints"]
        assert endpoint.pop("tlsConfig").keys() == {"caFile", "certFile", "keyFile", "insecureSkipVerify"}
        assert endpoint == {"port": "http", "path": "/metrics", "interval": "30s", "scheme": "https"}


def test_deployments_are_labelled_and_selected_alike() -> None:
    for obj in of_kind("Deployment"):
        labels = obj["spec"]["template"]["metadata"]["labels"]
        assert labels == obj["spec"]["selector"]["matchLabels"] == obj["metadata"]["labels"]
        assert {"app", "version"} == labels.keys()
        assert obj["spec"]["template"]["spec"]["containers"][0]["name"] == labels["app"]
        assert "replicas" not in obj["spec"], "applying it again would undo kubectl scale"
        assert obj["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_the_grace_period_covers_prestop_and_the_sidecars_drain() -> None:
    for obj in of_kind("Deployment"):
        template = obj["spec"]["template"]
        proxy = yaml.safe_load(template["metadata"]["annotations"]["proxy.istio.io/config"])
        drain = int(proxy["terminationDrainDuration"].removesuffix("s"))
        pause = template["spec"]["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pause < drain <= template["spec"]["terminationGracePeriodSeconds"] - pause


def test_pods_pass_the_restricted_profile() -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    for name, spec in pod_specs():
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] >= POD_SECURITY_UNPRIVILEGED
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert all({"emptyDir", "configMap"} & volume.keys() for volume in spec["volumes"])
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert all("hostPort" not in port for port in container.get("ports", ()))


def test_pods_state_what_they_need_and_mount_no_api_token() -> None:
    accounts = {obj["metadata"]["name"] for _, obj in ALL if obj["kind"] == "ServiceAccount"}
    for name, spec in pod_specs():
        assert spec["serviceAccountName"] in accounts, name
        assert spec.get("automountServiceAccountToken") is (None if name == "graph.yaml" else False)
        for container in spec["containers"]:
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert "memory" in container["resources"]["limits"]


def test_three_probes_on_the_paths_of_the_contract() -> None:
    prefixes = {"cmpt756s1": "/api/v1/user", "cmpt756s2": "/api/v1/music", "cmpt756db": "/api/v1/datastore"}
    for obj in of_kind("Deployment"):
        container = obj["spec"]["template"]["spec"]["containers"][0]
        prefix = prefixes[container["name"]]
        probes = {kind: container[kind]["httpGet"] for kind in ("startupProbe", "readinessProbe", "livenessProbe")}
        assert {kind: probe["path"] for kind, probe in probes.items()} == {
            "startupProbe": f"{prefix}/health",
            "readinessProbe": f"{prefix}/readiness",
            "livenessProbe": f"{prefix}/health",
        }
        assert {probe["port"] for probe in probes.values()} == {"http"}


def test_budgets_and_autoscalers_mean_deployments_that_exist() -> None:
    deployments = {obj["metadata"]["name"]: obj["metadata"]["labels"] for obj in of_kind("Deployment")}
    for budget in of_kind("PodDisruptionBudget"):
        wanted = budget["spec"]["selector"]["matchLabels"].items()
        assert sum(wanted <= labels.items() for labels in deployments.values()) == 1
    for scaler in of_kind("HorizontalPodAutoscaler"):
        labels = deployments[scaler["spec"]["scaleTargetRef"]["name"]]
        assert scaler["spec"]["metrics"][0]["containerResource"]["container"] == labels["app"]


def test_no_secret_stands_in_a_file() -> None:
    assert of_kind("Secret") == []
    for name, spec in pod_specs():
        for entry in (entry for container in spec["containers"] for entry in container.get("env", ())):
            if re.search("TOKEN|SECRET|KEY", entry["name"]):
                assert "secretKeyRef" in entry["valueFrom"], name


def test_routes_are_applied_as_they_stand() -> None:
    """People edit weights and type kubectl apply -f: no placeholder may be in those files."""
    for pattern in ("*-vs*.yaml", "s2-dr.yaml", "service-gateway.yaml", "monitoring-virtualservice.yaml"):
        for path in (ROOT / "cluster").glob(pattern):
            assert "${" not in path.read_text(), path.name
