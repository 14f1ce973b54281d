"""Admission webhooks, called over loopback: who is asked about a write, in which order, and what their answers mean.

A write is one step of the event loop, and a webhook's answer takes time. So a write that wants to ask stops
(`Unanswered`), the question is put, and the write is made once more, with the answer; where the object has changed
meanwhile, the question is another one. Objects that pocket's own controllers make are not asked about.
https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import ssl
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import aiohttp

from pocket.api import errors, patch, selectors
from pocket.api.errors import ApiError
from pocket.api.rbac import User
from pocket.api.target import Target
from pocket.objects import Kind, Obj, labels_of, name_of
from pocket.schemas import cel
from pocket.sockets import Address
from pocket.store import Store

Stage = Literal["mutate", "validate"]
Operation = Literal["CREATE", "UPDATE", "DELETE"]
Admit = Callable[[Stage, Operation, Obj, Obj | None], Obj]
"""Stage, operation, new object (of a DELETE: none), old one; the object as the webhooks leave it. Objects as stored."""
T = TypeVar("T")

KINDS: dict[Stage, str] = {"mutate": "MutatingWebhookConfiguration", "validate": "ValidatingWebhookConfiguration"}
_ATTEMPTS = 5  # of a write whose object changes while webhooks are asked
_OPTIONS = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}


@dataclass(frozen=True)
class Asked:
    """A write, as webhooks hear of it."""

    target: Target
    user: User
    dry_run: bool = False


@dataclass(frozen=True)
class Told:
    """What a webhook answered, and the version in which it heard of the object."""

    version: str
    answer: Obj


class Unanswered(Exception):
    """A write has to wait for what webhooks say."""

    def __init__(self, stage: Stage, operation: Operation, new: Obj, old: Obj | None) -> None:
        super().__init__(stage)
        self.stage, self.operation, self.new, self.old = stage, operation, new, old


class Webhooks:
    """`service` finds where a Service's port is served (raises ApiError); `shown` and `stored` convert versions."""

    def __init__(
        self,
        store: Store,
        service: Callable[[Obj, str], Address],
        shown: Callable[[Obj, Target], Obj],
        stored: Callable[[Obj, Kind], Obj],
    ) -> None:
        self._store = store
        self._service = service
        self._shown = shown
        self._stored = stored

    async def write(self, asked: Asked, call: Callable[[Admit | None], T]) -> tuple[T, list[str]]:
        """Make a write, and what to warn about. Raises ApiError."""
        if not any(self._hooks(stage) for stage in KINDS) or asked.target.kind.key in KINDS.values():
            return call(None), []
        warnings: list[str] = []
        answers: dict[tuple[str, str, str], Obj] = {}

        def admit(stage: Stage, operation: Operation, new: Obj, old: Obj | None) -> Obj:
            known = answers.get(_question(stage, operation, old))
            if known is None:
                raise Unanswered(stage, operation, copy.deepcopy(new), copy.deepcopy(old))
            return copy.deepcopy(known)

        for _ in range(_ATTEMPTS * len(KINDS)):
            try:
                return call(admit), warnings
            except Unanswered as question:
                answer = self._mutated if question.stage == "mutate" else self._validated
                answers[_question(question.stage, question.operation, question.old)] = await answer(
                    asked, question, warnings
                )
        raise errors.conflict(asked.target.kind, asked.target.name or "")

    # -- the two stages -----------------------------------------------------------------------------------------------

    async def _mutated(self, asked: Asked, question: Unanswered, warnings: list[str]) -> Obj:
        """In the order of their names, one after the other; who wants it (IfNeeded) is asked once more where others
        have changed the object after it."""
        left: dict[str, Obj] = {}
        for again in (False, True):
            for key, hook in self._hooks("mutate"):
                if again and (
                    hook.get("reinvocationPolicy") != "IfNeeded" or left.get(key, question.new) == question.new
                ):
                    continue
                if again and key not in left:
                    continue
                told = await self._ask(asked, question, hook, warnings)
                if told is not None:
                    if told.answer.get("patch"):
                        question.new = self._patched(asked, hook, question.new, told)
                    left[key] = question.new
        return question.new

    async def _validated(self, asked: Asked, question: Unanswered, warnings: list[str]) -> Obj:
        """All at once; the first that denies decides."""
        hooks = self._hooks("validate")
        results = await asyncio.gather(
            *(self._ask(asked, question, hook, warnings) for _, hook in hooks), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return question.new

    def _hooks(self, stage: Stage) -> list[tuple[str, Obj]]:
        found = sorted(self._store.list(KINDS[stage]), key=name_of)
        return [(f"{name_of(entry)}/{hook['name']}", hook) for entry in found for hook in entry.get("webhooks") or ()]

    # -- one of them --------------------------------------------------------------------------------------------------

    async def _ask(self, asked: Asked, question: Unanswered, hook: Obj, warnings: list[str]) -> Told | None:
        """Its answer; None where it has nothing to say here. Raises ApiError where it denies, or has to be heard."""
        version = self._version(asked.target, question, hook)
        if version is None:
            return None
        name = hook["name"]
        review = self._review(asked, question, version)
        try:
            if not _holds(hook, review):
                return None
        except ValueError as error:
            if hook["failurePolicy"] == "Ignore":
                return None
            raise errors.forbidden(asked.target.kind, asked.target.name or "", str(error)) from None
        if asked.dry_run and hook.get("sideEffects") not in ("None", "NoneOnDryRun"):
            raise errors.bad_request(f'admission webhook "{name}" does not support dry run')
        try:
            answer = await self._call(hook, review)
        except (OSError, TimeoutError, ValueError, aiohttp.ClientError, ApiError) as error:
            why = f"failed calling webhook {json.dumps(name)}: failed to call webhook: {error or type(error).__name__}"
            if hook["failurePolicy"] == "Ignore":
                return None
            raise ApiError(500, "InternalError", f"Internal error occurred: {why}") from None
        warnings += [str(entry) for entry in answer.get("warnings") or ()]
        if not answer.get("allowed"):
            raise _denied(name, answer.get("status") or {})
        return Told(version, answer)

    def _version(self, target: Target, question: Unanswered, hook: Obj) -> str | None:
        """The version in which it wants to hear of the object; None where it does not."""
        if not self._chosen(target, question, hook):
            return None
        kind = target.kind
        equal: list[str] = [version for version in kind.versions if version != target.version]
        version: str
        for version in [target.version, *(equal if hook["matchPolicy"] == "Equivalent" else ())]:
            if any(_covers(rule, target, version, question.operation) for rule in hook.get("rules") or ()):
                return version
        return None

    def _chosen(self, target: Target, question: Unanswered, hook: Obj) -> bool:
        """By its selectors: the labels of the namespace, and those of the object, new or old."""
        namespace: Obj | None = None
        if target.kind.key == "Namespace":
            namespace = question.new or question.old
        elif target.namespace is not None:
            namespace = self._store.find("Namespace", None, target.namespace)
        if namespace is not None and not selectors.selector_matches(hook["namespaceSelector"], labels_of(namespace)):
            return False
        either = [obj for obj in (question.new, question.old) if obj]
        return any(selectors.selector_matches(hook["objectSelector"], labels_of(obj)) for obj in either)

    def _review(self, asked: Asked, question: Unanswered, version: str) -> Obj:
        target, kind = asked.target, asked.target.kind
        heard = Target(kind, version, target.namespace, target.name)
        subject = question.new or question.old or {}
        request: Obj = {
            "uid": str(uuid.uuid4()),
            "kind": {"group": kind.group, "version": version, "kind": kind.name},
            "resource": {"group": kind.group, "version": version, "resource": kind.plural},
            "requestKind": {"group": kind.group, "version": target.version, "kind": kind.name},
            "requestResource": {"group": kind.group, "version": target.version, "resource": kind.plural},
            "name": str(subject["metadata"].get("name") or ""),
            "operation": question.operation,
            "userInfo": asked.user.info(),
            "object": self._shown(question.new, heard) if question.new else None,
            "oldObject": self._shown(question.old, heard) if question.old else None,
            "dryRun": asked.dry_run,
            "options": {"kind": _OPTIONS[question.operation], "apiVersion": "meta.k8s.io/v1"},
        }
        if target.namespace is not None:
            request["namespace"] = target.namespace
        if target.subresource:
            request |= {"subResource": target.subresource, "requestSubResource": target.subresource}
        return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}

    async def _call(self, hook: Obj, review: Obj) -> Obj:
        """Raises OSError, TimeoutError, ValueError, aiohttp.ClientError, ApiError."""
        client, seconds = hook["clientConfig"], hook["timeoutSeconds"]
        authority = base64.b64decode(client.get("caBundle") or "").decode()
        context = ssl.create_default_context(cadata=authority or None)
        url, server = str(client.get("url", "")), None
        connector: aiohttp.BaseConnector = aiohttp.TCPConnector()
        if service := client.get("service"):
            server = f"{service['name']}.{service['namespace']}.svc"
            found = self._store.find("Service", service["namespace"], service["name"])
            if found is None:
                raise ValueError(f'service "{service["name"]}" not found')
            address = self._service(found, str(service["port"]))
            path = str(service.get("path") or "/").lstrip("/")
            if isinstance(address, tuple):
                url = f"https://{address[0]}:{address[1]}/{path}"
            else:
                url, connector = f"https://{server}/{path}", aiohttp.UnixConnector(str(address))
        timeout = aiohttp.ClientTimeout(total=seconds)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            asking = session.post(
                url, json=review, params={"timeout": f"{seconds}s"}, ssl=context, server_hostname=server,
                allow_redirects=False,
            )  # fmt: skip
            async with asking as response:
                if response.status != 200:
                    raise ValueError(f"the server answered with the status {response.status}")
                answer: Any = json.loads(await response.read())
        told = answer.get("response") if isinstance(answer, dict) else None
        if not isinstance(told, dict) or told.get("uid") != review["request"]["uid"]:
            raise ValueError("expected an AdmissionReview whose response has the uid of the request")
        return told

    def _patched(self, asked: Asked, hook: Obj, new: Obj, told: Told) -> Obj:
        """The object with a webhook's patch, which was written for the version that the webhook heard of."""
        kind = asked.target.kind
        try:
            if told.answer.get("patchType") != "JSONPatch":
                raise ValueError(f"unsupported patchType {told.answer.get('patchType')!r}")
            operations = json.loads(base64.b64decode(told.answer["patch"], validate=True))
            heard = self._shown(new, Target(kind, told.version, asked.target.namespace, asked.target.name))
            changed = patch.json_patch(heard, operations)
            if not isinstance(changed, dict) or not isinstance(changed.get("metadata"), dict):
                raise ValueError("the patch leaves no object")
            for field in ("name", "namespace"):
                if changed["metadata"].get(field) != new["metadata"].get(field):
                    raise ValueError(f"the patch changes metadata.{field}")
            return self._stored(changed, kind)
        except (ValueError, patch.PatchError) as error:
            why = f'failed calling webhook "{hook["name"]}": {error}'
            raise ApiError(500, "InternalError", f"Internal error occurred: {why}") from None


def _question(stage: str, operation: str, old: Obj | None) -> tuple[str, str, str]:
    """Who changes an old object gets another answer; a new one is the same as long as its request is."""
    return stage, operation, "" if old is None else f"{old['metadata']['uid']}/{old['metadata']['resourceVersion']}"


def _covers(rule: Obj, target: Target, version: str, operation: str) -> bool:
    """Does a rule name this write?"""
    kind = target.kind
    scope = "Namespaced" if kind.namespaced else "Cluster"
    if not (
        _has(rule["operations"], operation)
        and _has(rule["apiGroups"], kind.group)
        and _has(rule["apiVersions"], version)
        and rule["scope"] in ("*", scope)
    ):
        return False
    below = target.subresource
    names = {f"{kind.plural}/{below}", f"{kind.plural}/*", f"*/{below}"} if below else {kind.plural, "*"}
    return bool({"*/*", *names} & set(rule["resources"]))


def _has(entries: list[str], wanted: str) -> bool:
    return "*" in entries or wanted in entries


def _holds(hook: Obj, review: Obj) -> bool:
    """Do all match conditions hold? One that is false decides before one that fails. Raises ValueError."""
    problems = []
    for condition in hook.get("matchConditions") or ():
        variables = {name: review["request"].get(name) for name in ("object", "oldObject")}
        variables["request"] = review["request"]
        try:
            if cel.evaluate(condition["expression"], variables) is not True:
                return False
        except Exception as error:  # the library's own errors have no common base
            problems.append(f"{condition['name']}: {error}")
    if problems:
        raise ValueError(f'webhook "{hook["name"]}": match conditions cannot be evaluated: {"; ".join(problems)}')
    return True


def _denied(name: str, status: Obj) -> ApiError:
    """As ToStatusErr of apiserver/pkg/admission/plugin/webhook/errors puts it."""
    why = status.get("message") or status.get("reason")
    message = f'admission webhook "{name}" denied the request' + (f": {why}" if why else " without explanation")
    return ApiError(
        max(int(status.get("code") or 0), 400), str(status.get("reason") or ""), message, status.get("details")
    )
