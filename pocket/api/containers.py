"""Which container of a pod is meant, and is it in a state to be asked? With the real server's refusals."""

from __future__ import annotations

from pocket.api import errors
from pocket.objects import Obj, name_of

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


def choose(pod: Obj, wanted: str) -> str:
    """The container that the client names, or the pod's only one. Raises ApiError 400."""
    known = container_names(pod)
    if wanted:
        if wanted not in known:
            raise errors.bad_request(f"container {wanted} is not valid for pod {name_of(pod)}")
        return wanted
    containers = [str(entry["name"]) for entry in (pod.get("spec") or {}).get("containers") or ()]
    default = (pod["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER)
    if default in containers:
        return str(default)
    if len(containers) != 1:
        raise errors.bad_request(
            f"a container name must be specified for pod {name_of(pod)}, choose one of: [{' '.join(known)}]"
        )
    return containers[0]


def container_names(pod: Obj) -> list[str]:
    """All of the pod, init containers last."""
    spec = pod.get("spec") or {}
    return [str(entry["name"]) for group in ("containers", "initContainers") for entry in spec.get(group) or ()]


def state_of(pod: Obj, container: str) -> Obj:
    """The entry of the container in the pod's status; {} before the kubelet wrote one."""
    status = pod.get("status") or {}
    for group in ("containerStatuses", "initContainerStatuses"):
        for entry in status.get(group) or ():
            if entry.get("name") == container:
                return dict(entry)
    return {}


def is_running(pod: Obj, container: str) -> bool:
    return (state_of(pod, container).get("state") or {}).get("running") is not None


def refuse_log(pod: Obj, container: str, previous: bool) -> None:
    """Raises ApiError 400 when there cannot be a log yet."""
    state = state_of(pod, container)
    current, last = state.get("state") or {}, state.get("lastState") or {}
    name = name_of(pod)
    if previous:
        if not last.get("terminated") and not int(state.get("restartCount", 0)):
            raise errors.bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
        return
    if current.get("running") or current.get("terminated") or last.get("terminated"):
        return
    reason = (current.get("waiting") or {}).get("reason") or "ContainerCreating"
    trouble = {
        "ErrImagePull": "image can't be pulled",
        "ImagePullBackOff": "trying and failing to pull image",
        "ErrImageNeverPull": "image can't be pulled",
    }.get(reason, reason)
    raise errors.bad_request(f'container "{container}" in pod "{name}" is waiting to start: {trouble}')


def refuse_forward(pod: Obj) -> None:
    """Raises ApiError when the pod does not run."""
    phase = (pod.get("status") or {}).get("phase")
    if phase != "Running":
        raise errors.bad_request(f"unable to forward port because pod is not running. Current status={phase}")


def refuse_exec(pod: Obj, container: str) -> None:
    """Raises ApiError when the pod has ended, or the container does not run."""
    phase = (pod.get("status") or {}).get("phase")
    if phase in ("Succeeded", "Failed"):
        raise errors.bad_request(f"cannot exec into a container in a completed pod; current phase is {phase}")
    if not is_running(pod, container):
        message = f'container not found ("{container}"): it is not running in pod "{name_of(pod)}"'
        raise errors.ApiError(500, "InternalError", f"Internal error occurred: {message}")
