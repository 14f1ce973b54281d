"""The canary's hands: VirtualServices, Deployments and events, through kubectl."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from typing import Any

from c756 import kubectl
from c756.canary import routes
from c756.canary.routes import Extras, Json, Split
from c756.canary.state import ANNOTATION, State
from c756.trouble import Trouble

SERVICE = "cmpt756s2"
HOSTS = routes.names_of(SERVICE, kubectl.NAMESPACE)
_PATIENCE = "--request-timeout=10s"
_COMPONENT = "c756-canary"


class Edited(Trouble):
    """Somebody else changed the routes. The canary leaves them alone from then on."""


class Taken(Trouble):
    """Another canary was faster."""


def deploy(version: str) -> None:
    """Build the version and run it beside the others, without traffic. Raises Trouble."""
    command = ("make", "-e", "--no-print-directory", "-f", "k8s.mak", "s2-code")
    done = subprocess.run(
        ["env", f"S2_VER={version}", *command], cwd=kubectl.ROOT, stdout=sys.stderr, check=False, start_new_session=True
    )
    if done.returncode != 0:
        raise Trouble(f"{version} was not deployed, or did not become ready (see above). No traffic was sent to it")


def ready_pods(version: str) -> int | None:
    """How many pods of the version serve; None where it has no Deployment. Raises Trouble."""
    name = f"deployment/{SERVICE}-{version}"
    found = _ask("get", name, "--ignore-not-found", "-o", "json")
    return int(json.loads(found).get("status", {}).get("availableReplicas") or 0) if found.strip() else None


def virtual_services() -> list[Json]:
    """All of the namespace. Raises Trouble."""
    found: list[Json] = json.loads(_ask("get", "virtualservices.networking.istio.io", "-o", "json"))["items"]
    return found


def _ask(*arguments: str, piped: str | None = None) -> str:
    return kubectl.ask("-n", kubectl.NAMESPACE, *arguments, _PATIENCE, piped=piped)


class Traffic:
    """The routes in the hands of one canary. What it wrote last is known, so it notices when others write."""

    def __init__(self, split: Split, found: list[Json]) -> None:
        """Raises Trouble where nothing was found that carries the weights."""
        if not found:
            raise Trouble(
                f"no VirtualService in {kubectl.NAMESPACE} shares traffic between {split.stable} and {split.canary}",
                "First routes: make -f k8s.mak routes",
            )
        self.split = split
        self._mine = found

    @property
    def first(self) -> Json:
        """The VirtualService that has the annotation."""
        return self._mine[0]

    def check(self, state: State) -> None:
        """Raises Edited where the routes, or the annotation, are no longer as this canary left them; Trouble."""
        now = routes.carriers(virtual_services(), self.split)
        if [one["metadata"]["name"] for one in now] != [one["metadata"]["name"] for one in self._mine]:
            raise Edited("the VirtualServices that carry the weights are others than before")
        for mine, other in zip(self._mine, now, strict=True):
            if mine["spec"] != other["spec"]:
                share = routes.weight(other, self.split)
                raise Edited(
                    f"somebody changed the VirtualService {other['metadata']['name']}"
                    + (f": {self.split.canary} has {share} % there" if share is not None else "")
                )
        text = (now[0]["metadata"].get("annotations") or {}).get(ANNOTATION)
        if text is None or json.loads(text).get("id") != state.id:
            raise Edited("somebody ended this canary (tools/canary.sh abort, or another one)")
        self._mine = now

    def write(self, state: State | None, weight: int | None = None, extras: Extras | None = None) -> None:
        """State, and where given weight and extras, at once. None: the canary is over. Raises Taken, Trouble."""
        for number, service in enumerate(self._mine):
            patch: Json = {"metadata": {"resourceVersion": service["metadata"]["resourceVersion"]}}
            if number == 0:
                patch["metadata"]["annotations"] = {ANNOTATION: state.text() if state else None}
            if weight is not None:
                split = Split(self.split.hosts, self.split.stable, self.split.canary, weight)
                patch["spec"] = {"http": routes.rules(service["spec"]["http"], split, extras)}
            if number == 0 or weight is not None:
                self._mine[number] = _patch(service, patch)

    def over(self, weight: int) -> bool:
        """Is there no canary any more, and has the version this weight everywhere? Raises Trouble."""
        found = routes.carriers(virtual_services(), self.split)
        return all(
            routes.weight(one, self.split) == weight and ANNOTATION not in (one["metadata"].get("annotations") or {})
            for one in found
        )

    def leave(self, state: State) -> None:
        """After others changed something: away with what is this canary's own, nothing else. Raises Taken, Trouble."""
        for service in routes.carriers(virtual_services(), self.split):
            text = (service["metadata"].get("annotations") or {}).get(ANNOTATION)
            if text is not None and json.loads(text).get("id") != state.id:
                return  # another canary's, by now
            patch: Json = {"metadata": {"resourceVersion": service["metadata"]["resourceVersion"]}}
            if text is not None:
                patch["metadata"]["annotations"] = {ANNOTATION: None}
            if (http := routes.cleaned(service["spec"]["http"])) != service["spec"]["http"]:
                patch["spec"] = {"http": http}
            if len(patch) > 1 or len(patch["metadata"]) > 1:
                _patch(service, patch)

    def event(self, reason: str, message: str, warning: bool = False) -> None:
        """For `kubectl describe virtualservice`. Raises Trouble."""
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        name = self.first["metadata"]["name"]
        event: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{name}.canary-", "namespace": kubectl.NAMESPACE},
            "involvedObject": {
                "apiVersion": self.first["apiVersion"],
                "kind": "VirtualService",
                "name": name,
                "namespace": kubectl.NAMESPACE,
                "uid": self.first["metadata"]["uid"],
            },
            "reason": reason,
            "message": message[:1024],  # the API's limit
            "type": "Warning" if warning else "Normal",
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "source": {"component": _COMPONENT},
        }
        _ask("create", "-f", "-", piped=json.dumps(event))


def _patch(service: Json, patch: Json) -> Json:
    name = f"virtualservice.networking.istio.io/{service['metadata']['name']}"
    try:
        answer = _ask(
            "patch", name, "--type=merge", f"--field-manager={_COMPONENT}", "-o", "json", "-p", json.dumps(patch)
        )
    except Trouble as trouble:
        if "(Conflict)" in str(trouble):
            raise Taken(f"somebody else wrote to the {name} at the same moment") from None
        raise
    found: Json = json.loads(answer)
    return found
