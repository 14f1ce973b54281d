"""The kind HorizontalPodAutoscaler: its defaults, rules and columns."""

from __future__ import annotations

from datetime import datetime

from pocket.api import checks
from pocket.api.ages import UNKNOWN
from pocket.api.names import invalid
from pocket.kinds import podspec
from pocket.kinds.columns import AGE, NAME, NONE, Column, at, spec_of
from pocket.kinds.strategy import Strategy
from pocket.objects import FieldError, Kind, Obj


def _autoscaler_targets(autoscaler: Obj, _: datetime) -> str:
    texts = []
    for metric in spec_of(autoscaler).get("metrics") or ():
        source = metric.get("resource") or metric.get("containerResource") or {}
        target, name = source.get("target") or {}, source.get("name", metric.get("type", ""))
        wanted = target.get("averageUtilization")
        texts.append(f"{name}: {UNKNOWN}/{wanted}%" if wanted is not None else f"{name}: {UNKNOWN}")
    return ", ".join(texts) or NONE


def _defaults(autoscaler: Obj) -> None:
    spec = autoscaler.setdefault("spec", {})
    podspec.unset(spec, "minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def _rules(autoscaler: Obj) -> list[FieldError]:
    spec = autoscaler.get("spec") or {}
    found = checks.at_least(spec, "minReplicas", "spec", 1, "must be greater than or equal to 1")
    found += checks.at_least(spec, "maxReplicas", "spec", 1, "must be greater than 0")
    if not found and "maxReplicas" in spec and spec["maxReplicas"] < spec.get("minReplicas", 1):
        why = "must be greater than or equal to `minReplicas`"
        found.append(invalid("spec.maxReplicas", spec["maxReplicas"], why))
    return found


def _of_processor(metric: Obj) -> int | None:
    """The one target that autoscaling/v1 can express: the share of the processor."""
    source = metric.get("resource") or {}
    share = (source.get("target") or {}).get("averageUtilization")
    return share if source.get("name") == "cpu" and isinstance(share, int) else None


def _from_stored(autoscaler: Obj, _: Kind, version: str) -> Obj:
    if version != "v1":
        return autoscaler
    spec = {name: value for name, value in spec_of(autoscaler).items() if name not in ("metrics", "behavior")}
    shares = [share for metric in spec_of(autoscaler).get("metrics") or () if (share := _of_processor(metric))]
    if shares:
        spec["targetCPUUtilizationPercentage"] = shares[0]
    kept = ("currentReplicas", "desiredReplicas", "lastScaleTime", "observedGeneration")
    status = {name: value for name, value in (autoscaler.get("status") or {}).items() if name in kept}
    return {**autoscaler, "spec": spec} | ({"status": status} if "status" in autoscaler else {})


_SCALES_NOTHING = "pocket scales nothing by itself, this object has no effect: use kubectl top and kubectl scale"


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
    warnings=lambda _: [_SCALES_NOTHING],
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
