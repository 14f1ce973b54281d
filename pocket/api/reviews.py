"""Questions that the API answers without storing anything: may I, who am I, may this pod be disturbed?"""

from __future__ import annotations

import math
from datetime import UTC, datetime

from pocket.api import errors, selectors
from pocket.api.errors import ApiError
from pocket.api.identity import Identity
from pocket.api.rbac import MASTERS, Access, Request, User
from pocket.api.target import Target
from pocket.objects import Obj, is_ready, name_of
from pocket.tokens import AUDIENCE, Tokens

_SHORTEST, _USUAL = 600, 3600  # seconds that a token holds: at least, and where nothing is asked for


def answer(target: Target, review: Obj, user: User, access: Access, identity: Identity) -> Obj:
    """A review with its status. Raises ApiError 400."""
    spec = review.get("spec") or {}
    if not isinstance(spec, dict):
        raise errors.bad_request("spec must be an object")
    match target.kind.name:
        case "SelfSubjectReview":
            status: Obj = {"userInfo": user.info()}
        case "SelfSubjectRulesReview":
            status = _rules(user, str(spec.get("namespace") or ""), access)
        case "SelfSubjectAccessReview":
            status = _access(spec, user, access)
        case "SubjectAccessReview" | "LocalSubjectAccessReview":
            if not spec.get("user") and not spec.get("groups"):
                raise errors.bad_request(
                    'spec.user: Invalid value: "": at least one of user or group must be specified'
                )
            other = User(str(spec.get("user") or ""), tuple(spec.get("groups") or ()))
            status = _access(spec, other, access)
        case "TokenReview":
            status = _identity(spec, identity)
        case other_kind:
            raise errors.method_not_allowed(f"pocket answers no {other_kind}")
    return {**review, "metadata": review.get("metadata") or {}, "status": status}


def _access(spec: Obj, user: User, access: Access) -> Obj:
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if (resource is None) == (other is None):
        raise errors.bad_request("spec: exactly one of resourceAttributes and nonResourceAttributes must be specified")
    if resource is not None:
        below = f"/{resource['subresource']}" if resource.get("subresource") else ""
        asked = Request(
            str(resource.get("verb", "")), str(resource.get("group", "")), f"{resource.get('resource', '')}{below}",
            str(resource.get("namespace", "")), str(resource.get("name", "")),
        )  # fmt: skip
    else:
        page = other or {}
        asked = Request(str(page.get("verb", "")), path=str(page.get("path", "")) or "/")
    reason = access.reason(user, asked)
    return {"allowed": reason is not None, "reason": reason or ""}


def _rules(user: User, namespace: str, access: Access) -> Obj:
    if MASTERS in user.groups:
        found: list[Obj] = [
            {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
            {"verbs": ["*"], "nonResourceURLs": ["*"]},
        ]
    else:
        found = [rule for rule, _ in access.rules(user, namespace)]
    kept = ("verbs", "apiGroups", "resources", "resourceNames")
    return {
        "resourceRules": [{key: rule[key] for key in kept if key in rule} for rule in found if "resources" in rule],
        "nonResourceRules": [
            {"verbs": rule["verbs"], "nonResourceURLs": rule["nonResourceURLs"]}
            for rule in found
            if "nonResourceURLs" in rule
        ],
        "incomplete": False,
    }


def _identity(spec: Obj, identity: Identity) -> Obj:
    audiences = tuple(spec.get("audiences") or (AUDIENCE,))
    try:
        user, shared = identity.of_token(str(spec.get("token") or ""), audiences)
    except ApiError:
        return {"authenticated": False, "error": "invalid bearer token"}
    return {"authenticated": True, "user": user.info(), "audiences": list(shared)}


def token(tokens: Tokens, account: Obj, body: Obj) -> Obj:
    """The answer to a TokenRequest. Raises ApiError 422."""
    spec = body.get("spec") or {}
    seconds = spec.get("expirationSeconds") or _USUAL
    if not isinstance(seconds, int) or not _SHORTEST <= seconds < 2**32:
        message = f"spec.expirationSeconds: Invalid value: {seconds}: may not specify a duration less than 10 minutes"
        raise ApiError(422, "Invalid", f'TokenRequest.authentication.k8s.io "" is invalid: {message}')
    audiences = tuple(spec.get("audiences") or (AUDIENCE,))
    bound = spec.get("boundObjectRef") or {}
    pod = (str(bound["name"]), str(bound.get("uid", ""))) if bound.get("kind") == "Pod" else None
    text, end = tokens.issue(account, seconds, audiences, pod)
    moment = datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        **body,
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {key: account["metadata"][key] for key in ("name", "namespace")},
        "spec": {**spec, "audiences": list(audiences), "expirationSeconds": seconds},
        "status": {"token": text, "expirationTimestamp": moment},
    }


def refuse_disruption(pod: Obj, budgets: list[Obj], pods: list[Obj]) -> None:
    """Raises ApiError 429 where evicting a pod would break a PodDisruptionBudget that picks it.

    Counts by itself instead of reading the budget's status, which a controller would have to keep up to date.
    """
    labels = pod["metadata"].get("labels") or {}
    for budget in budgets:
        spec = budget.get("spec") or {}
        if not selectors.selector_matches(spec.get("selector"), labels):
            continue
        chosen = [
            entry
            for entry in pods
            if selectors.selector_matches(spec.get("selector"), entry["metadata"].get("labels") or {})
            and (entry.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
        ]
        healthy = sum(1 for entry in chosen if is_ready(entry))
        if not is_ready(pod):
            continue  # disturbing a broken pod takes nothing away
        if allowed(spec, len(chosen), healthy) < 1:
            raise _too_many(budget, healthy)


def allowed(spec: Obj, expected: int, healthy: int) -> int:
    """How many of `expected` pods, `healthy` of them ready, may be disturbed now."""
    if spec.get("maxUnavailable") is not None:
        needed = expected - _count(spec["maxUnavailable"], expected)
    elif spec.get("minAvailable") is not None:
        needed = _count(spec["minAvailable"], expected)
    else:
        needed = expected - 1
    return max(0, healthy - max(0, needed))


def _count(value: int | str, whole: int) -> int:
    """A number, or a percentage of the whole rounded up, as the disruption controller rounds."""
    return value if isinstance(value, int) else math.ceil(int(value.rstrip("%")) * whole / 100)


def _too_many(budget: Obj, healthy: int) -> ApiError:
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    why = f"The disruption budget {name_of(budget)} does not allow it: {healthy} healthy pods"
    return ApiError(429, "TooManyRequests", message, {"causes": [{"reason": "DisruptionBudget", "message": why}]})
