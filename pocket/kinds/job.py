"""The kind Job: its defaults, rules and columns."""

from __future__ import annotations

import copy
import uuid
from datetime import datetime

from pocket.api import checks, podrules
from pocket.api.ages import duration, parse_time
from pocket.api.names import required, unsupported
from pocket.kinds import podspec
from pocket.kinds.columns import AGE, CONTAINERS, NAME, Column, meta, spec_of, status_of
from pocket.kinds.strategy import Strategy
from pocket.objects import FieldError, Obj
from pocket.store import Store


def _job_status(job: Obj, _: datetime) -> str:
    for entry in status_of(job).get("conditions") or ():
        if entry.get("status") != "True":
            continue
        if entry["type"] in ("Complete", "Failed", "Suspended", "FailureTarget", "SuccessCriteriaMet"):
            if entry["type"] == "Failed" or entry["type"] == "Complete":
                return str(entry["type"])
            if entry["type"] == "Suspended":
                return "Suspended"
    return "Terminating" if meta(job, "deletionTimestamp") else "Running"


def _job_completions(job: Obj, _: datetime) -> str:
    spec, done = spec_of(job), status_of(job).get("succeeded", 0)
    if spec.get("completions") is not None:
        return f"{done}/{spec['completions']}"
    parallel = spec.get("parallelism", 1)
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def _job_duration(job: Obj, moment: datetime) -> str:
    start = parse_time(status_of(job).get("startTime"))
    if start is None:
        return ""
    end = parse_time(status_of(job).get("completionTime")) or moment
    return duration((end - start).total_seconds())


def _defaults(job: Obj) -> None:
    spec = job.setdefault("spec", {})
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    podspec.unset(spec, "parallelism", 1)
    podspec.unset(spec, "backoffLimit", 6)
    spec.setdefault("completionMode", "NonIndexed")
    podspec.unset(spec, "suspend", False)
    spec.setdefault("podReplacementPolicy", "TerminatingOrFailed")
    spec.setdefault("manualSelector", False)
    podspec.template(spec.get("template"))
    if spec["manualSelector"] is False:
        del spec["manualSelector"]


def _rules(job: Obj) -> list[FieldError]:
    spec = job["spec"]
    found: list[FieldError] = []
    for field in ("parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"):
        found += checks.at_least(spec, field, "spec", 0, checks.NON_NEGATIVE)
    if spec.get("template") is None:
        return [*found, required("spec.template")]
    template = spec["template"]
    policy = (template.get("spec") or {}).get("restartPolicy")
    if policy == "Always":
        found.append(unsupported("spec.template.spec.restartPolicy", policy, ("OnFailure", "Never")))
    return found + podrules.template(template, spec.get("selector"), "spec.template", ("Always", "OnFailure", "Never"))


def _changes(new: Obj, old: Obj) -> list[FieldError]:
    found = []
    for field in ("completions", "selector", "template", "completionMode"):
        found += checks.same(new, old, "spec", field)
    return found


def _prepare(job: Obj, old: Obj | None, _: Store) -> None:
    """A Job finds its pods by its own uid (https://kubernetes.io/docs/concepts/workloads/controllers/job/)."""
    spec = spec_of(job)
    if old is not None:
        if "selector" in spec_of(old):
            job.setdefault("spec", {}).setdefault("selector", copy.deepcopy(old["spec"]["selector"]))
        return
    if spec.get("manualSelector") or not isinstance(spec.get("template"), dict):
        return
    uid = job["metadata"]["uid"] = str(uuid.uuid4())
    own = {"batch.kubernetes.io/controller-uid": uid, "controller-uid": uid}
    given = job["metadata"].get("name", "")
    template = spec["template"]["metadata"] = spec["template"].get("metadata") or {}
    named = {"batch.kubernetes.io/job-name": given, "job-name": given}
    template["labels"] = (template.get("labels") or {}) | own | named
    job["metadata"]["labels"] = job["metadata"].get("labels") or dict(template["labels"])
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}


STRATEGY = Strategy(
    "Job",
    fields=("status.successful",),
    aliases={"status.successful": ("status.succeeded",)},
    prepare=_prepare,
    defaults=_defaults,
    rules=_rules,
    changes=_changes,
    columns=(
        NAME,
        Column("Status", _job_status),
        Column("Completions", _job_completions),
        Column("Duration", _job_duration),
        AGE,
        *CONTAINERS,
    ),
)
