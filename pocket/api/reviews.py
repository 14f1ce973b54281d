"""Questions that the API answers without storing anything: may I, who am I?"""

from __future__ import annotations

from datetime import UTC, datetime

from pocket.api import errors
from pocket.api.errors import ApiError
from pocket.api.identity import Identity
from pocket.api.rbac import MASTERS, Access, Request, User
from pocket.api.target import Target
from pocket.objects import Obj
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
