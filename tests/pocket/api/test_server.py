"""The API over plain HTTP: what kubectl does not show."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest

from pocket.api.bootstrap import bootstrap
from pocket.controllers import namespace as namespaces
from pocket.kinds.namespace import AUTHORITY
from pocket.objects import Obj
from tests.pocket.api.known import KINDS
from tests.pocket.api.live import Cluster

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PODS = "/api/v1/namespaces/default/pods"
MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def configmap(name: str, **data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment() -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "containers": [{"name": "web", "image": "web:1", "env": [{"name": "A", "value": "1"}]}],
                    "volumes": [{"name": "v", "emptyDir": {}}],
                },
            },
        },
    }


# -- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [None, "", "wrong", "a-token-for-test", "a-token-for-tests-and-more"])
@pytest.mark.parametrize("path", ["/api", "/version", "/", PODS, f"{PODS}/web/exec?command=id", "/openapi/v3"])
def test_nothing_without_the_token(cluster: Cluster, path: str, token: str | None) -> None:
    answer = cluster.request("GET", path, token=token)
    assert answer.status == 401
    assert answer.json["reason"] == "Unauthorized"


def test_health_is_open(cluster: Cluster) -> None:
    for path in ("/healthz", "/livez", "/readyz", "/readyz/ping"):
        assert cluster.request("GET", path, token=None).body == b"ok"
    assert cluster.request("GET", "/healthzzz", token=None).status == 401


# -- refusals are Status objects --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "content_type", "code", "reason"),
    [
        ("GET", "/nothing", None, "application/json", 404, "NotFound"),
        ("POST", "/nothing", {}, "application/json", 404, "NotFound"),
        ("GET", "/apis/apps/v9/deployments", None, "application/json", 404, "NotFound"),
        ("GET", f"{PODS}/none", None, "application/json", 404, "NotFound"),
        ("POST", MAPS, b"{", "application/json", 400, "BadRequest"),
        ("POST", MAPS, b"", "application/json", 400, "BadRequest"),
        ("POST", MAPS, [], "application/json", 400, "BadRequest"),
        ("POST", MAPS, {}, "text/html", 415, "UnsupportedMediaType"),
        ("POST", MAPS, {"kind": "Secret"}, "application/json", 400, "BadRequest"),
        ("POST", MAPS, {"apiVersion": "v2"}, "application/json", 400, "BadRequest"),
        ("POST", MAPS, {"metadata": {"name": "a", "namespace": "other"}}, "application/json", 400, "BadRequest"),
        ("POST", MAPS, {"metadata": {"name": "a", "resourceVersion": "1"}}, "application/json", 400, "BadRequest"),
        ("POST", MAPS, {"metadata": []}, "application/json", 400, "BadRequest"),
        ("POST", MAPS, {"metadata": {}}, "application/json", 422, "Invalid"),
        ("POST", f"{MAPS}?dryRun=Some", {"metadata": {"name": "a"}}, "application/json", 400, "BadRequest"),
        ("POST", f"{MAPS}?fieldValidation=Some", {"metadata": {"name": "a"}}, "application/json", 400, "BadRequest"),
        ("PUT", f"{MAPS}/none", {"metadata": {"name": "none"}}, "application/json", 404, "NotFound"),
        ("PUT", f"{MAPS}/none", {"metadata": {"name": "other"}}, "application/json", 400, "BadRequest"),
        ("PATCH", f"{MAPS}/none", {}, "application/merge-patch+json", 404, "NotFound"),
        ("PATCH", f"{MAPS}/none", {}, "application/json", 415, "UnsupportedMediaType"),
        ("PATCH", f"{MAPS}/none", {}, "application/apply-patch+yaml", 400, "BadRequest"),
        ("POST", "/api/v1/configmaps", {"metadata": {"name": "a"}}, "application/json", 405, "MethodNotAllowed"),
        ("DELETE", "/api/v1/configmaps", None, "application/json", 405, "MethodNotAllowed"),
        ("DELETE", "/api/v1/namespaces", None, "application/json", 405, "MethodNotAllowed"),
        ("POST", "/api/v1/nodes", {"metadata": {"name": "more"}}, "application/json", 403, "Forbidden"),
        ("GET", f"{PODS}?watch=maybe", None, "application/json", 400, "BadRequest"),
        ("GET", f"{PODS}?watch=1&resourceVersion=x", None, "application/json", 400, "BadRequest"),
        ("GET", f"{PODS}?labelSelector=a%3Db%3Dc", None, "application/json", 400, "BadRequest"),
        ("DELETE", f"{MAPS}/none?propagationPolicy=Sideways", None, "application/json", 400, "BadRequest"),
    ],
)
def test_refusals(
    cluster: Cluster, method: str, path: str, body: object, content_type: str, code: int, reason: str
) -> None:
    answer = cluster.request(method, path, body, content_type=content_type)
    assert (answer.status, answer.json["kind"], answer.json["code"], answer.json["reason"]) == (
        code,
        "Status",
        code,
        reason,
    )


def test_a_body_has_a_limit(cluster: Cluster) -> None:
    answer = cluster.request("POST", MAPS, configmap("big", a="x" * (3 * 1024 * 1024)))
    assert (answer.status, answer.json["reason"]) == (413, "RequestEntityTooLarge")


def test_an_invalid_object_names_every_cause(cluster: Cluster) -> None:
    wrong = deployment()
    wrong["spec"]["replicas"] = -1
    wrong["spec"]["template"]["spec"]["containers"][0]["image"] = ""
    status = cluster.request("POST", DEPLOYMENTS, wrong).json
    assert status["message"].startswith('Deployment.apps "web" is invalid: [')
    assert {cause["field"]: cause["reason"] for cause in status["details"]["causes"]} == {
        "spec.replicas": "FieldValueInvalid",
        "spec.template.spec.containers[0].image": "FieldValueRequired",
    }


# -- writing ----------------------------------------------------------------------------------------------------------


def test_duplicate_and_unknown_fields(cluster: Cluster) -> None:
    body = b'{"metadata": {"name": "a"}, "data": {"x": "1", "x": "2"}, "dota": 1}'
    strict = cluster.request("POST", f"{MAPS}?fieldValidation=Strict", body)
    assert strict.status == 400
    assert 'unknown field "dota", duplicate field "data.x"' in strict.json["message"]
    warned = cluster.request("POST", MAPS, body)
    assert warned.status == 201
    assert warned.warnings == ['299 - "unknown field \\"dota\\""', '299 - "duplicate field \\"data.x\\""']
    assert "dota" not in cluster.get("ConfigMap", "default", "a")
    ignored = cluster.request("PUT", f"{MAPS}/a?fieldValidation=Ignore", body)
    assert (ignored.status, ignored.warnings) == (200, [])


def test_names_are_generated(cluster: Cluster) -> None:
    created = cluster.request("POST", MAPS, {"metadata": {"generateName": "map-"}}).json["metadata"]
    assert created["name"].startswith("map-")
    assert len(created["name"]) == len("map-") + 5


def test_what_the_server_owns_cannot_be_written(cluster: Cluster) -> None:
    mine = deployment()
    mine["metadata"] |= {"uid": "mine", "generation": 7, "creationTimestamp": "2000-01-01T00:00:00Z"}
    mine["status"] = {"replicas": 9}
    created = cluster.request("POST", DEPLOYMENTS, mine).json
    assert created["metadata"]["uid"] != "mine"
    assert created["metadata"]["generation"] == 1
    assert created["metadata"]["creationTimestamp"] > "2020"
    assert "status" not in created
    change: Obj = {"metadata": {"generation": 9, "namespace": "other"}, "status": {"replicas": 9}}
    changed = cluster.request("PATCH", f"{DEPLOYMENTS}/web", change, content_type="application/merge-patch+json")
    assert changed.status == 400  # another namespace
    del change["metadata"]["namespace"]
    changed = cluster.request("PATCH", f"{DEPLOYMENTS}/web", change, content_type="application/merge-patch+json")
    assert changed.json["metadata"]["generation"] == 1
    assert "status" not in changed.json


def test_the_status_is_written_by_itself(cluster: Cluster) -> None:
    created = cluster.request("POST", DEPLOYMENTS, deployment()).json
    created["spec"]["replicas"] = 9
    created["status"] = {"replicas": 3}
    answer = cluster.request("PUT", f"{DEPLOYMENTS}/web/status", created).json
    assert (answer["spec"]["replicas"], answer["status"]["replicas"]) == (1, 3)
    assert answer["metadata"]["generation"] == 1
    answer["metadata"].pop("resourceVersion")
    answer["spec"]["replicas"] = 5
    answer.pop("status")
    answer = cluster.request("PUT", f"{DEPLOYMENTS}/web", answer).json
    assert (answer["spec"]["replicas"], answer["status"]["replicas"]) == (5, 3)
    assert answer["metadata"]["generation"] == 2


def test_a_write_that_changes_nothing_is_none(cluster: Cluster) -> None:
    created = cluster.request("POST", DEPLOYMENTS, deployment()).json
    for content_type in ("application/merge-patch+json", "application/strategic-merge-patch+json"):
        again = cluster.request("PATCH", f"{DEPLOYMENTS}/web", {"spec": {"replicas": 1}}, content_type=content_type)
        assert again.json["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]


def test_a_dry_run_writes_nothing(cluster: Cluster) -> None:
    version = cluster.call(lambda: cluster.store.version)
    assert cluster.request("POST", f"{DEPLOYMENTS}?dryRun=All", deployment()).status == 201
    assert cluster.call(lambda: cluster.store.version) == version
    cluster.request("POST", DEPLOYMENTS, deployment())
    path = f"{DEPLOYMENTS}/web?dryRun=All"
    patch = {"spec": {"replicas": 4}}
    answer = cluster.request("PATCH", path, patch, content_type="application/merge-patch+json")
    assert answer.json["spec"]["replicas"] == 4
    assert cluster.request("DELETE", path).status == 200
    assert cluster.get("Deployment", "default", "web")["spec"]["replicas"] == 1


def test_preconditions(cluster: Cluster) -> None:
    cluster.request("POST", MAPS, configmap("a"))
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "other"}}
    answer = cluster.request("DELETE", f"{MAPS}/a", options)
    assert answer.status == 409
    assert "Precondition failed: UID in precondition: other" in answer.json["message"]
    uid = cluster.get("ConfigMap", "default", "a")["metadata"]["uid"]
    gone = cluster.request("DELETE", f"{MAPS}/a", {"preconditions": {"uid": uid}})
    assert (gone.status, gone.json["status"], gone.json["details"]["uid"]) == (200, "Success", uid)


def test_delete_collection(cluster: Cluster) -> None:
    for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
        obj = configmap(name)
        obj["metadata"]["labels"] = {"l": label}
        cluster.request("POST", MAPS, obj)
    answer = cluster.request("DELETE", f"{MAPS}?labelSelector=l%3Dx").json
    assert [item["metadata"]["name"] for item in answer["items"]] == ["a", "b"]
    listed = cluster.request("GET", MAPS).json
    assert (listed["kind"], [item["metadata"]["name"] for item in listed["items"]]) == ("ConfigMapList", ["c"])


def test_the_last_finalizer_takes_the_object_with_it(cluster: Cluster) -> None:
    obj = configmap("a")
    obj["metadata"]["finalizers"] = ["example.org/mine", "example.org/yours"]
    cluster.request("POST", MAPS, obj)
    assert cluster.request("DELETE", f"{MAPS}/a").json["metadata"]["deletionTimestamp"]
    for finalizers, status in ((["example.org/yours"], 200), ([], 404)):
        patch = {"metadata": {"finalizers": finalizers}}
        cluster.request("PATCH", f"{MAPS}/a", patch, content_type="application/merge-patch+json")
        assert cluster.request("GET", f"{MAPS}/a").status == status


def test_scale(cluster: Cluster) -> None:
    cluster.request("POST", DEPLOYMENTS, deployment())
    scale = cluster.request("GET", f"{DEPLOYMENTS}/web/scale").json
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == ("Scale", {"replicas": 1}, "app=web")
    scale["spec"]["replicas"] = 3
    assert cluster.request("PUT", f"{DEPLOYMENTS}/web/scale", scale).json["spec"] == {"replicas": 3}
    stale = cluster.request("PUT", f"{DEPLOYMENTS}/web/scale", scale)
    assert (stale.status, stale.json["reason"]) == (409, "Conflict")
    for replicas, status in ((-1, 422), ("many", 400)):
        patch = {"spec": {"replicas": replicas}}
        path = f"{DEPLOYMENTS}/web/scale"
        assert cluster.request("PATCH", path, patch, content_type="application/merge-patch+json").status == status


def test_a_service_keeps_its_address(cluster: Cluster) -> None:
    path = "/api/v1/namespaces/default/services"
    service = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
    address = cluster.request("POST", path, service).json["spec"]["clusterIP"]
    service["spec"] = {"ports": [{"port": 81}]}
    replaced = cluster.request("PUT", f"{path}/web", service)
    assert replaced.json["spec"]["clusterIP"] == address
    service["spec"] = {"clusterIP": "10.96.0.99", "ports": [{"port": 81}]}
    assert cluster.request("PUT", f"{path}/web", service).status == 422


# -- reading ----------------------------------------------------------------------------------------------------------


def test_forms(cluster: Cluster) -> None:
    cluster.run_pod("web")
    table = cluster.request("GET", PODS, accept=f"{TABLE},application/json").json
    assert (table["kind"], table["rows"][0]["cells"][0]) == ("Table", "web")
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    assert cluster.request("GET", f"{PODS}?includeObject=Object", accept=TABLE).json["rows"][0]["object"]["spec"]
    partial = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    listed = cluster.request("GET", PODS, accept=partial).json
    assert listed["kind"] == "PartialObjectMetadataList"
    assert "spec" not in listed["items"][0]
    one = cluster.request("GET", f"{PODS}/web", accept=TABLE).json
    assert one["rows"][0]["cells"][:2] == ["web", "1/1"]
    assert cluster.request("GET", PODS, accept="application/vnd.kubernetes.protobuf,application/json").json["items"]


# -- watching ---------------------------------------------------------------------------------------------------------


def names(events: list[Any]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]


def test_a_watch_begins_with_what_is_there(cluster: Cluster) -> None:
    cluster.run_pod("web")
    events = cluster.request("GET", f"{PODS}?watch=true&timeoutSeconds=1").lines
    assert names(events) == [("ADDED", "web")]
    events = cluster.request(
        "GET", f"{PODS}?watch=true&timeoutSeconds=1&sendInitialEvents=true&allowWatchBookmarks=true"
        "&resourceVersionMatch=NotOlderThan",
    ).lines  # fmt: skip
    assert names(events) == [("ADDED", "web"), ("BOOKMARK", "")]
    assert events[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_a_watch_resumes(cluster: Cluster) -> None:
    cluster.run_pod("first")
    version = cluster.request("GET", PODS).json["metadata"]["resourceVersion"]
    cluster.run_pod("second")
    cluster.call(cluster.store.delete, "Pod", "default", "first")
    events = cluster.request("GET", f"{PODS}?watch=true&timeoutSeconds=1&resourceVersion={version}").lines
    assert names(events) == [("ADDED", "second"), ("DELETED", "first")]
    only = f"{PODS}?watch=true&timeoutSeconds=1&resourceVersion={version}&fieldSelector=metadata.name%3Dfirst"
    assert names(cluster.request("GET", only).lines) == [("DELETED", "first")]


def test_a_watch_from_too_long_ago_is_told_so(cluster: Cluster) -> None:
    def age() -> None:
        cluster.store._oldest = 10**6

    cluster.call(age)
    for version in (1, 10**7):  # long ago, and of another life of the store
        events = cluster.request("GET", f"{PODS}?watch=true&timeoutSeconds=5&resourceVersion={version}").lines
        assert [(event["type"], event["object"]["code"], event["object"]["reason"]) for event in events] == [
            ("ERROR", 410, "Expired")
        ]


def test_a_watch_as_tables_has_headers_once(cluster: Cluster) -> None:
    for name in ("a", "b"):
        cluster.run_pod(name)
    events = cluster.request("GET", f"{PODS}?watch=true&timeoutSeconds=1", accept=TABLE).lines
    assert [event["object"]["kind"] for event in events] == ["Table", "Table"]
    assert [bool(event["object"]["columnDefinitions"]) for event in events] == [True, False]


# -- nothing that a client sends is an internal error -----------------------------------------------------------------


JUNK: list[Any] = [None, -1, 1.5, "x", "", [], {}, True, [None], [1], {"a": None}, "9" * 20, 2**70, [[]], [{}], "\0é"]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(below for key, entry in entries for below in places(entry, (*path, key)))]


@pytest.mark.parametrize("seed", range(3))
def test_junk_is_the_clients_fault(cluster: Cluster, seed: int) -> None:
    rnd = random.Random(seed)
    cluster.request("POST", DEPLOYMENTS, deployment())
    for _ in range(60):
        obj = deployment()
        *way, last = rnd.choice([place for place in places(obj) if place])
        place: Any = obj
        for step in way:
            place = place[step]
        place[last] = copy.deepcopy(rnd.choice(JUNK))
        method, path, content_type = rnd.choice(
            [
                ("POST", f"{DEPLOYMENTS}?dryRun=All", "application/json"),
                ("PUT", f"{DEPLOYMENTS}/web", "application/json"),
                ("PATCH", f"{DEPLOYMENTS}/web", "application/merge-patch+json"),
                ("PATCH", f"{DEPLOYMENTS}/web", "application/strategic-merge-patch+json"),
                ("PATCH", f"{DEPLOYMENTS}/web?fieldManager=me&force=true", "application/apply-patch+yaml"),
            ]
        )
        answer = cluster.request(method, path, obj, content_type=content_type)
        assert answer.status < 500, (json.dumps(obj), answer.body)


def test_every_kind_can_be_listed_in_every_form(cluster: Cluster) -> None:
    for kind in KINDS.values():
        for version in kind.versions:
            prefix = f"/apis/{kind.group}/{version}" if kind.group else f"/api/{version}"
            for accept in ("application/json", TABLE):
                assert cluster.request("GET", f"{prefix}/{kind.plural}", accept=accept).status == 200


def test_server_side_apply_takes_no_unknown_field_whatever_is_asked_for(cluster: Cluster) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "dota": {}, "other": 1}
    for validation in ("Strict", "Warn", "Ignore"):
        path = f"{MAPS}/a?fieldManager=me&fieldValidation={validation}"
        refused = cluster.request("PATCH", path, body, content_type="application/apply-patch+yaml")
        assert refused.status == 500
        assert refused.json["message"] == (
            "failed to create typed patch object (default/a; v1, Kind=ConfigMap): errors:\n"
            "  .dota: field not declared in schema\n  .other: field not declared in schema"
        )


def test_server_side_apply_names_the_line_of_a_key_that_is_there_twice(cluster: Cluster) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: '1'\n  x: '2'\n"
    asked = {"content_type": "application/apply-patch+yaml"}
    strict = cluster.request("PATCH", f"{MAPS}/a?fieldManager=me&fieldValidation=Strict", body, **asked)
    assert strict.status == 400
    assert 'yaml: unmarshal errors:\n  line 7: key "x" already set in map' in strict.json["message"]
    warned = cluster.request("PATCH", f"{MAPS}/a?fieldManager=me", body, **asked)
    assert (warned.status, warned.json["data"]) == (201, {"x": "2"})
    assert "line 7" in warned.warnings[0]


def test_a_time_limit_that_is_none(cluster: Cluster) -> None:
    assert cluster.request("GET", "/version?timeout=1m30s").status == 200
    refused = cluster.request("GET", "/version?timeout=soon")
    assert refused.status == 400
    assert refused.json["message"].startswith("invalid timeout specified in the request URL")


def test_a_version_that_is_not_served_is_not_found_by_those_who_may_use_the_kind(cluster: Cluster) -> None:
    path = "/apis/authentication.k8s.io/v1alpha1/selfsubjectreviews"
    assert "could not find" in cluster.kubectl("create", "--raw", path, "-f", "-", "--as=jane", stdin="{}", fails=True)
    other = "/apis/apps/v9/namespaces/default/deployments"
    said = cluster.kubectl("get", "--raw", other, "--as=jane", fails=True)
    assert 'deployments.apps is forbidden: User "jane" cannot list resource' in said


def test_the_authoritys_certificate_is_put_back(cluster: Cluster) -> None:
    cluster.call(bootstrap, cluster.store, "the authority's")
    before = cluster.get("ConfigMap", "default", AUTHORITY)["data"]
    assert before == {"ca.crt": "the authority's"}
    changed = {"metadata": {"name": AUTHORITY}, "data": {"ca.crt": ""}}
    assert cluster.request("PUT", f"{MAPS}/{AUTHORITY}", changed).status == 200
    cluster.call(namespaces.reconcile, cluster.store)
    assert cluster.get("ConfigMap", "default", AUTHORITY)["data"] == before


def test_a_signing_request_is_approved(cluster: Cluster) -> None:
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    spec = {"request": "YQ==", "signerName": "a.b/c", "usages": ["client auth"]}
    assert cluster.request("POST", path, {"metadata": {"name": "r"}, "spec": spec}).status == 201
    now = "2026-11-29T07:00:00Z"
    condition = {"type": "Approved", "status": "True", "reason": "R", "message": "m", "lastUpdateTime": now}
    change = {"status": {"conditions": [condition]}}
    done = cluster.request("PATCH", f"{path}/r/approval", change, content_type="application/merge-patch+json")
    assert done.json["status"]["conditions"][0]["type"] == "Approved"
