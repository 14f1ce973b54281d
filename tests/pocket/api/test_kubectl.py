"""The real kubectl against a live server: what people type."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from pocket import logtimes
from pocket.controllers import node
from tests.pocket.api.live import Cluster
from tests.pocket.api.running import kubectls, running, until

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: web:1
        ports: [{containerPort: 8080}]
        env: [{name: A, value: "1"}, {name: B, value: "2"}]
"""

VIRTUAL_SERVICE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  gateways: [mesh]
  http: []
"""


# -- finding out ------------------------------------------------------------------------------------------------------


def test_questions_about_the_cluster(cluster: Cluster) -> None:
    assert "Server Version: v1." in cluster.kubectl("version")
    assert "control plane is running" in cluster.kubectl("cluster-info")
    resources = cluster.kubectl("api-resources")
    assert re.search(r"deployments +deploy +apps/v1 +true +Deployment", resources)
    assert re.search(r"virtualservices +vs +networking.istio.io/v1 +true +VirtualService", resources)
    assert "networking.istio.io/v1alpha3" in cluster.kubectl("api-versions")
    assert "virtualservices.networking.istio.io" in cluster.kubectl("get", "crd")
    assert cluster.kubectl("get", "--raw", "/readyz") == "ok"
    assert cluster.kubectl("auth", "can-i", "create", "pods").strip() == "yes"
    assert "*.*" in cluster.kubectl("auth", "can-i", "--list")
    assert "pocket-admin" in cluster.kubectl("auth", "whoami")
    assert "rollingUpdate" in cluster.kubectl("explain", "deployment.spec.strategy")
    assert "destination" in cluster.kubectl("explain", "vs.spec.http.route")
    assert cluster.kubectl("get", "ns").split()[:3] == ["NAME", "STATUS", "AGE"]


def test_the_node_has_a_lease(cluster: Cluster) -> None:
    cluster.call(node.reconcile, cluster.store)
    described = cluster.kubectl("describe", "node", "pocket")
    assert re.search(r"Lease:\n +HolderIdentity: +pocket\n", described)
    assert "Failed" not in described
    assert re.search(r"pocket +pocket +\d+s", cluster.kubectl("get", "leases", "-n", "kube-node-lease"))
    assert "No resources found" in cluster.kubectl("get", "leases")
    assert 'leases.coordination.k8s.io "x" not found' in cluster.kubectl("get", "lease", "x", fails=True)


def test_an_unknown_kind_is_kubectls_own_message(cluster: Cluster) -> None:
    assert "the server doesn't have a resource type \"widgets\"" in cluster.kubectl("get", "widgets", fails=True)


# -- client-side apply ------------------------------------------------------------------------------------------------


def test_apply_get_describe_delete(cluster: Cluster) -> None:
    assert cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT) == "deployment.apps/web created\n"
    assert cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT) == "deployment.apps/web unchanged\n"
    changed = DEPLOYMENT.replace("web:1", "web:2").replace(', {name: B, value: "2"}', "")
    assert cluster.kubectl("apply", "-f", "-", stdin=changed) == "deployment.apps/web configured\n"
    container = cluster.get("Deployment", "default", "web")["spec"]["template"]["spec"]["containers"][0]
    assert (container["image"], container["env"]) == ("web:2", [{"name": "A", "value": "1"}])

    table = cluster.kubectl("get", "deploy", "-o", "wide").splitlines()
    assert table[0].split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    assert re.fullmatch(r"web +0/2 +0 +0 +\d+s +web +web:2 +app=web", table[1])
    described = cluster.kubectl("describe", "deploy", "web")
    assert "25% max unavailable, 25% max surge" in described
    assert "Port:       8080/TCP" in described

    assert "deleted" in cluster.kubectl("delete", "-f", "-", stdin=DEPLOYMENT)
    assert 'deployments.apps "web" not found' in cluster.kubectl("get", "deploy", "web", fails=True)
    assert 'deployments.apps "web" not found' in cluster.kubectl("delete", "deploy", "web", fails=True)


def test_apply_of_a_folder(cluster: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "objects"
    folder.mkdir()
    (folder / "deployment.yaml").write_text(DEPLOYMENT)
    (folder / "more.yaml").write_text(VIRTUAL_SERVICE)
    assert cluster.kubectl("apply", "-f", str(folder)).splitlines() == [
        "deployment.apps/web created",
        "virtualservice.networking.istio.io/web created",
    ]


def test_apply_takes_a_custom_resource_in_any_version(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=VIRTUAL_SERVICE.replace("istio.io/v1", "istio.io/v1alpha3"))
    assert cluster.get("VirtualService", "default", "web")["apiVersion"] == "networking.istio.io/v1"
    changed = VIRTUAL_SERVICE.replace("istio.io/v1", "istio.io/v1beta1").replace("[mesh]", "[mesh, edge]")
    assert "configured" in cluster.kubectl("apply", "-f", "-", stdin=changed)
    assert '["mesh","edge"]' in cluster.kubectl("get", "vs")
    raw = cluster.kubectl("get", "--raw", "/apis/networking.istio.io/v1beta1/namespaces/default/virtualservices/web")
    assert json.loads(raw)["apiVersion"] == "networking.istio.io/v1beta1"


# -- server-side apply ------------------------------------------------------------------------------------------------


def test_server_side_apply_removes_what_the_file_leaves_out(cluster: Cluster) -> None:
    apply = ("apply", "--server-side", "-f", "-")
    assert cluster.kubectl(*apply, stdin=DEPLOYMENT) == "deployment.apps/web serverside-applied\n"
    version = cluster.get("Deployment", "default", "web")["metadata"]["resourceVersion"]
    cluster.kubectl(*apply, stdin=DEPLOYMENT)
    assert cluster.get("Deployment", "default", "web")["metadata"]["resourceVersion"] == version
    cluster.kubectl(*apply, stdin=DEPLOYMENT.replace(', {name: B, value: "2"}', ""))
    container = cluster.get("Deployment", "default", "web")["spec"]["template"]["spec"]["containers"][0]
    assert container["env"] == [{"name": "A", "value": "1"}]


def test_server_side_apply_conflicts_with_other_managers(cluster: Cluster) -> None:
    apply = ("apply", "--server-side", "-f", "-")
    cluster.kubectl(*apply, stdin=DEPLOYMENT)
    cluster.kubectl("scale", "deploy/web", "--replicas=5")
    refusal = cluster.kubectl(*apply, stdin=DEPLOYMENT, fails=True)
    assert "Apply failed with 1 conflict" in refusal
    assert ".spec.replicas" in refusal
    cluster.kubectl(*apply, "--force-conflicts", stdin=DEPLOYMENT)
    assert cluster.get("Deployment", "default", "web")["spec"]["replicas"] == 2


def test_server_side_apply_after_client_side_apply(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=DEPLOYMENT.replace("web:1", "web:2"))
    container = cluster.get("Deployment", "default", "web")["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "web:2"


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [(), ("--server-side",)], ids=["client", "server"])
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("replicas: 2", "rout: 2", 'strict decoding error: unknown field "spec.rout"'),
        ("replicas: 2", 'replicas: "2"', "cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas"),
        ("replicas: 2", "replicas: -2", "spec.replicas: Invalid value: -2: must be greater than or equal to 0"),
        ("{app: web}}\n  template", "{app: x}}\n  template", "`selector` does not match template `labels`"),
        ("image: web:1", "image: ''", "spec.template.spec.containers[0].image: Required value"),
        ("name: web}", "name: Web_1}", "a lowercase RFC 1123 subdomain must consist of"),
    ],
)
def test_a_wrong_deployment_is_refused(
    cluster: Cluster, how: tuple[str, ...], old: str, new: str, message: str
) -> None:
    assert old in DEPLOYMENT
    if how and "unknown field" in message:  # the real server's words differ too
        message = "(default/web; apps/v1, Kind=Deployment): .spec.rout: field not declared in schema"
    assert message in cluster.kubectl("apply", *how, "-f", "-", stdin=DEPLOYMENT.replace(old, new, 1), fails=True)


def test_a_wrong_custom_resource_is_refused(cluster: Cluster) -> None:
    misspelt = VIRTUAL_SERVICE.replace("http:", "htpp:")
    assert 'unknown field "spec.htpp"' in cluster.kubectl("apply", "-f", "-", stdin=misspelt, fails=True)
    assert 'unknown field "spce"' in cluster.kubectl(
        "apply", "-f", "-", stdin=VIRTUAL_SERVICE.replace("spec:", "spce:"), fails=True
    )
    wrong = VIRTUAL_SERVICE.replace("http: []", "http: 1")
    said = cluster.kubectl("apply", "-f", "-", stdin=wrong, fails=True)
    assert 'spec.http: Invalid value: "integer": spec.http in body must be of type array: "integer"' in said
    cluster.kubectl("apply", "-f", "-", stdin=VIRTUAL_SERVICE)
    assert 'unknown field "spec.htpp"' in cluster.kubectl("apply", "-f", "-", stdin=misspelt, fails=True)


def test_warnings_are_printed(cluster: Cluster) -> None:
    said = cluster.kubectl("apply", "-f", "-", stdin=VIRTUAL_SERVICE.replace("hosts: [web]", "hosts: [nowhere]"))
    assert 'Warning: host "nowhere" is not defined' in said
    unknown = DEPLOYMENT.replace("replicas: 2", "replicas: 2\n  rout: 1")
    said = cluster.kubectl("create", "--validate=warn", "-f", "-", stdin=unknown)
    assert 'Warning: unknown field "spec.rout"' in said
    assert "rout" not in cluster.get("Deployment", "default", "web")["spec"]


def test_a_missing_namespace_is_named(cluster: Cluster) -> None:
    said = cluster.kubectl("apply", "-n", "nowhere", "-f", "-", stdin=DEPLOYMENT, fails=True)
    assert 'namespaces "nowhere" not found' in said


def test_the_systems_namespaces_stay_and_definitions_are_like_any_other(cluster: Cluster) -> None:
    crd = "wasmplugins.extensions.istio.io"
    assert "deleted" in cluster.kubectl("delete", "crd", crd)
    assert cluster.request("GET", "/apis/extensions.istio.io/v1alpha1/wasmplugins").status == 404
    assert "this namespace may not be deleted" in cluster.kubectl("delete", "ns", "default", fails=True)


def test_a_selector_is_immutable(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    changed = DEPLOYMENT.replace("{app: web}", "{app: other}")
    assert "field is immutable" in cluster.kubectl("apply", "-f", "-", stdin=changed, fails=True)


# -- making and changing ----------------------------------------------------------------------------------------------


def test_objects_that_kubectl_makes_itself(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("content\n")
    for arguments in (
        ("create", "namespace", "other"),
        ("create", "secret", "generic", "s", "--from-literal=a=b", f"--from-file={tmp_path / 'file.txt'}"),
        ("create", "secret", "docker-registry", "r", "--docker-username=u", "--docker-password=p"),
        ("create", "configmap", "c", f"--from-file={tmp_path / 'file.txt'}"),
        ("create", "serviceaccount", "bob", "-n", "other"),
        ("create", "deployment", "d", "--image=d:1", "--port=80", "--replicas=0"),
        ("create", "job", "j", "--image=j:1", "--", "sleep", "1"),
        ("create", "service", "clusterip", "cluster", "--tcp=80:8080"),
        ("create", "service", "nodeport", "node", "--tcp=80:http"),
        ("create", "pdb", "p", "--selector=app=web", "--min-available=50%"),
        ("run", "pod", "--image=pod:1"),
        ("expose", "deployment", "d", "--port=80", "--name=exposed"),
        ("autoscale", "deployment", "d", "--max=3"),
    ):
        cluster.kubectl(*arguments)
    assert cluster.get("Secret", "default", "s")["data"] == {"a": "Yg==", "file.txt": "Y29udGVudAo="}
    assert cluster.get("Secret", "default", "r")["type"] == "kubernetes.io/dockerconfigjson"
    assert cluster.get("ConfigMap", "default", "c")["data"] == {"file.txt": "content\n"}
    assert cluster.get("Deployment", "default", "d")["spec"]["replicas"] == 0
    assert cluster.get("ServiceAccount", "other", "default")
    job = cluster.get("Job", "default", "j")
    uid = job["metadata"]["uid"]
    assert job["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert job["spec"]["template"]["spec"]["containers"][0]["command"] == ["sleep", "1"]
    service = cluster.get("Service", "default", "cluster")["spec"]
    assert service["clusterIP"].startswith("10.")
    assert service["ports"][0]["targetPort"] == 8080
    port = cluster.get("Service", "default", "node")["spec"]["ports"][0]
    assert (port["targetPort"], 30000 <= port["nodePort"] <= 32767) == ("http", True)
    assert cluster.get("PodDisruptionBudget", "default", "p")["spec"]["minAvailable"] == "50%"
    assert cluster.get("Service", "default", "exposed")["spec"]["selector"] == {"app": "d"}
    assert cluster.get("HorizontalPodAutoscaler", "default", "d")["spec"]["maxReplicas"] == 3
    assert "already exists" in cluster.kubectl("create", "namespace", "other", fails=True)


def test_changes(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)

    def spec() -> dict[str, object]:
        found: dict[str, object] = cluster.get("Deployment", "default", "web")["spec"]
        return found

    cluster.kubectl("scale", "deploy/web", "--replicas=4")
    assert spec()["replicas"] == 4
    cluster.kubectl("label", "deploy/web", "tier=front")
    cluster.kubectl("annotate", "deploy/web", "note=x y")
    cluster.kubectl("label", "deploy/web", "tier-")
    meta = cluster.get("Deployment", "default", "web")["metadata"]
    assert "labels" not in meta
    assert meta["annotations"]["note"] == "x y"
    cluster.kubectl("set", "image", "deploy/web", "web=web:7")
    cluster.kubectl("set", "env", "deploy/web", "A=9")
    cluster.kubectl("rollout", "restart", "deploy/web")
    text = json.dumps(spec())
    assert "web:7" in text
    assert '{"name": "A", "value": "9"}' in text
    assert "restartedAt" in text
    cluster.kubectl("patch", "deploy", "web", "--type=merge", "-p", '{"spec": {"replicas": 1}}')
    cluster.kubectl("patch", "deploy", "web", "-p", '{"spec": {"template": {"spec": {"containers": [{"name": "b", "image": "b:1"}]}}}}')  # noqa: E501
    assert spec()["replicas"] == 1
    assert '"b:1"' in json.dumps(spec())
    assert '"web:7"' in json.dumps(spec())
    cluster.kubectl("patch", "deploy", "web", "--type=json", "-p", '[{"op": "remove", "path": "/spec/template/spec/containers/1"}]')  # noqa: E501
    assert '"b:1"' not in json.dumps(spec())
    monkeypatch.setenv("KUBE_EDITOR", "sed -i s/replicas:.*/replicas:\\ 6/")
    assert "edited" in cluster.kubectl("edit", "deploy", "web")
    assert spec()["replicas"] == 6
    assert "replaced" in cluster.kubectl("replace", "-f", "-", stdin=DEPLOYMENT)
    assert spec()["replicas"] == 2
    assert cluster.kubectl("diff", "-f", "-", stdin=DEPLOYMENT.replace("web:1", "web:3"), fails=True).count("web:") == 2
    assert spec()["replicas"] == 2
    cluster.kubectl("create", "-f", "-", "--dry-run=server", stdin=DEPLOYMENT.replace("name: web}", "name: dry}"))
    assert "not found" in cluster.kubectl("get", "deploy", "dry", fails=True)


def test_a_stale_replace_conflicts(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    stale = cluster.kubectl("get", "deploy", "web", "-o", "json")
    cluster.kubectl("scale", "deploy/web", "--replicas=4")
    said = cluster.kubectl("replace", "-f", "-", stdin=stale, fails=True)
    assert "the object has been modified; please apply your changes to the latest version and try again" in said


def test_a_change_of_labels_leaves_a_spec_without_defaults_alone(cluster: Cluster) -> None:
    cluster.run_pod("web")
    spec = cluster.get("Pod", "default", "web")["spec"]
    cluster.kubectl("label", "pod", "web", "a=b")
    assert cluster.get("Pod", "default", "web")["spec"] == spec
    said = cluster.kubectl("set", "image", "pod/web", "web=other:1", fails=True)
    assert "delete the pod and create it anew" in said


# -- selecting --------------------------------------------------------------------------------------------------------


def test_selectors(cluster: Cluster) -> None:
    for name in ("one", "two", "three"):
        cluster.run_pod(name)

    def names(*arguments: str) -> list[str]:
        return cluster.kubectl("get", "pods", "-o", "name", *arguments).split()

    assert names("-l", "app=one") == ["pod/one"]
    assert names("-l", "app in (one, two)") == ["pod/one", "pod/two"]
    assert names("-l", "app notin (one),app") == ["pod/three", "pod/two"]
    assert names("-l", "!app") == []
    assert names("--field-selector=metadata.name=two,status.phase=Running") == ["pod/two"]
    said = cluster.kubectl("get", "pods", "--field-selector=spec.x=1", fails=True)
    assert 'field label not supported: "spec.x"' in said
    assert cluster.kubectl("get", "pods", "-A", "-o", "jsonpath={.items[*].metadata.name}") == "one three two"
    assert "pod/one" in cluster.kubectl("get", "all")


# -- deleting ---------------------------------------------------------------------------------------------------------


def test_a_pod_is_deleted_in_its_grace_period(cluster: Cluster) -> None:
    cluster.run_pod("web")
    cluster.kubectl("delete", "pod", "web", "--wait=false", "--grace-period=7")
    meta = cluster.get("Pod", "default", "web")["metadata"]
    assert meta["deletionGracePeriodSeconds"] == 7
    assert meta["deletionTimestamp"]
    assert "Terminating" in cluster.kubectl("get", "pod", "web")
    with running(cluster, "delete", "pod", "web") as process:
        assert "deleted" in process.line()
        cluster.call(cluster.store.delete, "Pod", "default", "web")  # the kubelet is done
        assert process.wait() == 0


def test_a_pod_that_nobody_runs_is_gone_at_once(cluster: Cluster) -> None:
    cluster.kubectl("run", "web", "--image=web:1")
    cluster.kubectl("delete", "pod", "web")
    assert "not found" in cluster.kubectl("get", "pod", "web", fails=True)


def test_delete_all_and_by_label(cluster: Cluster) -> None:
    for name in ("a", "b", "c"):
        cluster.kubectl("create", "configmap", name)
    cluster.kubectl("label", "configmap", "a", "x=y")
    assert 'configmap "a" deleted' in cluster.kubectl("delete", "configmap", "-l", "x=y")
    assert cluster.kubectl("delete", "configmap", "--all").count("deleted") == 2


def test_cascading_is_written_down_as_finalizers(cluster: Cluster) -> None:
    for how, finalizer in (("foreground", "foregroundDeletion"), ("orphan", "orphan")):
        cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
        cluster.kubectl("delete", "deploy", "web", f"--cascade={how}", "--wait=false")
        meta = cluster.get("Deployment", "default", "web")["metadata"]
        assert meta["finalizers"] == [finalizer]
        assert meta["deletionTimestamp"]
        cluster.kubectl("patch", "deploy", "web", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
        assert "not found" in cluster.kubectl("get", "deploy", "web", fails=True)


def test_a_namespace_is_terminating_until_it_is_empty(cluster: Cluster) -> None:
    cluster.kubectl("create", "namespace", "other")
    cluster.kubectl("delete", "namespace", "other", "--wait=false")
    assert "Terminating" in cluster.kubectl("get", "namespace", "other")
    said = cluster.kubectl("create", "configmap", "c", "-n", "other", fails=True)
    assert "because it is being terminated" in said


# -- watching ---------------------------------------------------------------------------------------------------------


def test_watching_shows_changes_as_rows(cluster: Cluster) -> None:
    cluster.run_pod("web")
    with running(cluster, "get", "pods", "-w") as process:
        assert process.line().split()[:3] == ["NAME", "READY", "STATUS"]
        assert process.line().split()[:3] == ["web", "1/1", "Running"]
        cluster.run_pod("more")
        assert process.line().split()[:3] == ["more", "1/1", "Running"]
        cluster.kubectl("delete", "pod", "web", "--wait=false")
        assert process.line().split()[:3] == ["web", "1/1", "Terminating"]


def test_watching_a_selection_tells_what_enters_and_leaves(cluster: Cluster) -> None:
    cluster.run_pod("web")
    cluster.run_pod("in")
    cluster.kubectl("label", "pod", "in", "x=y")
    with running(cluster, "get", "pods", "-w", "-l", "x=y", "--output-watch-events") as process:
        assert process.line().split()[:2] == ["EVENT", "NAME"]
        assert process.line().split()[:2] == ["ADDED", "in"]
        cluster.kubectl("label", "pod", "web", "x=y")
        assert process.line().split()[:2] == ["ADDED", "web"]
        cluster.kubectl("label", "pod", "web", "x-")
        assert process.line().split()[:2] == ["DELETED", "web"]


def make_available(cluster: Cluster) -> None:
    """What the controllers would say of deploy/web in the end."""
    status = {
        "observedGeneration": 1,
        "replicas": 2,
        "updatedReplicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 2,
        "conditions": [{"type": "Available", "status": "True"}],
    }
    cluster.kubectl(
        "patch", "deploy", "web", "--subresource=status", "--type=merge", "-p", json.dumps({"status": status})
    )


def test_a_watch_that_lost_its_place_lists_anew_and_goes_on(cluster: Cluster) -> None:
    """The history is short: a client that was too slow, or away, gets 410 Gone."""

    def forget() -> None:
        cluster.store._oldest = cluster.store.version + 1  # the next event finds every watch behind

    cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    with running(cluster, "rollout", "status", "deploy/web") as process:
        assert "Waiting for deployment" in process.line()
        cluster.call(forget)
        cluster.run_pod("other")
        make_available(cluster)
        while "successfully rolled out" not in (said := process.line()):
            assert "Waiting" in said
        assert process.wait() == 0


def test_waiting(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    said = cluster.kubectl("wait", "--for=condition=Available", "deploy/web", "--timeout=0s", fails=True)
    assert "timed out" in said or "condition not met" in said
    with running(cluster, "rollout", "status", "deploy/web") as process:
        assert "Waiting for deployment" in process.line()
        make_available(cluster)
        while "successfully rolled out" not in (said := process.line()):
            assert "Waiting" in said
        assert process.wait() == 0
    assert "condition met" in cluster.kubectl("wait", "--for=condition=Available", "deploy/web")
    cluster.kubectl("wait", "--for=jsonpath={.spec.replicas}=2", "deploy/web")
    cluster.kubectl("wait", "--for=delete", "deploy/none")


# -- logs -------------------------------------------------------------------------------------------------------------


def test_logs(cluster: Cluster) -> None:
    cluster.run_pod("web")
    log = cluster.runtime.folder("web", "web") / "current.log"
    log.write_text("".join(f"line {number}\n" for number in range(5)))
    assert cluster.kubectl("logs", "web").count("\n") == 5
    assert cluster.kubectl("logs", "web", "--tail=2") == "line 3\nline 4\n"
    assert cluster.kubectl("logs", "web", "--limit-bytes=6") == "line 0"
    assert "previous terminated container" in cluster.kubectl("logs", "web", "-p", fails=True)
    assert 'pods "nope" not found' in cluster.kubectl("logs", "nope", fails=True)


def test_logs_with_times(cluster: Cluster) -> None:
    cluster.run_pod("web")
    log = cluster.runtime.folder("web", "web") / "current.log"
    begin = time.time()
    log.write_text("old\nnew\n")
    logtimes.times_of(log).write_text(f"0 {begin - 7200}\n4 {begin - 3600}\n8 {begin - 60}\n")
    stamp = datetime.fromtimestamp(begin - 60, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    assert re.fullmatch(rf"{stamp}\.\d+Z new\n", cluster.kubectl("logs", "web", "--since=5m", "--timestamps"))
    assert cluster.kubectl("logs", "web", f"--since-time={stamp}Z") == "new\n"
    assert cluster.kubectl("logs", "web", "--since=2h") == "old\nnew\n"
    assert cluster.kubectl("logs", "web", "--since=1s") == ""
    path = "/api/v1/namespaces/default/pods/web/log?sinceTime="
    assert "no time zone" in cluster.request("GET", path + "2026-01-01T10:00:00").json["message"]
    assert "not a time" in cluster.request("GET", path + "yesterday").json["message"]
    with running(cluster, "logs", "-f", "--timestamps", "--since=5m", "web") as process:
        assert process.line().endswith("Z new")
        with log.open("a") as file:
            file.write("newer\n")
        line = process.line()
        assert line.endswith("Z newer")
        assert begin - 1 <= datetime.fromisoformat(line.split()[0]).timestamp() <= time.time()
        log.write_text("")  # rotated by copying and emptying
        with log.open("a") as file:
            file.write("newest\n")
        assert process.line().endswith("Z newest")


def test_logs_follow_until_the_container_ends(cluster: Cluster) -> None:
    cluster.run_pod("web")
    log = cluster.runtime.folder("web", "web") / "current.log"
    log.write_text("first\n")
    with running(cluster, "logs", "-f", "web") as process:
        assert process.line() == "first"
        with log.open("a") as file:
            file.write("second\n")
        assert process.line() == "second"
        log.write_text("")  # rotated by copying and emptying
        with log.open("a") as file:
            file.write("third\n")
        assert process.line() == "third"
        cluster.call(cluster.store.delete, "Pod", "default", "web")
        assert process.wait() == 0


def test_logs_of_a_deployment_and_of_a_chosen_container(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    cluster.run_pod("web", containers=("app", "istio-proxy"))
    (cluster.runtime.folder("web", "istio-proxy") / "current.log").write_text("proxied\n")
    assert cluster.kubectl("logs", "deploy/web", "-c", "istio-proxy").endswith("proxied\n")
    raw = cluster.kubectl("get", "--raw", "/api/v1/namespaces/default/pods/web/log", fails=True)
    assert "choose one of: [app istio-proxy]" in raw


def test_logs_of_a_container_that_waits(cluster: Cluster) -> None:
    cluster.kubectl("run", "web", "--image=web:1")
    said = cluster.kubectl("logs", "web", fails=True)
    assert 'container "web" in pod "web" is waiting to start: ContainerCreating' in said


# -- exec -------------------------------------------------------------------------------------------------------------


def test_exec_runs_a_command_in_the_containers_files(cluster: Cluster) -> None:
    cluster.run_pod("web")
    (cluster.runtime.folder("web", "web") / "app.py").write_text("print('hello')\n")
    assert cluster.kubectl("exec", "web", "--", "cat", "app.py") == "print('hello')\n"
    assert cluster.kubectl("exec", "web", "--", "sh", "-c", 'echo "$POD"; echo err >&2') == "web\nerr\n"
    assert cluster.kubectl("exec", "-i", "web", "--", "cat", stdin="typed\n") == "typed\n"
    big = "x" * 1_000_000
    assert cluster.kubectl("exec", "-i", "web", "--", "wc", "-c", stdin=big).split() == ["1000000"]
    cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    assert "hello" in cluster.kubectl("exec", "deploy/web", "-c", "web", "--", "cat", "app.py")


def test_exec_tells_exit_codes(cluster: Cluster) -> None:
    cluster.run_pod("web")
    done = subprocess.run(cluster.command("exec", "web", "--", "sh", "-c", "exit 7"), capture_output=True, check=False)
    assert done.returncode == 7
    assert "executable file not found in $PATH" in cluster.kubectl("exec", "web", "--", "nonexistent", fails=True)
    assert "container nope is not valid" in cluster.kubectl("exec", "web", "-c", "nope", "--", "true", fails=True)


def test_exec_needs_a_running_container(cluster: Cluster) -> None:
    cluster.kubectl("run", "web", "--image=web:1")
    assert "not running" in cluster.kubectl("exec", "web", "--", "true", fails=True)


def test_cp_both_ways(cluster: Cluster, tmp_path: Path) -> None:
    cluster.run_pod("web")
    (tmp_path / "there.txt").write_text("there")
    cluster.kubectl("cp", str(tmp_path / "there.txt"), "web:there.txt")
    assert (cluster.runtime.folder("web", "web") / "there.txt").read_text() == "there"
    cluster.kubectl("cp", "web:there.txt", str(tmp_path / "back.txt"))
    assert (tmp_path / "back.txt").read_text() == "there"


@pytest.mark.parametrize("kubectl", kubectls(), ids=str)
def test_cp_of_absolute_paths(cluster: Cluster, tmp_path: Path, kubectl: Path) -> None:
    cluster.run_pod("web")
    root = cluster.runtime.folder("web", "web")
    (root / "code" / "deep").mkdir(parents=True)
    (root / "code" / "app.py").write_text("app")
    (root / "code" / "deep" / "more.py").write_text("more")
    (root / "volume").symlink_to(root / "code" / "deep")
    cluster.kubectl("cp", "web:/code/app.py", str(tmp_path / "app.py"), path=kubectl)
    assert (tmp_path / "app.py").read_text() == "app"
    cluster.kubectl("cp", "web:/code", str(tmp_path / "all"), path=kubectl)
    assert (tmp_path / "all" / "deep" / "more.py").read_text() == "more"
    cluster.kubectl("cp", "web:/volume", str(tmp_path / "volume"), path=kubectl)
    assert (tmp_path / "volume" / "more.py").read_text() == "more"

    cluster.kubectl("cp", str(tmp_path / "app.py"), "web:/code/new.py", path=kubectl)
    assert (root / "code" / "new.py").read_text() == "app"
    cluster.kubectl("cp", str(tmp_path / "all"), "web:/code/copy", path=kubectl)
    assert (root / "code" / "copy" / "deep" / "more.py").read_text() == "more"
    said = cluster.kubectl("cp", str(tmp_path / "app.py"), "web:/nowhere/app.py", path=kubectl, fails=True)
    assert "the container has no /nowhere of its own" in said
    before = sorted(root.parent.parent.rglob("*"))
    away = f"web:{'../' * 20}var/x"
    for way in ((away, str(tmp_path / "got")), (str(tmp_path / "app.py"), away)):
        said = cluster.kubectl("cp", *way, path=kubectl, fails=True)
        assert "of its own, and pocket neither reads nor writes the machine's" in said
    assert sorted(root.parent.parent.rglob("*")) == before


def test_attach_shows_what_is_written_from_now_on(cluster: Cluster) -> None:
    cluster.run_pod("web")
    log = cluster.runtime.folder("web", "web") / "current.log"
    log.write_text("before\n")

    seen = threading.Event()

    def write() -> None:  # again and again: nobody tells when the server has found the log's end
        while not seen.wait(0.05):
            with log.open("a") as file:
                file.write("after\n")

    with running(cluster, "attach", "web") as process:
        writer = threading.Thread(target=write)
        writer.start()
        try:
            while (line := process.line()) != "after":
                assert "before" not in line, "kubectl's own introduction comes first, and nothing else"
        finally:
            seen.set()
            writer.join()
        cluster.call(cluster.store.delete, "Pod", "default", "web")
        assert process.wait() == 0


def test_attach_with_input_is_refused(cluster: Cluster) -> None:
    cluster.run_pod("web")
    said = cluster.kubectl("attach", "-i", "web", stdin="x", fails=True)
    assert "a container's input is empty on pocket" in said
    assert "kubectl exec -it" in said


def test_exec_with_a_terminal(cluster: Cluster) -> None:
    cluster.run_pod("web")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        cluster.command("exec", "-it", "web", "--", "sh"), stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    seen = b""

    def shows(text: bytes) -> bool:
        nonlocal seen
        if select.select([ours], [], [], 0.05)[0]:
            try:
                seen += os.read(ours, 65536)
            except OSError:
                return text in seen
        return text in seen

    try:
        os.write(ours, b"test -t 0 && echo is-a-$((40 + 2))\n")
        until(lambda: shows(b"is-a-42"), "the answer of the shell")
        seconds = f"1000.{os.getpid()}"
        os.write(ours, f"sleep {seconds}\n".encode())
        until(lambda: bool(_alive(seconds)), "the command")
        os.write(ours, b"\x03")  # control-C ends the command and leaves the shell
        os.write(ours, b"echo still-$((40 + 3))\n")
        until(lambda: shows(b"still-43"), "the shell after control-C")
        os.write(ours, b"exit 5\n")
        until(lambda: shows(b"exit code 5") or process.poll() is not None, "the end")
        assert process.wait(20) == 5
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _alive(marker: str) -> list[int]:
    return [
        entry.pid
        for entry in psutil.process_iter(["cmdline", "status"])
        if marker in (entry.info["cmdline"] or ()) and entry.info["status"] != psutil.STATUS_ZOMBIE
    ]


def _sleeping(cluster: Cluster) -> tuple[str, tuple[str, ...]]:
    marker = f"marker-{cluster.folder.name}-{os.getpid()}"
    return marker, ("exec", "web", "--", "sh", "-c", "sleep 1000; true", marker)


def test_a_command_ends_with_its_client(cluster: Cluster) -> None:
    cluster.run_pod("web")
    marker, command = _sleeping(cluster)
    with running(cluster, *command):
        until(lambda: len(_alive(marker)) >= 2, "the command")  # kubectl itself, and the shell
    until(lambda: not _alive(marker), "the end of the command")


def test_a_command_ends_with_its_pod(cluster: Cluster) -> None:
    cluster.run_pod("web")
    marker, command = _sleeping(cluster)
    with running(cluster, *command) as process:
        until(lambda: len(_alive(marker)) >= 2, "the command")
        cluster.call(cluster.store.delete, "Pod", "default", "web")
        assert process.wait() == 137
    assert not _alive(marker)


def test_what_pocket_does_not_do_is_refused_by_name(cluster: Cluster) -> None:
    cluster.kubectl("run", "web", "--image=web:1")
    assert "use `kubectl exec -it POD -- sh`" in cluster.kubectl("debug", "web", "--image=x", fails=True)


def test_eviction_respects_budgets(cluster: Cluster) -> None:
    cluster.run_pod("web")
    eviction = json.dumps(
        {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web", "namespace": "default"}}
    )
    path = "/api/v1/namespaces/default/pods/web/eviction"
    cluster.kubectl("create", "pdb", "p", "--selector=app=web", "--min-available=1")
    assert "disruption budget" in cluster.kubectl("create", "--raw", path, "-f", "-", stdin=eviction, fails=True)
    cluster.kubectl("delete", "pdb", "p")
    cluster.kubectl("create", "--raw", path, "-f", "-", stdin=eviction)
    assert cluster.get("Pod", "default", "web")["metadata"]["deletionTimestamp"]


@pytest.mark.skipif(not Path("/usr/bin/kubectl").exists(), reason="no second kubectl on this machine")
def test_another_kubectl(cluster: Cluster) -> None:
    other = Path("/usr/bin/kubectl")
    cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT, path=other)
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=DEPLOYMENT, path=other)
    cluster.kubectl("create", "secret", "generic", "s", "--from-literal=a=b", path=other)
    assert "web" in cluster.kubectl("get", "deploy", path=other)
    cluster.run_pod("web")
    assert cluster.kubectl("exec", "web", "--", "echo", "hello", path=other).endswith("hello\n")
    assert "rollingUpdate" in cluster.kubectl("explain", "deployment.spec.strategy", path=other)
    cluster.kubectl("delete", "deploy", "web", path=other)
