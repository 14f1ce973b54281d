"""Who is who, and who may do what: tokens of ServiceAccounts, reviews, impersonation, and RBAC in force."""

from __future__ import annotations

import pytest

from pocket.api import rbac
from pocket.objects import Obj
from pocket.tokens import TokenError, Tokens
from tests.pocket.api.live import Answer, Cluster

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
PODS = "/api/v1/namespaces/default/pods"


def token_of(cluster: Cluster, account: str = "default") -> str:
    return cluster.kubectl("create", "token", account).strip()


def as_account(cluster: Cluster, method: str, path: str, body: object = None) -> Answer:
    return cluster.request(method, path, body, token=token_of(cluster))


def test_an_account_may_nothing_but_look_around(cluster: Cluster) -> None:
    refused = as_account(cluster, "GET", PODS)
    assert (refused.status, refused.json["reason"]) == (403, "Forbidden")
    assert refused.json["message"] == (
        'pods is forbidden: User "system:serviceaccount:default:default" cannot list resource "pods" in API group "" '
        'in the namespace "default"'
    )
    assert as_account(cluster, "GET", "/apis").status == 200
    assert as_account(cluster, "GET", "/version").status == 200
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    told = as_account(cluster, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review).json
    assert told["status"]["userInfo"]["username"] == "system:serviceaccount:default:default"
    assert "system:serviceaccounts:default" in told["status"]["userInfo"]["groups"]


def test_roles_and_bindings_are_in_force(cluster: Cluster) -> None:
    cluster.kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods")
    cluster.kubectl("create", "rolebinding", "reader", "--role=reader", "--serviceaccount=default:default")
    assert as_account(cluster, "GET", PODS).status == 200
    assert as_account(cluster, "GET", f"{PODS}?watch=1&timeoutSeconds=1").status == 403
    assert as_account(cluster, "DELETE", f"{PODS}/x").status == 403
    assert as_account(cluster, "GET", "/api/v1/namespaces/kube-system/pods").status == 403
    assert as_account(cluster, "GET", "/api/v1/namespaces/default/secrets").status == 403
    cluster.kubectl("create", "clusterrolebinding", "all", "--clusterrole=view", "--serviceaccount=default:default")
    assert as_account(cluster, "GET", "/api/v1/namespaces/kube-system/pods").status == 200
    assert as_account(cluster, "GET", "/api/v1/secrets").status == 403


def test_impersonation(cluster: Cluster) -> None:
    assert cluster.kubectl("auth", "can-i", "create", "pods", "--as=bob", fails=True).strip().endswith("no")
    said = cluster.kubectl("get", "pods", "--as=bob", fails=True)
    assert 'User "bob" cannot list resource "pods" in API group ""' in said
    cluster.kubectl("create", "rolebinding", "bob", "--clusterrole=edit", "--user=bob")
    assert "yes" in cluster.kubectl("auth", "can-i", "create", "pods", "--as=bob")
    assert "yes" in cluster.kubectl("auth", "can-i", "create", "pods", "--as=eve", "--as-group=system:masters")
    assert "system:serviceaccount:a:b" in cluster.kubectl("auth", "whoami", "--as=system:serviceaccount:a:b")


def test_reviews_of_tokens_and_of_others(cluster: Cluster) -> None:
    body: Obj = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token_of(cluster)}}
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    status = cluster.request("POST", path, body).json["status"]
    assert (status["authenticated"], status["user"]["username"]) == (True, "system:serviceaccount:default:default")
    body["spec"]["token"] = token_of(cluster)[:-4] + "AAAA"
    assert cluster.request("POST", path, body).json["status"]["authenticated"] is False
    about = {"user": "system:serviceaccount:default:default", "resourceAttributes": {"verb": "get", "resource": "pods"}}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": about}
    found = cluster.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body).json
    assert found["status"]["allowed"] is False
    body["spec"] = {"resourceAttributes": {"verb": "get"}, "nonResourceAttributes": {"path": "/", "verb": "get"}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert cluster.request("POST", path, {**body, "kind": "SelfSubjectAccessReview"}).status == 400


def test_a_token_ends_with_its_account(cluster: Cluster) -> None:
    token = token_of(cluster)
    assert cluster.request("GET", "/version", token=token).status == 200
    cluster.kubectl("delete", "serviceaccount", "default")
    assert cluster.request("GET", "/version", token=token).status == 401


def test_tokens_are_signed_and_expire(tmp_path_factory: pytest.TempPathFactory) -> None:
    now = 1000.0
    folder = tmp_path_factory.mktemp("keys")
    tokens = Tokens(folder / "key", clock=lambda: now)
    account = {"metadata": {"namespace": "a", "name": "b", "uid": "u"}}
    text, end = tokens.issue(account, 60, pod=("p", "q"))
    claims = Tokens(folder / "key", clock=lambda: now).read(text)
    assert (claims.namespace, claims.account, claims.uid, claims.pod, end) == ("a", "b", "u", ("p", "q"), 1060)
    for wrong in (
        text[:-3] + "AAA",
        "x.y.z",
        "",
        "..",
        Tokens(folder / "other", clock=lambda: now).issue(account, 60)[0],
    ):
        with pytest.raises(TokenError):
            tokens.read(wrong)
    now = 1060.0
    with pytest.raises(TokenError, match="expired"):
        tokens.read(text)


@pytest.mark.parametrize(
    ("rule", "request_", "allowed"),
    [
        ({"resources": ["pods"]}, {"resource": "pods"}, True),
        ({"resources": ["pods"]}, {"resource": "pods/log"}, False),
        ({"resources": ["*/log"]}, {"resource": "pods/log"}, True),
        ({"resources": ["*"]}, {"resource": "pods/log"}, True),
        ({"resources": ["pods"], "resourceNames": ["a"]}, {"resource": "pods", "name": "b"}, False),
        ({"resources": ["pods"], "resourceNames": ["a"]}, {"resource": "pods", "name": "a"}, True),
        ({"resources": ["pods"], "apiGroups": ["apps"]}, {"resource": "pods"}, False),
        ({"nonResourceURLs": ["/healthz/*"]}, {"path": "/healthz/x"}, True),
        ({"nonResourceURLs": ["/healthz"]}, {"path": "/healthz/x"}, False),
    ],
)
def test_what_a_rule_covers(rule: Obj, request_: dict[str, str], allowed: bool) -> None:
    whole = {"apiGroups": [""], "verbs": ["get"], **rule}
    assert rbac.covers(whole, rbac.Request("get", **request_)) is allowed
    assert rbac.covers({**whole, "verbs": ["list"]}, rbac.Request("get", **request_)) is False


def test_no_token_of_a_pod_reads_secrets(cluster: Cluster) -> None:
    """Not its own account's, not another's, not by watching, and not with the roles that only look (`view`)."""
    cluster.kubectl("create", "secret", "generic", "hush", "--from-literal=password=x")
    cluster.kubectl("create", "clusterrolebinding", "see", "--clusterrole=view", "--serviceaccount=default:default")
    one = "/api/v1/namespaces/default/secrets/hush"
    for path in (one, "/api/v1/secrets", "/api/v1/namespaces/default/secrets?watch=1&timeoutSeconds=1"):
        refused = as_account(cluster, "GET", path)
        assert refused.status == 403, path
        assert set(refused.json) == {"apiVersion", "kind", "metadata", "status", "message", "reason", "details", "code"}
    assert as_account(cluster, "DELETE", one).status == 403
    token = "/api/v1/namespaces/default/serviceaccounts/default/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    assert as_account(cluster, "POST", token, body).status == 403
    assert cluster.request("GET", one).status == 200


def test_nobody_gives_away_what_they_do_not_have(cluster: Cluster) -> None:
    cluster.kubectl("create", "role", "roles", "--verb=*", "--resource=roles,rolebindings")
    cluster.kubectl("create", "role", "pods", "--verb=get,list", "--resource=pods")
    for role in ("roles", "pods"):
        cluster.kubectl("create", "rolebinding", role, f"--role={role}", "--user=bob")
    assert "created" in cluster.kubectl("create", "role", "less", "--verb=get", "--resource=pods", "--as=bob")
    # `*` on roles holds `escalate` and `bind`, so without it from here on.
    verbs = "--verb=get,create,update,patch,delete"
    cluster.kubectl("delete", "role", "roles")
    cluster.kubectl("create", "role", "roles", verbs, "--resource=roles,rolebindings")
    assert "created" in cluster.kubectl("create", "role", "same", "--verb=get,list", "--resource=pods", "--as=bob")
    said = cluster.kubectl("create", "role", "more", "--verb=get,delete", "--resource=pods", "--as=bob", fails=True)
    assert 'user "bob" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently' in said
    assert '{APIGroups:[""], Resources:["pods"], Verbs:["get", "delete"]}' in said
    rules = '{"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}'
    cluster.kubectl("patch", "role", "same", "--type=merge", "-p", rules, "--as=bob", fails=True)
    mine = ("create", "rolebinding", "b", "--user=eve", "--as=bob")
    assert "not currently held" in cluster.kubectl(*mine, "--clusterrole=admin", fails=True)
    assert 'clusterroles.rbac.authorization.k8s.io "none" not found' in cluster.kubectl(
        *mine, "--clusterrole=none", fails=True
    )
    cluster.kubectl(*mine, "--role=same")
    cluster.kubectl("create", "role", "binder", "--verb=bind", "--resource=clusterroles", "--resource-name=admin")
    cluster.kubectl("create", "clusterrole", "binder", "--verb=bind", "--resource=clusterroles", "--resource-name=view")
    cluster.kubectl("create", "clusterrolebinding", "binder", "--clusterrole=binder", "--user=bob")
    cluster.kubectl("create", "rolebinding", "c", "--user=eve", "--as=bob", "--clusterrole=view")


def test_a_review_as_a_table(cluster: Cluster) -> None:
    spec = {"resourceAttributes": {"verb": "get", "resource": "pods"}}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    table = cluster.request("POST", path, body, accept="application/json;as=Table;v=v1;g=meta.k8s.io").json
    assert (table["kind"], len(table["rows"])) == ("Table", 1)
