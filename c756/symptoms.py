"""What holds a pod up, each in one line and with its cure: from its object, as any cluster writes it. Pure.

The one definition of what "stuck" means: `pocket start` does not wait for a pod with symptoms, and tools/wait.sh gives
up where one of them is hopeless.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Json = Mapping[str, Any]

RESTARTS = 2
"""Crashes that count as hopeless: one may be bad luck (the datastore was away), the second is a pattern."""
LOG_LINES = 200
"""How much of a log to look through: what is wrong may stand before a backtrace."""
_LONGEST = 400  # characters of a line that people are to read

_PULL = ("ErrImagePull", "ImagePullBackOff")
_NEVER = ("ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError")
"""What the kubelet waits with, though only another object would help (pkg/kubelet/images in Kubernetes)."""
_CREATE = ("CreateContainerError", "RunContainerError")
_DENIED = r"not found|NotFound|manifest unknown|denied|unauthorized|forbidden|has not been built|is not there"
"""A registry's last word (containerd and pocket); others, as a network that is away, may change."""

CURES = (
    (
        r"inotify",
        "This user has no inotify instances left: end programs that watch files (editors), or: "
        "sudo sysctl fs.inotify.max_user_instances=1024",
    ),
    (r"[Aa]ddress already in use|EADDRINUSE", "Another program has that port: ss -ltnp shows which; end it"),
    (r"Too many open files", "Raise the limit of open files (ulimit -n) and start again"),
    (r"No space left on device|Disk quota exceeded", "Make room on the disk"),
    (
        r"executable file not found|\bexec\b.*no such file",
        "The image has no such program: mend the command in the Deployment, or the Dockerfile",
    ),
    (r'\b(secret|configmap) "[^"]*" not found|find key', "Make it, and the pod goes on by itself"),
)
"""By what a program, a kubelet or an Envoy says of itself."""


class Symptom(NamedTuple):
    """Something that keeps a pod from being ready."""

    container: str
    """Empty where it is the pod's."""
    what: str
    cure: str
    hopeless: bool = False
    """Waiting does not help: somebody has to do something."""
    crashed: bool = False
    """The end of its log says more (`kubectl logs --previous`)."""


def symptoms(pod: Json) -> list[Symptom]:
    """In the order of its containers; none of a pod that runs, comes up, or goes away."""
    status = pod.get("status") or {}
    if "deletionTimestamp" in pod["metadata"]:
        return []
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return [*_unscheduled(status), *(found for entry in containers for found in _waits(entry))]


def _unscheduled(status: Json) -> Iterator[Symptom]:
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            # Not hopeless: an autoscaler adds nodes.
            message = str(condition.get("message", "")).rstrip(".")
            yield Symptom(
                "", f"no node takes it: {message}", "Make room, add a node, or ask for less in the Deployment"
            )


def _waits(container: Json) -> Iterator[Symptom]:
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason, message = str(waiting.get("reason", "")), one_line(str(waiting.get("message", "")))
    name, image = str(container["name"]), container.get("image", "")
    if reason in _PULL or reason in _NEVER[:2]:
        hopeless = reason in _NEVER or re.search(_DENIED, message) is not None
        cure = "" if "Build it" in message else "Look whether it was pushed by that name, and the cluster may read it"
        yield Symptom(name, f"the image {image} cannot be had: {message or reason}", cure, hopeless)
    elif reason in _NEVER or reason in _CREATE:
        known = cure_of(message)
        yield Symptom(name, f"{reason}: {message}", known, reason in _NEVER or bool(known))
    elif reason == "CrashLoopBackOff":
        restarts = int(container.get("restartCount", 0))
        ended = (container.get("lastState") or {}).get("terminated") or {}
        said = reason_in(str(ended.get("message", "")))
        yield Symptom(name, crash(ended, restarts + 1, said), cure_of(said), restarts >= RESTARTS, crashed=True)


def crash(ended: Json, times: int, said: str) -> str:
    """One line on a container that has ended (its `terminated` state), `times` times, and what it said last."""
    how = {"OOMKilled": "ran out of memory", "StartError": "could not be started"}.get(
        str(ended.get("reason")), f"ended with exit code {ended.get('exitCode', '?')}"
    )
    often = f" ({times} times)" if times > 1 else ""
    return f"{how}{often}: {said}" if said else f"{how}{often}"


def cure_of(said: str) -> str:
    """What to do about it; empty where that depends."""
    return next((cure for pattern, cure in CURES if re.search(pattern, said)), "")


def with_cure(said: str) -> str:
    """In one line."""
    said = one_line(said)
    return f"{said.rstrip('.')}. {cure}" if (cure := cure_of(said)) else said


def one_line(text: str) -> str:
    """Its words, and not too many."""
    joined = " ".join(text.split())
    return joined if len(joined) <= _LONGEST else f"{joined[: _LONGEST - 3]}..."


_EXCEPTION = re.compile(r"[\w.]*(Error|Exception|Exit|Interrupt)\b(:|$)|Exception in thread |panic: ")
_BRACKETS = re.compile(r"(\[[^\]]*\] *)+")  # when, who, how bad: gunicorn, Envoy
_ERROR = re.compile(r"error|critical|fatal|failed|cannot", re.IGNORECASE)


def reason_in(log: str) -> str:
    """The one line of a log's end that says why a program ended: of what is worst the last, and not its backtrace."""
    ranked = [_judged(line) for line in log.splitlines() if line.strip()]
    worst = max((rank for rank, _ in ranked), default=0)
    return one_line(next((text for rank, text in reversed(ranked) if rank == worst), ""))


def _judged(line: str) -> tuple[int, str]:
    """How likely a line is the reason, and its text without what stands before it."""
    if line.startswith("{"):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = {}
        if thrown := str(entry.get("exception") or "").strip():
            return 3, thrown.splitlines()[-1]
        if isinstance(message := entry.get("message"), str):
            return (2 if entry.get("level") in ("error", "critical", "fatal") else 1), message
    before = found.group() if (found := _BRACKETS.match(line)) else ""
    text = line[len(before) :].strip()
    if "[backtrace]" in before or line[0].isspace() or re.match(r"#\d+:|Traceback ", text):
        return 0, text
    if "[critical]" in before or _EXCEPTION.match(text):
        return 3, text
    return (2 if _ERROR.search(line) else 1), text
