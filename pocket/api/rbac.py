"""Role-based access control: who may do what (https://kubernetes.io/docs/reference/access-authn-authz/rbac/).

`Access` answers it from the roles and bindings in the store; the rules themselves are compared by pure functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pocket.api import selectors
from pocket.objects import Kind, Obj, name_of
from pocket.schemas import kubernetes
from pocket.store import Store

MASTERS = "system:masters"
"""The group whose members may do everything: the owner of the kubeconfig is the only one."""


@dataclass(frozen=True)
class User:
    """Who asks."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: dict[str, list[str]] = field(default_factory=dict, hash=False)

    def info(self) -> Obj:
        """As `userInfo` in reviews."""
        found: Obj = {"username": self.name, "groups": list(self.groups)}
        if self.uid:
            found["uid"] = self.uid
        if self.extra:
            found["extra"] = self.extra
        return found


def account(namespace: str, name: str, uid: str = "", extra: dict[str, list[str]] | None = None) -> User:
    """The user that a ServiceAccount is."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return User(f"system:serviceaccount:{namespace}:{name}", groups, uid, extra or {})


@dataclass(frozen=True)
class Request:
    """What is asked for: a resource, or a path that is none."""

    verb: str
    group: str = ""
    resource: str = ""  # `pods`, `pods/log`
    namespace: str = ""
    name: str = ""
    path: str = ""


def covers(rule: Obj, request: Request) -> bool:
    """Does the rule allow it?"""
    if not _has(rule.get("verbs"), request.verb):
        return False
    if request.path:
        return any(
            url in ("*", request.path) or (url.endswith("*") and request.path.startswith(url[:-1]))
            for url in rule.get("nonResourceURLs") or ()
        )
    _, slash, subresource = request.resource.partition("/")
    resources = rule.get("resources") or ()
    fits = _has(resources, request.resource) or (bool(slash) and f"*/{subresource}" in resources)
    names = rule.get("resourceNames") or ()
    return fits and _has(rule.get("apiGroups"), request.group) and (not names or request.name in names)


def _has(listed: Sequence[str] | None, wanted: str) -> bool:
    return wanted in (listed or ()) or "*" in (listed or ())


def is_subject(subject: Obj, user: User, namespace: str) -> bool:
    """Is that the user? `namespace` is the binding's own, where the subject names none."""
    match subject.get("kind"):
        case "User":
            return bool(subject.get("name") == user.name)
        case "Group":
            return subject.get("name") in user.groups
        case "ServiceAccount":
            place = subject.get("namespace") or namespace
            return user.name == f"system:serviceaccount:{place}:{subject.get('name')}"
    return False


class Access:
    """Who may do what in this store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def reason(self, user: User, request: Request) -> str | None:
        """Why it is allowed; None if it is not."""
        if MASTERS in user.groups:
            return "the owner of the kubeconfig may do everything"
        for rule, why in self.rules(user, request.namespace):
            if covers(rule, request):
                return why
        return None

    def rules(self, user: User, namespace: str) -> Iterator[tuple[Obj, str]]:
        """The rules that hold for the user in a namespace ("": outside of all), and what gives them."""
        bindings = [(binding, "") for binding in self._store.list("ClusterRoleBinding")]
        if namespace:
            bindings += [(binding, namespace) for binding in self._store.list("RoleBinding", namespace)]
        for binding, place in bindings:
            for subject in binding.get("subjects") or ():
                if is_subject(subject, user, place):
                    role = binding["roleRef"]
                    kind = "RoleBinding" if place else "ClusterRoleBinding"
                    why = f'RBAC: allowed by {kind} "{name_of(binding)}" of {role["kind"]} "{role["name"]}" to {subject["kind"]} "{subject["name"]}"'  # noqa: E501
                    for rule in self.of_role(role["kind"], role["name"], place) or ():
                        yield rule, why
                    break

    def of_role(self, kind: str, name: str, namespace: str) -> list[Obj] | None:
        """The rules of a role, with those that it aggregates; None where there is no such role."""
        role = self._store.find(kind, namespace if kind == "Role" else None, name)
        if role is None:
            return None
        found = list(role.get("rules") or ())
        for selector in (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ():
            for other in self._store.list("ClusterRole"):
                if selectors.selector_matches(selector, other["metadata"].get("labels") or {}):
                    found += other.get("rules") or ()
        return found


# -- the roles that every cluster has ----------------------------------------------------------------------------------

_READ = ["get", "list", "watch"]
_WRITE = ["create", "delete", "deletecollection", "patch", "update"]
_SECRET = ("secrets",)
_GUARDED = ("roles", "rolebindings", "resourcequotas", "limitranges", "endpoints", "endpointslices")


def roles() -> list[Obj]:
    """cluster-admin, admin, edit, view, and what everybody who is known may do."""
    everything = [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ]
    view = _rules(_READ, lambda kind: kind.plural not in (*_SECRET, "roles", "rolebindings"))
    pods = {"apiGroups": [""], "resources": ["pods/attach", "pods/exec", "pods/portforward", "pods/proxy"]}
    edit = [
        *_rules(_READ, lambda kind: kind.plural in _SECRET),
        *_rules(_WRITE, lambda kind: kind.plural not in _GUARDED),
        {**pods, "verbs": ["create", "get"]},
        {"apiGroups": [""], "resources": ["pods/eviction", "serviceaccounts/token"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"]},
    ]
    own = _rules([*_READ, *_WRITE], lambda kind: kind.plural in ("roles", "rolebindings"))
    reviews = {
        "apiGroups": ["authorization.k8s.io"],
        "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
        "verbs": ["create"],
    }
    whoami = {"apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["create"]}
    urls = ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", "/version", "/version/"]
    return [
        _role("cluster-admin", everything),
        _role("admin", [*view, *edit, *own], "admin"),
        _role("edit", [*view, *edit], "edit"),
        _role("view", view, "view"),
        _role("system:basic-user", [reviews, whoami]),
        _role("system:discovery", [{"nonResourceURLs": urls, "verbs": ["get"]}]),
        _binding("cluster-admin", MASTERS),
        _binding("system:basic-user", "system:authenticated"),
        _binding("system:discovery", "system:authenticated"),
    ]


def _rules(verbs: list[str], wanted: Callable[[Kind], bool]) -> list[Obj]:
    """One rule a group, with its namespaced kinds that are wanted and their subresources of status and scale."""
    groups: dict[str, list[str]] = {}
    for kind in kubernetes.kinds():
        if kind.namespaced and "list" in kind.verbs and wanted(kind):
            below = [f"{kind.plural}/{name}" for name in kind.subresources if name in ("log", "scale", "status")]
            groups.setdefault(kind.group, []).extend([kind.plural, *below])
    return [{"apiGroups": [group], "resources": sorted(names), "verbs": verbs} for group, names in groups.items()]


def _role(name: str, rules: list[Obj], level: str = "") -> Obj:
    found: Obj = {**_head("ClusterRole", name), "rules": rules}
    if level:
        labels = {f"rbac.authorization.k8s.io/aggregate-to-{level}": "true"}
        found["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": labels}]}
    return found


def _binding(role: str, group: str) -> Obj:
    return {
        **_head("ClusterRoleBinding", role),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}],
    }


def _head(kind: str, name: str) -> Obj:
    labels = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name, "labels": labels}}
