"""The kind HorizontalPodAutoscaler: its defaults, rules and columns."""

from __future__ import annotations

from datetime import datetime

from pocket import quantity
from pocket.api import checks
from pocket.api.ages import UNKNOWN
from pocket.api.names import invalid, required, unsupported
from pocket.kinds import podspec
from pocket.kinds.columns import AGE, NAME, NONE, Column, at, spec_of
from pocket.kinds.strategy import Strategy
from pocket.objects import FieldError, Kind, Obj

UP: Obj = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
DOWN: Obj = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}
"""What holds where `spec.behavior` says nothing (pkg/apis/autoscaling/v2/defaults.go)."""

LONGEST_PERIOD = 1800
"""Seconds that a policy may look back, at most (pkg/apis/autoscaling/validation)."""


def behaviour(spec: Obj) -> tuple[Obj, Obj]:
    """The rules upwards and downwards, with what they leave out."""
    given = spec.get("behavior") or {}
    return {**UP, **(given.get("scaleUp") or {})}, {**DOWN, **(given.get("scaleDown") or {})}


def _autoscaler_targets(autoscaler: Obj, _: datetime) -> str:
    texts = []
    current = (autoscaler.get("status") or {}).get("currentMetrics") or ()
    for metric in spec_of(autoscaler).get("metrics") or ():
        field, source = _source(metric)
        same = [entry[field] for entry in current if field in entry and _named(entry[field]) == _named(source)]
        now: Obj = same[0]["current"] if same else {}
        target = source.get("target") or {}
        if "averageUtilization" in target:
            text = f"{now['averageUtilization']}%" if "averageUtilization" in now else UNKNOWN
            text += f"/{target['averageUtilization']}%"
        else:
            text = f"{now.get('averageValue', UNKNOWN)}/{target.get('averageValue') or target.get('value') or '<auto>'}"
        texts.append(f"{source.get('name', metric.get('type', ''))}: {text}")
    return ", ".join(texts) or NONE


def _source(metric: Obj) -> tuple[str, Obj]:
    """The field in which a metric of its type says what it means (`containerResource`), and what stands there."""
    field = str(metric.get("type", ""))
    field = field[:1].lower() + field[1:]
    return field, metric.get(field) or {}


def _named(source: Obj) -> tuple[str | None, str | None]:
    return source.get("name"), source.get("container")


def _defaults(autoscaler: Obj) -> None:
    spec = autoscaler.setdefault("spec", {})
    podspec.unset(spec, "minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    if spec.get("behavior"):
        up, down = behaviour(spec)
        spec["behavior"] = {"scaleUp": up, "scaleDown": down}


def _rules(autoscaler: Obj) -> list[FieldError]:
    spec = autoscaler.get("spec") or {}
    found = checks.at_least(spec, "minReplicas", "spec", 1, "must be greater than or equal to 1")
    found += checks.at_least(spec, "maxReplicas", "spec", 1, "must be greater than 0")
    if not found and "maxReplicas" in spec and spec["maxReplicas"] < spec.get("minReplicas", 1):
        why = "must be greater than or equal to `minReplicas`"
        found.append(invalid("spec.maxReplicas", spec["maxReplicas"], why))
    for index, metric in enumerate(spec.get("metrics") or ()):
        found += _metric_rules(metric, f"spec.metrics[{index}]")
    for direction, rules in (spec.get("behavior") or {}).items():
        found += _behaviour_rules(rules or {}, f"spec.behavior.{direction}")
    return found


def _metric_rules(metric: Obj, path: str) -> list[FieldError]:
    if metric.get("type") not in _METRICS:
        return [unsupported(f"{path}.type", metric.get("type", ""), _METRICS)]
    field, source = _source(metric)
    if not source:
        return [required(f"{path}.{field}", "must populate information for the given metric source")]
    if not field.lower().endswith("resource"):
        return []
    found = [required(f"{path}.{field}.{key}") for key in _NEEDED[field] if not source.get(key)]
    target, path = source.get("target") or {}, f"{path}.{field}.target"
    if target.get("averageUtilization") is not None:
        found += checks.at_least(target, "averageUtilization", path, 1, "must be greater than 0")
        if target.get("averageValue") is not None:
            found.append(FieldError(path, "Forbidden: may not set both a target raw value and a target utilization"))
    elif target.get("averageValue") is None:
        found.append(required(path, "must set either a target raw value or a target utilization"))
    elif quantity.parse(target["averageValue"]) <= 0:
        found.append(invalid(f"{path}.averageValue", target["averageValue"], "must be positive"))
    return found


def _behaviour_rules(rules: Obj, path: str) -> list[FieldError]:
    found = checks.one_of(rules, "selectPolicy", path, ("Disabled", "Max", "Min"))
    if not 0 <= rules.get("stabilizationWindowSeconds", 0) <= _LONGEST_WINDOW:
        why = f"must be greater than or equal to zero and less than or equal to {_LONGEST_WINDOW}"
        found.append(invalid(f"{path}.stabilizationWindowSeconds", rules["stabilizationWindowSeconds"], why))
    if rules.get("policies") == []:
        found.append(required(f"{path}.policies", "must specify at least one Policy"))
    for index, policy in enumerate(rules.get("policies") or ()):
        place = f"{path}.policies[{index}]"
        found += checks.one_of(policy, "type", place, ("Percent", "Pods"))
        found += checks.at_least(policy, "value", place, 1, "must be greater than zero")
        if not 1 <= policy["periodSeconds"] <= LONGEST_PERIOD:
            why = f"must be greater than zero and less than or equal to {LONGEST_PERIOD}"
            found.append(invalid(f"{place}.periodSeconds", policy["periodSeconds"], why))
    return found


_METRICS = ("ContainerResource", "External", "Object", "Pods", "Resource")
_NEEDED = {"resource": ("name",), "containerResource": ("name", "container")}
_LONGEST_WINDOW = 3600  # seconds


def _of_processor(metric: Obj, field: str = "target") -> int | None:
    """The one target (or `current` figure) that autoscaling/v1 can express: the share of the processor."""
    source = metric.get("resource") or {}
    share = (source.get(field) or {}).get("averageUtilization")
    return share if source.get("name") == "cpu" and isinstance(share, int) else None


def _from_stored(autoscaler: Obj, _: Kind, version: str) -> Obj:
    if version != "v1":
        return autoscaler
    spec = {name: value for name, value in spec_of(autoscaler).items() if name not in ("metrics", "behavior")}
    shares = [share for metric in spec_of(autoscaler).get("metrics") or () if (share := _of_processor(metric))]
    if shares:
        spec["targetCPUUtilizationPercentage"] = shares[0]
    kept = ("currentReplicas", "desiredReplicas", "lastScaleTime", "observedGeneration")
    old = autoscaler.get("status") or {}
    status = {name: value for name, value in old.items() if name in kept}
    used = [now for metric in old.get("currentMetrics") or () if (now := _of_processor(metric, "current")) is not None]
    if used:
        status["currentCPUUtilizationPercentage"] = used[0]
    return {**autoscaler, "spec": spec} | ({"status": status} if "status" in autoscaler else {})


def _to_stored(autoscaler: Obj, _: Kind) -> Obj:
    spec = dict(spec_of(autoscaler))
    share = spec.pop("targetCPUUtilizationPercentage", None)
    if share is not None:
        target = {"type": "Utilization", "averageUtilization": share}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    return {**autoscaler, "apiVersion": "autoscaling/v2", "spec": spec}


STRATEGY = Strategy(
    "HorizontalPodAutoscaler",
    to_stored=_to_stored,
    from_stored=_from_stored,
    defaults=_defaults,
    rules=_rules,
    columns=(
        NAME,
        Column(
            "Reference",
            lambda obj, _: "{kind}/{name}".format_map(spec_of(obj).get("scaleTargetRef") or {"kind": "", "name": ""}),
        ),
        Column("Targets", _autoscaler_targets),
        Column("MinPods", at("spec", "minReplicas", default="<unset>")),
        Column("MaxPods", at("spec", "maxReplicas", default=0), type="integer"),
        Column("Replicas", at("status", "currentReplicas", default=0), type="integer"),
        AGE,
    ),
)
