"""Questions that the API answers without storing anything: may I, who am I, may this pod be disturbed?"""

from __future__ import annotations

import math

from pocket.api import errors, selectors
from pocket.api.errors import ApiError
from pocket.objects import Obj, is_ready, name_of

USER = "pocket-admin"


def answer(kind: str, review: Obj) -> Obj:
    """A review (may I, what may I, who am I) with its status: who has the token may do everything."""
    spec = review.get("spec") or {}
    if kind == "SelfSubjectAccessReview":
        if not isinstance(spec, dict) or ("resourceAttributes" in spec) == ("nonResourceAttributes" in spec):
            raise errors.bad_request(
                "spec: exactly one of resourceAttributes and nonResourceAttributes must be specified"
            )
        return {**review, "status": {"allowed": True, "reason": "who has the token of a pocket may do everything"}}
    if kind == "SelfSubjectRulesReview":
        everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
        elsewhere = {"verbs": ["*"], "nonResourceURLs": ["*"]}
        status = {"resourceRules": [everything], "nonResourceRules": [elsewhere], "incomplete": False}
        return {**review, "status": status}
    return {
        **review,
        "status": {"userInfo": {"username": USER, "groups": ["system:masters", "system:authenticated"]}},
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
    return ApiError(
        429, "TooManyRequests", message, {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    )
