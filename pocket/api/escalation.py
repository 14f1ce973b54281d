"""Nobody gives away by RBAC what they do not have themselves.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
Who has the verb `escalate` on a role, or `bind` on the role of a binding, may all the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from pocket.api.errors import ApiError
from pocket.api.rbac import Access, Request, User, covers
from pocket.objects import Obj, kind_of, name_of, namespace_of

GROUP = "rbac.authorization.k8s.io"
_PLURALS = {
    "Role": "roles", "ClusterRole": "clusterroles", "RoleBinding": "rolebindings",
    "ClusterRoleBinding": "clusterrolebindings",
}  # fmt: skip
_EVERYTHING: list[Obj] = [
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
    {"nonResourceURLs": ["*"], "verbs": ["*"]},
]


def role(obj: Obj, user: User, access: Access) -> None:
    """A Role or ClusterRole is written. Raises ApiError 403."""
    place = namespace_of(obj) or ""
    if access.reason(user, Request("escalate", GROUP, _PLURALS[kind_of(obj)], place, name_of(obj))) is None:
        # What an aggregation will pick nobody knows yet.
        _refuse(obj, _EVERYTHING if obj.get("aggregationRule") else obj.get("rules") or [], user, access)


def binding(obj: Obj, user: User, access: Access) -> None:
    """A RoleBinding or ClusterRoleBinding is written. Raises ApiError 403, and 404 where there is no such role."""
    place = namespace_of(obj) or ""
    kind, name = obj["roleRef"]["kind"], obj["roleRef"]["name"]
    if access.reason(user, Request("bind", GROUP, _PLURALS[kind], place if kind == "Role" else "", name)) is None:
        rules = access.of_role(kind, name, place)
        if rules is None:
            raise ApiError(404, "NotFound", f'{_PLURALS[kind]}.{GROUP} "{name}" not found')
        _refuse(obj, rules, user, access)


def _refuse(obj: Obj, rules: list[Obj], user: User, access: Access) -> None:
    place = namespace_of(obj) or ""
    own = [rule for rule, _ in access.rules(user, place)]
    lacking = [rule for rule in rules if not all(any(covers(has, ask) for has in own) for ask in _asked(rule))]
    if lacking:
        plural, name = _PLURALS[kind_of(obj)], name_of(obj)
        groups = ", ".join(f'"{group}"' for group in user.groups)
        message = (
            f'{plural}.{GROUP} "{name}" is forbidden: user "{user.name}" (groups=[{groups}]) is attempting to grant '
            "RBAC permissions not currently held:\n" + "\n".join(_shown(rule) for rule in lacking)
        )
        raise ApiError(403, "Forbidden", message, {"group": GROUP, "kind": plural, "name": name})


def _asked(rule: Obj) -> Iterator[Request]:
    """Everything that the rule allows, one by one."""
    for verb in rule.get("verbs") or ():
        for path in rule.get("nonResourceURLs") or ():
            yield Request(verb, path=path)
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                for name in rule.get("resourceNames") or ("",):
                    yield Request(verb, group, resource, name=name)


def _shown(rule: Obj) -> str:
    """As Go's rbac helpers write a rule."""
    names = (
        ("nonResourceURLs", "NonResourceURLs"), ("apiGroups", "APIGroups"), ("resources", "Resources"),
        ("resourceNames", "ResourceNames"), ("verbs", "Verbs"),
    )  # fmt: skip
    parts = [f"{title}:{json.dumps(rule[key])}" for key, title in names if rule.get(key)]
    return f"{{{', '.join(parts)}}}"
