"""The requests about resources: get, list, watch, create, replace, patch, delete and the plain subresources."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from aiohttp import web

from pocket.api import (
    decode,
    discovery,
    disruptions,
    errors,
    paging,
    patch,
    protobuf,
    scaling,
    selectors,
    strategic,
    tables,
    watching,
    webhooks,
)
from pocket.api import web as w
from pocket.api.errors import ApiError
from pocket.api.rbac import Access
from pocket.api.registry import DeleteOptions, Registry, Result, WriteOptions
from pocket.api.target import Target
from pocket.api.webhooks import Webhooks
from pocket.kinds import strategy
from pocket.kinds.columns import Column
from pocket.objects import FieldError, Obj
from pocket.schemas.model import Struct

_MERGE = "application/merge-patch+json"
_JSON = "application/json-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"
_APPLY = "application/apply-patch+yaml"
_PLAIN = (protobuf.MEDIA_TYPE, "", "application/json", "application/yaml", "application/octet-stream", "text/plain")


_NO_DEBUGGING = (
    "not supported by pocket: a container is a process with the machine's own programs: use `kubectl exec -it POD -- "
    "sh`, or `kubectl debug POD --copy-to=NAME --image=IMAGE` with an image that was built here"
)


class Resources:
    """Handlers of the requests that mean a resource."""

    def __init__(
        self, registry: Registry, access: Access, streams: set[asyncio.Task[object]], webhooks: Webhooks
    ) -> None:
        self._registry = registry
        self._webhooks = webhooks
        self._access = access
        self._streams = streams
        self._pages = paging.Pages()

    async def handle(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Answer a request. Raises ApiError."""
        w.refuse_unreadable(request)
        if target.subresource == "scale":
            return await self._scale(request, target)
        if target.subresource == "eviction":
            return await self._evict(request, target)
        if target.subresource == "finalize":
            return await self._finalize(request, target)
        if target.subresource == "ephemeralcontainers" and request.method in ("PATCH", "PUT"):
            self._registry.get(replace(target, subresource=""))
            problem = FieldError("spec.ephemeralContainers", _NO_DEBUGGING)
            raise errors.invalid(target.kind, target.name or "", [problem])
        if target.subresource == "approval":  # of CertificateSigningRequests: a part of their status
            target = replace(target, subresource="status")
        if target.subresource not in ("", "status", "ephemeralcontainers"):
            raise errors.method_not_allowed()
        match request.method, target.name is not None:
            case "GET", True if not w.flag(request, "watch"):
                return self._get(request, target)
            case "GET", _:
                return await self._list_or_watch(request, target)
            case "POST", False:
                return await self._create(request, target)
            case "PUT", True:
                return await self._replace(request, target)
            case "PATCH", True:
                return await self._patch(request, target)
            case "DELETE", True if not target.subresource:
                return await self._delete(request, target)
            case "DELETE", False:
                return await self._delete_collection(request, target)
        raise errors.method_not_allowed()

    # -- reading ------------------------------------------------------------------------------------------------------

    def _get(self, request: web.Request, target: Target) -> web.Response:
        obj = self._registry.get(target)
        return w.answer(self._formed(request, target, obj))

    def _formed(self, request: web.Request, target: Target, obj: Obj) -> Obj:
        """One object in the form that the client reads."""
        match w.accept(request).form:
            case "table":
                meta = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
                return self._table(request, target, [obj], meta)
            case "partial":
                return tables.partial(obj)
        return obj

    async def _list_or_watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        fields = request.query.get("fieldSelector", "")
        if target.name is not None:
            fields = f"metadata.name={target.name}" + (f",{fields}" if fields else "")
        if target.kind.namespaced and target.namespace is None and request.method != "GET":
            raise errors.method_not_allowed()
        predicate = selectors.predicate(target.kind, request.query.get("labelSelector", ""), fields)
        if w.flag(request, "watch"):
            store, columns = self._registry.store, self._columns(target)
            return await watching.serve(request, store, target, columns, predicate, self._streams)
        page = self._pages.page(request, target, self._registry, predicate)
        objects, meta = page.objects, page.metadata
        match w.accept(request).form:
            case "table":
                return w.answer(self._table(request, target, objects, meta))
            case "partial":
                return w.answer(
                    {
                        "kind": "PartialObjectMetadataList",
                        "apiVersion": "meta.k8s.io/v1",
                        "metadata": meta,
                        "items": [tables.partial(obj) for obj in objects],
                    }
                )
        return w.answer(_list(target, objects, meta))

    def _table(self, request: web.Request, target: Target, objects: list[Obj], meta: Obj) -> Obj:
        made = tables.table(self._columns(target), objects, watching.included(request), meta)
        return {**made, "apiVersion": f"meta.k8s.io/{w.accept(request).version}"}

    def _columns(self, target: Target) -> tuple[Column, ...] | None:
        return self._registry.kinds.columns(target.kind, target.version) or strategy(target.kind).columns

    # -- writing ------------------------------------------------------------------------------------------------------

    async def _create(self, request: web.Request, target: Target) -> web.Response:
        if target.kind.namespaced and target.namespace is None:
            raise errors.method_not_allowed()
        obj, duplicates = await _body_object(request, target)
        return await self._write(
            request, target, lambda options: self._registry.create(target, copy.deepcopy(obj), duplicates, options)
        )

    async def _replace(self, request: web.Request, target: Target) -> web.Response:
        obj, duplicates = await _body_object(request, target)
        return await self._write(
            request, target, lambda options: self._registry.replace(target, copy.deepcopy(obj), duplicates, options)
        )

    async def _patch(self, request: web.Request, target: Target) -> web.Response:
        if request.content_type == _APPLY:
            if not request.query.get("fieldManager"):
                raise errors.bad_request(
                    "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value: is required for apply patch"
                )
            body = await request.read()
            obj, duplicates = decode.parse_object(body, "yaml")
            repeated = decode.repeated(body) if duplicates else []
            return await self._write(
                request, target, lambda options: self._registry.apply(target, copy.deepcopy(obj), repeated, options)
            )
        change = await _change(request, target, self._struct(target))
        return await self._write(request, target, lambda options: self._registry.patch(target, change, options))

    def _options(self, request: web.Request, target: Target) -> WriteOptions:
        options, grants = w.write_options(request), strategy(target.kind).grants
        if grants is None:
            return options
        return replace(options, grants=lambda obj: grants(obj, request["user"], self._access))

    async def _write(
        self, request: web.Request, target: Target, call: Callable[[WriteOptions], Result]
    ) -> web.Response:
        options = self._options(request, target)
        asked = webhooks.Asked(target, request["user"], options.dry_run)
        result, warnings = await self._webhooks.write(asked, lambda admit: call(replace(options, admit=admit)))
        status = 201 if result.created else 200
        return w.answer(self._formed(request, target, result.object), status, [*result.warnings, *warnings])

    async def _delete_one(
        self, request: web.Request, target: Target, options: DeleteOptions
    ) -> tuple[Obj, bool, list[str]]:
        """The object, whether it is gone already, and what to warn about."""
        asked = webhooks.Asked(target, request["user"], options.dry_run)
        (obj, gone), warnings = await self._webhooks.write(
            asked, lambda admit: self._registry.delete(target, replace(options, admit=admit))
        )
        return obj, gone, warnings

    # -- deleting -----------------------------------------------------------------------------------------------------

    async def _delete(self, request: web.Request, target: Target) -> web.Response:
        obj, gone, warnings = await self._delete_one(request, target, await _delete_options(request))
        if gone and strategy(target.kind).deletion is None:
            return w.answer(errors.success(target.kind, target.name or "", obj["metadata"]["uid"]), warnings=warnings)
        return w.answer(obj, warnings=warnings)

    async def _delete_collection(self, request: web.Request, target: Target) -> web.Response:
        if target.kind.namespaced and target.namespace is None:
            raise errors.method_not_allowed()
        if "deletecollection" not in discovery.verbs(target.kind):
            raise errors.method_not_allowed()
        options = await _delete_options(request)
        predicate = selectors.predicate(
            target.kind, request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
        )
        deleted = []
        for obj in self._registry.list_all(target, predicate):
            one = replace(target, name=obj["metadata"]["name"])
            try:
                deleted.append((await self._delete_one(request, one, options))[0])
            except ApiError as error:
                if error.code != 404:  # somebody else was quicker
                    raise
        return w.answer(_list(target, deleted, {"resourceVersion": str(self._registry.store.version)}))

    # -- subresources -------------------------------------------------------------------------------------------------

    async def _scale(self, request: web.Request, target: Target) -> web.Response:
        obj, places = self._registry.get(target), scaling.places(self._registry.kinds, target)
        old = scaling.scale_of(obj, places)
        if request.method == "GET":
            return w.answer(old)
        if request.method == "PUT":
            new, _ = await _body_object(request, target)
        elif request.method == "PATCH":
            new = (await _change(request, target, None))(old)
        else:
            raise errors.method_not_allowed()
        spec = new.get("spec") or {}
        replicas = spec.get("replicas", 0) if isinstance(spec, dict) else None
        if not isinstance(replicas, int) or isinstance(replicas, bool):
            raise errors.bad_request("Scale: spec.replicas must be a whole number")
        if replicas < 0:
            why = f"Invalid value: {replicas}: must be greater than or equal to 0"
            raise errors.invalid(target.kind, target.name or "", [FieldError("spec.replicas", why)])
        version = str((new.get("metadata") or {}).get("resourceVersion") or "")
        options = w.write_options(request)
        result = self._registry.scale(target, replicas, places.replicas, version, options)
        return w.answer(scaling.scale_of(result.object, places))

    def _struct(self, target: Target) -> Struct | None:
        return None if target.kind.custom else self._registry.kinds.struct(target.kind, target.version)

    async def _evict(self, request: web.Request, target: Target) -> web.Response:
        if request.method != "POST":
            raise errors.method_not_allowed()
        body, _ = await _body_object(request, target)
        pod_target = Target(target.kind, target.version, target.namespace, target.name)
        pod = self._registry.get(pod_target)
        store, namespace = self._registry.store, target.namespace
        budgets, pods = store.list("PodDisruptionBudget", namespace), store.list("Pod", namespace)
        disruptions.refuse(pod, budgets, pods, disruptions.scales(store, namespace))
        self._registry.delete(pod_target, _options_from(body.get("deleteOptions") or {}, request))
        return w.answer({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, 201)

    async def _finalize(self, request: web.Request, target: Target) -> web.Response:
        if request.method != "PUT":
            raise errors.method_not_allowed()
        obj, duplicates = await _body_object(request, target)
        plain = Target(target.kind, target.version, None, target.name)
        return w.answer(self._registry.replace(plain, obj, duplicates, w.write_options(request)).object)


def _list(target: Target, objects: list[Obj], metadata: Obj) -> Obj:
    return {
        "kind": f"{target.kind.name}List",
        "apiVersion": target.api_version,
        "metadata": metadata,
        "items": objects,
    }


async def _body_object(request: web.Request, target: Target) -> tuple[Obj, list[str]]:
    content_type = request.content_type
    custom = target.kind.custom  # whose fields have no numbers
    if content_type not in _PLAIN or (custom and content_type == protobuf.MEDIA_TYPE):
        known = ["application/json", "application/yaml", *(() if custom else (protobuf.MEDIA_TYPE,))]
        raise errors.unsupported_media_type(
            f"the body of the request was in an unknown format - accepted media types include: {', '.join(known)}"
        )
    body = await request.read()
    if not body:
        raise errors.bad_request("the request needs a body")
    return decode.parse_object(body, content_type)


async def _change(request: web.Request, target: Target, struct: Struct | None) -> Callable[[Obj], Obj]:
    """The function that a patch is. Raises ApiError 400, 415."""
    kind = request.content_type
    builtin = not target.kind.custom
    if kind not in (_MERGE, _JSON) and not (kind == _STRATEGIC and builtin):
        known = [_JSON, _MERGE, _APPLY, *([_STRATEGIC] if builtin else [])]
        raise errors.unsupported_media_type(
            "the body of the request was in an unknown format - accepted media types include: " + ", ".join(known)
        )
    body, _ = decode.parse(await request.read(), "json")
    if kind != _JSON and not isinstance(body, dict):
        raise errors.bad_request("the patch must be an object")

    def change(old: Obj) -> Obj:
        try:
            if kind == _JSON:
                new: Any = patch.json_patch(old, body)
            elif kind == _MERGE:
                new = patch.merge(old, body)
            else:
                new = strategic.merge(old, body, struct)
        except patch.PatchError as error:
            message = f"the server rejected our request due to an error in our request: {error}"
            raise errors.ApiError(422, "Invalid", message) from None
        if not isinstance(new, dict) or not isinstance(new.get("metadata"), dict):
            raise errors.bad_request("the patch leaves no object")
        return new

    return change


async def _delete_options(request: web.Request) -> DeleteOptions:
    body = await request.read()
    options: Obj = {}
    if body.strip():
        options, _ = decode.parse_object(body, request.content_type)
    return _options_from(options, request)


def _options_from(options: Obj, request: web.Request) -> DeleteOptions:
    """From the body, else from the query. Raises ApiError 400."""
    grace = options.get("gracePeriodSeconds")
    if grace is None:
        grace = w.number(request, "gracePeriodSeconds")
    if grace is not None and (not isinstance(grace, int) or isinstance(grace, bool)):
        raise errors.bad_request("gracePeriodSeconds must be a whole number")
    propagation = options.get("propagationPolicy") or request.query.get("propagationPolicy") or ""
    if options.get("orphanDependents") is True and not propagation:
        propagation = "Orphan"
    if propagation not in ("", "Background", "Foreground", "Orphan"):
        raise errors.bad_request(
            f'propagationPolicy: Unsupported value: "{propagation}": '
            'supported values: "Foreground", "Background", "Orphan"'
        )
    preconditions = options.get("preconditions") or {}
    if not isinstance(preconditions, dict):
        raise errors.bad_request("preconditions must be an object")
    return DeleteOptions(
        dry_run=w.dry_run([*(options.get("dryRun") or ()), *request.query.getall("dryRun", [])]),
        grace=grace,
        propagation=propagation,
        uid=str(preconditions.get("uid") or ""),
        resource_version=str(preconditions.get("resourceVersion") or ""),
    )
