"""The pinned charts accept the values of cluster/addons, and make of them what the rest of the project relies on."""

from __future__ import annotations

import configparser
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.cluster import charts
from tests.cluster.charts import CHARTS, ROOT, rendered, the
from tests.cluster.test_objects import ALL, OBJECTS
from tests.cluster.test_schemas import findings
from tests.cluster.test_schemas import pytestmark as schemas_are_installed
from tools import access, addons, address, check_cluster

GATEWAY = check_cluster.GATEWAY
SIDECARS = yaml.safe_load((ROOT / "cluster/addons/sidecars.yaml").read_text())
PROXY = "istio-proxy"
"""The container that tools/s2ver.sh and the graph look for."""
# Values that a chart takes without a default of its own, or that another program reads.
FREE = {
    "istio-cni": ("global.platform", "cni"),  # files/profile-platform-*.yaml; zzy_descope_legacy.yaml in the chart
    "monitoring": ("grafana.grafana.ini",),  # Grafana's
    "kiali": ("external_services",),  # Kiali's: the chart writes all values into its configuration
}
PLATFORMS = [(release, "") for release in CHARTS] + [("istio-cni", "gke")]


def served(release: str) -> set[str]:
    """apiVersion/kind of all that a chart's definitions make the cluster know."""
    return {
        f"{obj['spec']['group']}/{version['name']}/{obj['spec']['names']['kind']}"
        for obj in rendered(release)
        if obj["kind"] == "CustomResourceDefinition"
        for version in obj["spec"]["versions"]
        if version["served"]
    }


# -- every chart ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("release", "on"), PLATFORMS)
def test_the_chart_takes_our_values(release: str, on: str) -> None:
    assert rendered(release, on)
    known = charts.defaults(charts.folder(release))
    assert list(charts.unknown(charts.values(release, on), known, FREE.get(release, ()))) == []


def test_a_misspelt_value_is_found() -> None:
    known = charts.defaults(charts.folder("istiod"))
    wrong = {"cni": {"enable": True}, "resource": {}, "global": {"proxy": {"resources": {"requests": {"cpu": "1"}}}}}
    assert list(charts.unknown(wrong, known)) == ["cni.enable", "resource"]
    # The gateway's chart finds them itself, and wrong types.
    for value in ("servise.type=NodePort", "autoscaling.minReplicas=one"):
        done = charts.template(GATEWAY, "--set", value)
        assert done.returncode != 0
        assert "schema" in done.stderr


@schemas_are_installed
@pytest.mark.parametrize(("release", "on"), PLATFORMS)
def test_what_it_makes_is_valid(release: str, on: str, tmp_path: Path) -> None:
    """By the published schemas, as ours. Not the kinds that the chart itself brings: it knows them best."""
    brought = {kind.rpartition("/")[0] for kind in served(release)} | {"apiextensions.k8s.io/v1"}
    objects = [obj for obj in rendered(release, on) if obj["apiVersion"] not in brought]
    assert findings([(f"{obj['kind']}/{obj['metadata']['name']}", obj) for obj in objects], tmp_path) == []


@pytest.mark.parametrize("release", CHARTS)
def test_everything_is_in_the_namespace_that_provision_looks_at(release: str) -> None:
    for obj in rendered(release):
        # kube-prometheus-stack puts Services beside what it measures.
        allowed = ("istio-system", "kube-system") if obj["kind"] == "Service" else ("istio-system",)
        assert obj["metadata"].get("namespace", "istio-system") in allowed, obj["metadata"]


# -- Istio ------------------------------------------------------------------------------------------------------------


def test_istios_kinds_are_those_that_we_use() -> None:
    used = {f"{obj['apiVersion']}/{obj['kind']}" for _, obj in ALL if "istio.io/" in obj["apiVersion"]}
    policy = access.policy(["203.0.113.7/32"])
    assert used | {f"{policy['apiVersion']}/{policy['kind']}"} <= served("istio-base")
    assert access.API.removeprefix("/apis/") in {kind.rpartition("/")[0] for kind in served("istio-base")}


@pytest.mark.parametrize(
    ("release", "name"), [("istio-base", "istiod-default-validator"), ("istiod", "istio-validator-istio-system")]
)
def test_istio_objects_are_checked_when_they_are_applied(release: str, name: str) -> None:
    (webhook,) = the(release, "ValidatingWebhookConfiguration", name)["webhooks"]
    service = webhook["clientConfig"]["service"]
    assert (service["name"], service["namespace"], service["path"]) == ("istiod", "istio-system", "/validate")
    assert {"networking.istio.io", "security.istio.io"} <= set(webhook["rules"][0]["apiGroups"])


def test_nodes_redirect_traffic() -> None:
    nodes = the("istio-cni", "DaemonSet", "istio-cni-node")
    name, _, value = check_cluster.CNI_NODES.partition("labelSelector=")[2].partition("%3D")
    assert nodes["metadata"]["labels"][name] == value
    assert plugin_folder(nodes) == "/opt/cni/bin"
    assert "ResourceQuota" not in charts.kinds("istio-cni")


def plugin_folder(nodes: dict[str, Any]) -> str:
    volumes = nodes["spec"]["template"]["spec"]["volumes"]
    (path,) = (volume["hostPath"]["path"] for volume in volumes if volume["name"] == "cni-bin-dir")
    assert isinstance(path, str)
    return path


def test_nodes_of_gke_redirect_traffic() -> None:
    nodes = the("istio-cni", "DaemonSet", "istio-cni-node", "gke")
    assert plugin_folder(nodes) == "/home/kubernetes/bin"
    quota = the("istio-cni", "ResourceQuota", "istio-cni-resource-quota", "gke")
    (allowed,) = quota["spec"]["scopeSelector"]["matchExpressions"]
    assert allowed["values"] == [nodes["spec"]["template"]["spec"]["priorityClassName"]]


def injector() -> dict[str, Any]:
    data: dict[str, Any] = the("istiod", "ConfigMap", "istio-sidecar-injector")["data"]
    return data


def test_sidecars_are_injected_without_privileges() -> None:
    """With pilot.cni.enabled the init container only checks; without, it would need NET_ADMIN, and the namespace's
    profile `restricted` would refuse the pod.
    """
    settings = json.loads(injector()["values"])
    assert settings["pilot"]["cni"]["enabled"] is True
    proxy = settings["global"]["proxy"]
    assert proxy["privileged"] is False
    assert proxy["resources"]["requests"] == charts.values("istiod")["global"]["proxy"]["resources"]["requests"]
    assert proxy["resources"]["limits"]["memory"] == "512Mi"


def test_the_namespaces_label_asks_for_sidecars() -> None:
    (namespace,) = OBJECTS["namespace.yaml"]
    hooks = the("istiod", "MutatingWebhookConfiguration", "istio-sidecar-injector")["webhooks"]
    asked = [
        expression["values"]
        for hook in hooks
        for expression in hook["namespaceSelector"]["matchExpressions"]
        if (expression["key"], expression["operator"]) == ("istio-injection", "In")
    ]
    assert [namespace["metadata"]["labels"]["istio-injection"]] in asked


def test_the_sidecar_has_the_name_and_port_that_others_look_for() -> None:
    """And is a native one where the annotation of loader.yaml says so."""
    template = yaml.safe_load(injector()["config"])["templates"]["sidecar"]
    (endpoint,) = SIDECARS["spec"]["podMetricsEndpoints"]
    assert f"- name: {PROXY}\n" in template
    assert re.search(rf"containerPort: 15090\s+protocol: TCP\s+name: {endpoint['port']}\n", template)
    (job,) = OBJECTS["loader.yaml"]
    native = next(key for key in job["spec"]["template"]["metadata"]["annotations"] if "ative" in key)
    assert f"`{native}`" in template


def test_envoy_counts_requests() -> None:
    """istio_requests_total and its sisters: the graph, the dashboards."""
    mesh = yaml.safe_load(the("istiod", "ConfigMap", "istio")["data"]["mesh"])
    assert mesh["defaultProviders"]["metrics"] == ["prometheus"]


def test_the_control_plane_is_small_and_can_be_drained() -> None:
    (container,) = the("istiod", "Deployment", "istiod")["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"] == charts.values("istiod")["resources"]["requests"]
    assert "PodDisruptionBudget" not in charts.kinds("istiod") | charts.kinds(GATEWAY)


# -- the gateway ------------------------------------------------------------------------------------------------------


def test_the_gateway_is_found_by_name_and_label() -> None:
    pods = the(GATEWAY, "Deployment", GATEWAY)["spec"]["template"]
    labels = pods["metadata"]["labels"].items()
    (gateway,) = OBJECTS["service-gateway.yaml"]
    assert gateway["spec"]["selector"].items() <= labels
    assert access.policy(["203.0.113.7/32"])["spec"]["selector"]["matchLabels"].items() <= labels
    assert the(GATEWAY, "Service", GATEWAY)["spec"]["selector"].items() <= labels
    assert pods["metadata"]["annotations"]["inject.istio.io/templates"] == "gateway"
    (container,) = pods["spec"]["containers"]
    assert container["name"] == PROXY
    (endpoint,) = SIDECARS["spec"]["podMetricsEndpoints"]
    assert [port["name"] for port in container["ports"]] == [endpoint["port"]]
    (unwanted,) = SIDECARS["spec"]["selector"]["matchExpressions"]
    assert unwanted["operator"] == "DoesNotExist"
    assert unwanted["key"] not in dict(labels)


def test_the_gateway_has_what_we_give_it() -> None:
    (container,) = the(GATEWAY, "Deployment", GATEWAY)["spec"]["template"]["spec"]["containers"]
    ours = charts.values(GATEWAY)
    assert container["resources"]["requests"] == ours["resources"]["requests"]
    assert container["resources"]["limits"]["memory"] == ours["resources"]["limits"]["memory"]
    scaler = the(GATEWAY, "HorizontalPodAutoscaler", GATEWAY)["spec"]
    assert scaler["scaleTargetRef"]["name"] == GATEWAY
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (1, 3)
    assert [metric["resource"]["name"] for metric in scaler["metrics"]] == ["cpu"]


def test_the_gateways_service_keeps_callers_addresses_and_gives_one() -> None:
    service = the(GATEWAY, "Service", GATEWAY)
    assert service["spec"]["type"] == "LoadBalancer"
    assert service["spec"]["externalTrafficPolicy"] == "Local"
    assert service["metadata"]["annotations"]["service.beta.kubernetes.io/aws-load-balancer-type"] == "nlb"
    (gateway,) = OBJECTS["service-gateway.yaml"]
    number = gateway["spec"]["servers"][0]["port"]["number"]
    # Envoy listens at the port that the Service sends that port to: pilot/pkg/networking/core/gateway.go in Istio.
    assert [port["targetPort"] for port in service["spec"]["ports"] if port["port"] == number] == [number]
    # As the cluster completes it.
    for offset, port in enumerate(service["spec"]["ports"]):
        port["nodePort"] = 30000 + offset
    plain = next(port["nodePort"] for port in service["spec"]["ports"] if port["port"] == 80)
    nodes = {"items": [{"status": {"addresses": [{"type": "InternalIP", "address": "192.168.49.2"}]}}]}
    assert address.address(service, nodes) == f"192.168.49.2:{plain}"
    with_address = {**service, "status": {"loadBalancer": {"ingress": [{"hostname": "x.elb.amazonaws.com"}]}}}
    assert address.address(with_address, nodes) == "x.elb.amazonaws.com"


# -- Prometheus and Grafana -------------------------------------------------------------------------------------------


def test_every_destination_of_the_monitoring_routes_is_a_service_of_a_chart() -> None:
    _, routes = OBJECTS["monitoring-virtualservice.yaml"]
    destinations = [route["destination"] for http in routes["spec"]["http"] for route in http.get("route", ())]
    releases = {"kiali": "kiali", "prometheus": "monitoring", "grafana": "monitoring"}
    for destination in destinations:
        name = destination["host"].removesuffix(".istio-system.svc.cluster.local")
        ports = the(releases[name], "Service", name)["spec"]["ports"]
        assert destination["port"]["number"] in [port["port"] for port in ports]


def test_prometheus_reads_every_monitor() -> None:
    name = addons.WAITS["monitoring"][-1].partition("/")[2]
    spec = the("monitoring", "Prometheus", name)["spec"]
    for kind in ("serviceMonitor", "podMonitor"):
        assert spec[f"{kind}Selector"] == spec[f"{kind}NamespaceSelector"] == {}
    ours = charts.values("monitoring")["prometheus"]["prometheusSpec"]
    for key in ("externalUrl", "routePrefix", "retention", "resources"):
        assert spec[key] == ours[key]
    used = {f"{obj['apiVersion']}/{obj['kind']}" for _, obj in ALL if "coreos" in obj["apiVersion"]}
    assert used | {"monitoring.coreos.com/v1/PodMonitor"} <= served("monitoring")


def test_the_service_prometheus_means_prometheus() -> None:
    """The operator labels its pods so: pkg/prometheus/server/statefulset.go there, podSelectorLabels."""
    spec = the("monitoring", "Service", "prometheus")["spec"]
    assert spec["selector"] == {"app.kubernetes.io/name": "prometheus"}
    others = [obj for obj in rendered("monitoring") if obj["kind"] in ("Deployment", "DaemonSet", "StatefulSet")]
    for obj in others:
        assert not spec["selector"].items() <= obj["spec"]["template"]["metadata"]["labels"].items()


def test_nothing_is_installed_that_is_turned_off() -> None:
    assert not {"Alertmanager", "PrometheusRule", "DaemonSet"} & charts.kinds("monitoring")
    names = {obj["metadata"]["name"] for obj in rendered("monitoring")}
    for part in ("controller-manager", "etcd", "kube-proxy", "scheduler", "node-exporter"):
        assert not any(part in name for name in names), part


def grafana() -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The pods of Grafana, and their containers by name."""
    pods = the("monitoring", "Deployment", "grafana")["spec"]["template"]
    return pods, {container["name"]: container for container in pods["spec"]["containers"]}


def test_grafana_serves_under_its_path_and_to_viewers() -> None:
    ini = configparser.ConfigParser(interpolation=None)
    ini.read_string("[DEFAULT]\n" + the("monitoring", "ConfigMap", "grafana")["data"]["grafana.ini"])
    _, routes = OBJECTS["monitoring-virtualservice.yaml"]
    prefix = next(http["match"][0]["uri"]["prefix"] for http in routes["spec"]["http"] if http["name"] == "grafana")
    assert urlsplit(ini["server"]["root_url"]).path == f"{prefix}/"
    assert ini["server"]["serve_from_sub_path"] == "true"
    assert dict(ini["auth.anonymous"]) == {"enabled": "true", "org_role": "Viewer"}
    _, containers = grafana()
    for probe in ("readinessProbe", "livenessProbe"):
        assert containers["grafana"][probe]["httpGet"]["path"] == f"{prefix}/api/health"
    labels = the("monitoring", "Service", "grafana")["metadata"]["labels"].items()
    monitors = [obj["spec"] for obj in rendered("monitoring") if obj["kind"] == "ServiceMonitor"]
    (monitor,) = (spec for spec in monitors if spec["selector"]["matchLabels"].items() <= labels)
    assert [endpoint["path"] for endpoint in monitor["endpoints"]] == [f"{prefix}/metrics"]


def test_grafana_finds_our_dashboards() -> None:
    _, containers = grafana()
    (env,) = (
        env
        for container in containers.values()
        if "LABEL" in (env := {entry["name"]: entry.get("value") for entry in container.get("env", ())})
    )
    kustomization = yaml.safe_load((ROOT / "cluster/dashboards/kustomization.yaml").read_text())
    assert {env["LABEL"]: env["LABEL_VALUE"]} == kustomization["generatorOptions"]["labels"]
    assert env["NAMESPACE"] in ("ALL", kustomization["namespace"])
    assert urlsplit(env["REQ_URL"]).path == "/grafana/api/admin/provisioning/dashboards/reload"


def test_grafana_knows_its_data_source_when_it_starts() -> None:
    (source,) = yaml.safe_load(the("monitoring", "ConfigMap", "grafana")["data"]["datasources.yaml"])["datasources"]
    url = urlsplit(source["url"])
    name, _, namespace = str(url.hostname).partition(".")
    assert (source["type"], namespace) == ("prometheus", "istio-system")
    assert url.port in [port["port"] for port in the("monitoring", "Service", name)["spec"]["ports"]]
    _, containers = grafana()
    mounted = [mount.get("subPath") for mount in containers["grafana"]["volumeMounts"]]
    assert "datasources.yaml" in mounted


def test_grafanas_password_is_the_secret_of_provision() -> None:
    admin = charts.values("monitoring")["grafana"]["admin"]
    _, containers = grafana()
    env = {entry["name"]: entry["valueFrom"] for entry in containers["grafana"]["env"] if "valueFrom" in entry}
    for name, key in (("GF_SECURITY_ADMIN_USER", "userKey"), ("GF_SECURITY_ADMIN_PASSWORD", "passwordKey")):
        assert env[name]["secretKeyRef"] == {"name": admin["existingSecret"], "key": admin[key]}
    pods, _ = grafana()
    assert the("monitoring", "Service", "grafana")["spec"]["selector"].items() <= pods["metadata"]["labels"].items()


# -- Kiali ------------------------------------------------------------------------------------------------------------


def test_kiali_is_configured_as_written() -> None:
    """Names: Config in config/config.go of Kiali."""
    config = yaml.safe_load(the("kiali", "ConfigMap", "kiali")["data"]["config.yaml"])
    ours = charts.values("kiali")
    assert config["auth"]["strategy"] == "anonymous"
    assert config["deployment"]["view_only_mode"] is True
    assert config["server"]["web_root"] == "/kiali"
    assert config["external_services"]["prometheus"]["url"] == ours["external_services"]["prometheus"]["url"]
    assert config["external_services"]["grafana"] == ours["external_services"]["grafana"]
    assert config["external_services"]["tracing"]["enabled"] is False


def test_kiali_only_looks() -> None:
    for obj in rendered("kiali"):
        for rule in obj.get("rules", ()) if obj["kind"].endswith("Role") else ():
            if any("istio.io" in group or group in ("*", "apps") for group in rule["apiGroups"]):
                assert set(rule["verbs"]) <= {"get", "list", "watch"}, rule


def test_kialis_service_is_not_taken_for_ours() -> None:
    """tools/graph.sh: where the real one is, ours stays away."""
    service = the("kiali", "Service", "kiali")
    assert service["metadata"]["labels"].get("app.kubernetes.io/part-of") != "c756"
    pods = the("kiali", "Deployment", "kiali")["spec"]["template"]
    assert service["spec"]["selector"].items() <= pods["metadata"]["labels"].items()
    (container,) = pods["spec"]["containers"]
    assert container["resources"] == charts.values("kiali")["deployment"]["resources"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/kiali/healthz"


# -- what the values say to each other, for which no chart is needed --------------------------------------------------


def test_kiali_links_to_dashboards_that_are_there() -> None:
    boards = [json.loads(path.read_text()) for path in (ROOT / "cluster/dashboards").glob("*.json")]
    variables = {board["title"]: {entry["name"] for entry in board["templating"]["list"]} for board in boards}
    for link in charts.values("kiali")["external_services"]["grafana"]["dashboards"]:
        assert {name.removeprefix("var-") for name in link["variables"].values()} <= variables[link["name"]]


def test_kiali_and_grafana_are_told_where_the_others_are() -> None:
    services = charts.values("kiali")["external_services"]
    stack = charts.values("monitoring")
    path = urlsplit(stack["grafana"]["grafana.ini"]["server"]["root_url"]).path.rstrip("/")
    where = f"{stack['grafana']['fullnameOverride']}.istio-system:{stack['grafana']['service']['port']}"
    assert services["grafana"]["internal_url"] == f"http://{where}{path}"
    assert services["grafana"]["external_url"] == path
    (prometheus,) = stack["extraManifests"]
    name, port = prometheus["metadata"]["name"], prometheus["spec"]["ports"][0]["port"]
    assert services["prometheus"]["url"] == f"http://{name}.istio-system:{port}/"
    (source,) = stack["grafana"]["datasources"]["datasources.yaml"]["datasources"]
    assert source["url"] == services["prometheus"]["url"]


def test_charts_are_asked_about_the_version_that_clusters_have() -> None:
    pinned = re.findall(r"(?m)^(?:EKS|AZ|GCP|MK)_VERSION = v?(\d+\.\d+)", (ROOT / "versions.mak").read_text())
    assert set(pinned) == {charts.KUBERNETES.rpartition(".")[0]}
