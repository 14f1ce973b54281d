from __future__ import annotations

from typing import Any

import pytest

from pocket.controllers import job as jobs
from pocket.controllers.job import INDEX, back_off, decide, pod_for, ranges
from pocket.objects import Obj, condition, name_of
from tests.pocket.controllers.kit import NOW, ago, pod, template


def job(status: Obj | None = None, **spec: Any) -> Obj:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j", "namespace": "ns", "uid": "j"},
        "spec": {"completions": 1, "parallelism": 1, "template": template(), **spec},
        **({"status": status} if status else {}),
    }


def ended(owner: Obj, phase: str, seconds: float = 5, **more: Any) -> Obj:
    entry = pod(owner=owner, phase=phase, ready=False, **more)
    entry["status"]["containerStatuses"] = [{"state": {"terminated": {"finishedAt": ago(seconds)}}}]
    return entry


def conditions(plan: jobs.Plan) -> dict[str, str]:
    return {
        entry["type"]: entry["reason"] for entry in plan.status.get("conditions") or () if entry["status"] == "True"
    }


def test_it_starts_with_as_many_pods_as_may_run_at_a_time() -> None:
    plan = decide(job(completions=5, parallelism=3), [], NOW)
    assert plan.create == [None] * 3
    assert plan.status["startTime"] == ago(0)
    assert decide(job(completions=2, parallelism=3), [], NOW).create == [None] * 2


def test_it_completes() -> None:
    owner = job()
    plan = decide(owner, [ended(owner, "Succeeded")], NOW)
    assert conditions(plan) == {"SuccessCriteriaMet": "CompletionsReached", "Complete": "CompletionsReached"}
    assert (plan.status["succeeded"], plan.status["active"]) == (1, 0)
    assert plan.status["completionTime"] == ago(0)
    assert plan.create == []


def test_more_completions_need_more_pods() -> None:
    owner = job(completions=3, parallelism=2)
    plan = decide(owner, [ended(owner, "Succeeded"), pod(owner=owner)], NOW)
    assert plan.create == [None]
    assert conditions(plan) == {}


def test_a_work_queue_is_done_when_one_succeeded_and_none_runs() -> None:
    owner = job(completions=None, parallelism=2)
    running = decide(owner, [ended(owner, "Succeeded"), pod(owner=owner)], NOW)
    assert (running.create, conditions(running)) == ([], {})
    assert "Complete" in conditions(decide(owner, [ended(owner, "Succeeded")], NOW))


def test_failures_are_tried_again_after_a_pause() -> None:
    owner = job(backoffLimit=2)
    plan = decide(owner, [ended(owner, "Failed", seconds=4)], NOW)
    assert (plan.create, plan.wake) == ([], 6)
    assert decide(owner, [ended(owner, "Failed", seconds=11)], NOW).create == [None]


def test_the_pauses_grow() -> None:
    owner = job()
    failed = [ended(owner, "Failed", seconds=0) for _ in range(8)]
    assert [back_off(failed[:count], NOW) for count in range(8)] == [0, 10, 20, 40, 80, 160, 320, 360]


def test_too_many_failures_are_the_end() -> None:
    owner = job(backoffLimit=0)
    other = pod(owner=owner)
    plan = decide(owner, [ended(owner, "Failed"), other], NOW)
    assert conditions(plan)["Failed"] == "BackoffLimitExceeded"
    assert plan.delete == [other]
    assert plan.events == [("Warning", "BackoffLimitExceeded", "Job has reached the specified backoff limit")]


def test_restarts_inside_a_pod_count_as_well() -> None:
    owner = job(backoffLimit=3)
    running = pod(owner=owner)
    running["spec"]["restartPolicy"] = "OnFailure"
    running["status"]["containerStatuses"] = [{"restartCount": 4}]
    assert conditions(decide(owner, [running], NOW))["Failed"] == "BackoffLimitExceeded"


def test_a_deadline() -> None:
    owner = job({"startTime": ago(50)}, activeDeadlineSeconds=60)
    assert decide(owner, [pod(owner=owner)], NOW).wake == 10
    late = job({"startTime": ago(61)}, activeDeadlineSeconds=60)
    running = pod(owner=late)
    plan = decide(late, [running], NOW)
    assert conditions(plan)["Failed"] == "DeadlineExceeded"
    assert plan.delete == [running]


def test_what_has_ended_stays_and_expires() -> None:
    done = {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": ago(20)}], "succeeded": 1}
    assert decide(job(done), [], NOW).create == []
    assert not decide(job(done), [], NOW).remove
    waiting = decide(job(done, ttlSecondsAfterFinished=30), [], NOW)
    assert (waiting.remove, waiting.wake) == (False, 10)
    assert decide(job(done, ttlSecondsAfterFinished=20), [], NOW).remove


def test_indexed() -> None:
    owner = job(completions=5, parallelism=2, completionMode="Indexed")
    done = [ended(owner, "Succeeded", annotations={INDEX: str(index)}) for index in (0, 1, 3)]
    running = pod(owner=owner, annotations={INDEX: "2"})
    plan = decide(owner, [*done, running], NOW)
    assert plan.create == [4]
    assert plan.status["completedIndexes"] == "0-1,3"
    assert plan.status["succeeded"] == 3


@pytest.mark.parametrize(("indexes", "text"), [(set(), ""), ({4}, "4"), ({0, 1, 2, 5, 7, 8}, "0-2,5,7-8")])
def test_ranges(indexes: set[int], text: str) -> None:
    assert ranges(indexes) == text


def test_suspended_and_resumed() -> None:
    owner = job(suspend=True)
    running = pod(owner=owner)
    plan = decide(owner, [running], NOW)
    assert plan.delete == [running]
    assert "startTime" not in plan.status
    resumed = decide(job(plan.status), [], NOW)
    assert resumed.create == [None]
    assert (condition({"status": resumed.status}, "Suspended") or {})["status"] == "False"


def test_too_many_pods_go_youngest_first() -> None:
    owner = job(completions=5, parallelism=1)
    old, young = pod("old", owner=owner, created=50), pod("young", owner=owner, created=5)
    assert [name_of(entry) for entry in decide(owner, [old, young], NOW).delete] == ["young"]


def test_its_pods_are_marked() -> None:
    made = pod_for(job(), 3)
    assert made["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "j"
    assert made["metadata"]["annotations"][INDEX] == "3"
    assert made["spec"]["containers"][0]["env"][-1]["name"] == "JOB_COMPLETION_INDEX"
    assert INDEX not in pod_for(job(), None)["metadata"].get("annotations", {})
