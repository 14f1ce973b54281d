"""Reading and writing objects with a real API server's rules: the steps between a request's body and the store.

A write goes through, in this order: decode (apiVersion, kind, strict fields), what the server owns (metadata, status),
defaults, validation, admission, field ownership, store. Nothing here knows HTTP, and nothing waits: a request's read
and write are one step of the event loop, so no other write can come in between.
"""

from __future__ import annotations

import copy
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from pocket.api import clientapply, decode, defaults, errors, managedfields, schema, services, validate
from pocket.api.contracts import Admission
from pocket.api.errors import ApiError
from pocket.api.managedfields import Owner, Writer
from pocket.api.target import SUBRESOURCES, Target
from pocket.objects import KINDS, FieldError, Kind, Obj, name_of, namespace_of
from pocket.store import AlreadyExists, Conflict, NotFound, Store, now

PROTECTED_NAMESPACES = ("default", "kube-system", "kube-public")
FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"  # the alphabet of generated names: no vowels, no words
_SERVER_METADATA = (
    "uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink",
)  # fmt: skip


@dataclass(frozen=True)
class WriteOptions:
    """The query parameters of a write."""

    dry_run: bool = False
    manager: str = "unknown"
    validation: Literal["Strict", "Warn", "Ignore"] = "Warn"
    force: bool = False


@dataclass(frozen=True)
class DeleteOptions:
    """How to delete (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/delete-options/)."""

    dry_run: bool = False
    grace: int | None = None  # seconds
    propagation: str = ""  # Background, Foreground, Orphan
    uid: str = ""
    resource_version: str = ""


@dataclass
class Result:
    """An object as written, and what to warn about."""

    object: Obj
    warnings: list[str] = field(default_factory=list)
    created: bool = False


class Registry:
    """The objects behind the API."""

    def __init__(self, store: Store, admission: Admission) -> None:
        self.store = store
        self.admission = admission

    # -- reading ------------------------------------------------------------------------------------------------------

    def get(self, target: Target) -> Obj:
        """The object, in the version that the client speaks. Raises ApiError 404."""
        obj = self._find(target)
        if obj is None:
            raise errors.not_found(target.kind, target.name or "")
        return obj

    def list_all(self, target: Target, predicate: Callable[[Obj], bool] | None = None) -> list[Obj]:
        """All objects of the kind, in the namespace if one is named, that the predicate lets through."""
        found = self.store.list(target.kind.name, target.namespace)
        return [shown(obj, target) for obj in found if predicate is None or predicate(obj)]

    def _find(self, target: Target) -> Obj | None:
        obj = self.store.find(target.kind.name, target.namespace, target.name or "")
        return None if obj is None else shown(obj, target)

    # -- writing ------------------------------------------------------------------------------------------------------

    def create(self, target: Target, obj: Obj, duplicates: list[str], options: WriteOptions) -> Result:
        """POST. Raises ApiError."""
        warnings = self._decode(target, obj, duplicates, options)
        meta = obj["metadata"]
        if meta.get("resourceVersion"):
            raise errors.bad_request("resourceVersion should not be set on objects to be created")
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = self._generate(target, str(meta["generateName"]))
        for name in (*_SERVER_METADATA, "resourceVersion", "managedFields"):
            meta.pop(name, None)
        return self._create(target, obj, [], options, warnings)

    def replace(self, target: Target, obj: Obj, duplicates: list[str], options: WriteOptions) -> Result:
        """PUT of the object or of its status. Raises ApiError."""
        warnings = self._decode(target, obj, duplicates, options)
        meta = obj["metadata"]
        meta.setdefault("name", target.name)
        _same_name(obj, target)
        return self._update(target, self.get(target), obj, options, warnings)

    def patch(self, target: Target, change: Callable[[Obj], Obj], options: WriteOptions) -> Result:
        """PATCH: `change` makes the new object of a copy of the old one. Raises ApiError."""
        old = self.get(target)
        new = change(copy.deepcopy(old))
        for name in ("apiVersion", "kind"):
            if new.get(name) != old[name]:
                raise errors.bad_request(f"a patch cannot change {name}")
        warnings = self._decode(target, new, [], options)
        _same_name(new, target)
        return self._update(target, old, new, options, warnings)

    def apply(self, target: Target, applied: Obj, duplicates: list[str], options: WriteOptions) -> Result:
        """Server-side apply: create the object, or merge `applied` in as its manager's fields. Raises ApiError."""
        warnings = self._decode(target, applied, duplicates, options)
        meta = applied["metadata"]
        meta.setdefault("name", target.name)
        _same_name(applied, target)
        if meta.get("managedFields"):
            raise errors.bad_request("metadata.managedFields must be nil")
        version = meta.pop("resourceVersion", None)
        meta.pop("managedFields", None)
        live = self._find(target)
        place = managedfields.root(_type_name(target.kind))
        writer = self._writer(target, options)
        if live is None:
            if version:
                raise errors.conflict(target.kind, target.name or "")
            for name in _SERVER_METADATA:
                meta.pop(name, None)
            fields = frozenset(managedfields.fields_of(place, applied))
            owner = Owner(writer.manager, "Apply", target.subresource, writer.api_version, writer.time, fields)
            return self._create(target, applied, [owner], options, warnings)
        owners = managedfields.owners_of(live)
        if not options.force:
            found = managedfields.conflicts(place, live, applied, owners, writer)
            if options.manager == "kubectl":
                # Who applied on the client's side before owns those fields already, under another name.
                known = clientapply.fields(place, live)
                found = [conflict for conflict in found if conflict.path not in known]
            self._refuse_conflicts(target, found)
        merged, owners = managedfields.apply(place, live, applied, owners, writer)
        if options.manager == "kubectl":
            clientapply.renew(merged, applied)
        if version:
            merged["metadata"]["resourceVersion"] = version
        return self._update(target, live, merged, options, warnings, owners)

    def scale(self, target: Target, replicas: int, resource_version: str, options: WriteOptions) -> Result:
        """PUT or PATCH of the scale subresource. Raises ApiError."""
        old = self.get(target)
        new = copy.deepcopy(old)
        new["spec"]["replicas"] = replicas
        if resource_version:
            new["metadata"]["resourceVersion"] = resource_version
        return self._update(target, old, new, options, [])

    # -- deleting -----------------------------------------------------------------------------------------------------

    def delete(self, target: Target, options: DeleteOptions) -> tuple[Obj, bool]:
        """DELETE: the object as it is now (or was last), and whether it is gone already. Raises ApiError.

        Pods stop in their grace period and namespaces empty first: others finish these.
        """
        kind, name = target.kind, target.name or ""
        obj = self.get(target)
        self._check_deletion(kind, name, obj, options)
        if kind.name == "Pod":
            return self._delete_pod(target, obj, options)
        if kind.name == "Namespace":
            obj["status"] = (obj.get("status") or {}) | {"phase": "Terminating"}
            return self._mark(target, obj, None, options), False
        finalizers = list(obj["metadata"].get("finalizers") or ())
        finalizers = [entry for entry in finalizers if entry not in (FOREGROUND, ORPHAN)]
        if options.propagation in ("Foreground", "Orphan"):
            finalizers.append(FOREGROUND if options.propagation == "Foreground" else ORPHAN)
        if finalizers:
            obj["metadata"]["finalizers"] = finalizers
            return self._mark(target, obj, 0, options), False
        if not options.dry_run:
            obj = self.store.delete(kind.name, namespace_of(obj), name)
        return shown(obj, target), True

    def _check_deletion(self, kind: Kind, name: str, obj: Obj, options: DeleteOptions) -> None:
        meta = obj["metadata"]
        if options.uid and options.uid != meta["uid"]:
            why = f"Precondition failed: UID in precondition: {options.uid}, UID in object meta: {meta['uid']}"
            raise errors.conflict(kind, name, why)
        if options.resource_version and options.resource_version != meta["resourceVersion"]:
            why = (
                f"Precondition failed: ResourceVersion in precondition: {options.resource_version}, "
                f"ResourceVersion in object meta: {meta['resourceVersion']}"
            )
            raise errors.conflict(kind, name, why)
        if kind.name == "Namespace" and name in PROTECTED_NAMESPACES:
            raise errors.forbidden(kind, name, "this namespace may not be deleted")
        self._refuse_fixed(kind, name)

    def _delete_pod(self, target: Target, pod: Obj, options: DeleteOptions) -> tuple[Obj, bool]:
        spec, status = pod.get("spec") or {}, pod.get("status") or {}
        if not spec.get("nodeName") and not pod["metadata"].get("finalizers"):
            # Never picked up by the kubelet: there is nothing to stop.
            if not options.dry_run:
                pod = self.store.delete("Pod", namespace_of(pod), name_of(pod))
            return shown(pod, target), True
        grace = options.grace
        if grace is None:
            grace = int(spec.get("terminationGracePeriodSeconds", defaults.GRACE))
        if status.get("phase") in ("Succeeded", "Failed"):
            grace = 0
        before = pod["metadata"].get("deletionGracePeriodSeconds")
        if pod["metadata"].get("deletionTimestamp") and before is not None and before <= grace:
            return pod, False  # a second delete may only shorten the time
        return self._mark(target, pod, max(0, grace), options), False

    def _mark(self, target: Target, obj: Obj, grace: int | None, options: DeleteOptions) -> Obj:
        """Write down that the object is to go."""
        obj["metadata"].setdefault("deletionTimestamp", now())
        if grace is not None:
            obj["metadata"]["deletionGracePeriodSeconds"] = grace
        if options.dry_run:
            return obj
        return shown(self.store.update(_stored(obj, target.kind)), target)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _decode(self, target: Target, obj: Obj, duplicates: list[str], options: WriteOptions) -> list[str]:
        """Check that the body is an object of this kind with fields that exist; returns warnings. Raises ApiError.

        Unknown fields are an error when the client asks for strict validation; otherwise they are dropped.
        """
        kind = target.kind
        if obj.setdefault("apiVersion", target.api_version) != target.api_version:
            raise errors.bad_request(
                f"the API version in the data ({obj['apiVersion']}) does not match the expected API version "
                f"({target.api_version})"
            )
        if obj.setdefault("kind", kind.name) != kind.name:
            raise errors.bad_request(f"the kind in the data ({obj['kind']}) is not the expected kind ({kind.name})")
        if not isinstance(obj.setdefault("metadata", {}), dict):
            raise self._undecodable(target, ["json: metadata must be an object"])
        _drop_nulls(obj)
        by_path: list[str] = []
        findings = decode.check(obj, schema.type_of_kind(kind)) if schema.is_builtin(kind) else _custom_fields(obj)
        if findings.wrong:
            raise self._undecodable(target, findings.wrong)
        if not schema.is_builtin(kind):
            by_path = [error.path for error in self.admission.check(_stored(obj, kind)) if _is_unknown(error)]
            findings.unknown += by_path
        findings.duplicate = duplicates
        if target.subresource != "status":
            self._refuse_namespace(target, obj)
        problems = findings.strict()
        if problems and options.validation == "Strict":
            raise self._undecodable(target, [f"strict decoding error: {', '.join(problems)}"])
        for place, key in findings.unknown_in:
            place.pop(key, None)
        decode.prune(obj, by_path)
        return problems if options.validation == "Warn" else []

    def _undecodable(self, target: Target, problems: list[str]) -> ApiError:
        name = target.kind.name
        return errors.bad_request(
            f'{name} in version "{target.version}" cannot be handled as a {name}: {"; ".join(problems)}'
        )

    def _refuse_namespace(self, target: Target, obj: Obj) -> None:
        """The object's namespace is that of the URL."""
        given = obj["metadata"].get("namespace")
        if not target.kind.namespaced:
            obj["metadata"].pop("namespace", None)
        elif given and given != target.namespace:
            raise errors.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        else:
            obj["metadata"]["namespace"] = target.namespace

    def _refuse_fixed(self, kind: Kind, name: str) -> None:
        if kind.name == "CustomResourceDefinition":
            why = "pocket serves a fixed set of kinds (see kubectl api-resources): none can be added or removed"
            raise errors.forbidden(kind, name, why)
        if kind.name == "Node":
            raise errors.forbidden(kind, name, "pocket has one node, this machine: it cannot be added or removed")

    def _generate(self, target: Target, prefix: str) -> str:
        while True:
            name = prefix[:58] + "".join(secrets.choice(_SUFFIX) for _ in range(5))
            if self.store.find(target.kind.name, target.namespace, name) is None:
                return name

    def _create(
        self, target: Target, obj: Obj, owners: list[Owner], options: WriteOptions, warnings: list[str]
    ) -> Result:
        kind = target.kind
        name = str(obj["metadata"].get("name") or "")
        self._refuse_fixed(kind, name)
        if kind.namespaced:
            self._refuse_dead_namespace(kind, name, target.namespace or "")
        if "status" in SUBRESOURCES.get(kind.name, ()):
            obj.pop("status", None)
        if kind.name == "Job":
            _own_selector(obj)
        self._finish(target, obj)
        self._refuse_invalid(kind, obj, validate.check(_stored(obj, kind)))
        warnings = warnings + self._admit(kind, obj)
        if not owners:
            place = managedfields.root(_type_name(kind))
            owners = managedfields.after_update(place, None, obj, [], self._writer(target, options))
        managedfields.set_owners(obj, owners)
        if self.store.find(kind.name, target.namespace, name) is not None:
            raise errors.already_exists(kind, name)
        if options.dry_run:
            meta = obj["metadata"]
            meta.update(uid=meta.get("uid") or str(uuid.uuid4()), creationTimestamp=now())
            return Result(obj, warnings, created=True)
        try:
            written = self.store.create(_stored(obj, kind))
        except AlreadyExists:
            raise errors.already_exists(kind, name) from None
        if kind.name == "Namespace":
            self._add_account(name)
        return Result(shown(written, target), warnings, created=True)

    def _update(
        self,
        target: Target,
        old: Obj,
        new: Obj,
        options: WriteOptions,
        warnings: list[str],
        owners: list[Owner] | None = None,
    ) -> Result:
        kind, name = target.kind, target.name or ""
        self._refuse_stale(kind, name, old, new)
        if target.subresource == "status":
            status, managed = new.get("status"), new["metadata"].get("managedFields")
            new = copy.deepcopy(old)
            new["status"] = status
            if status is None:
                del new["status"]
            if managed is not None:
                new["metadata"]["managedFields"] = managed
        else:
            if kind.name == "CustomResourceDefinition":
                self._refuse_fixed(kind, name)
            if "status" in SUBRESOURCES.get(kind.name, ()):
                new.pop("status", None)
                if "status" in old:
                    new["status"] = copy.deepcopy(old["status"])
            if kind.name == "Service":
                services.carry_over(new, old)
            if kind.name == "Job" and "selector" in (old.get("spec") or {}):
                new.setdefault("spec", {}).setdefault("selector", copy.deepcopy(old["spec"]["selector"]))
        self._keep_metadata(old, new)
        # Objects that controllers wrote may lack defaults. A change of something else must not fill them in: new values
        # in a Deployment's template would replace all its pods.
        same_spec = new.get("spec") == old.get("spec")
        self._finish(target, new)
        if same_spec and "spec" in old:
            new["spec"] = copy.deepcopy(old["spec"])
        if target.subresource != "status":
            before = _stored(copy.deepcopy(old), kind)
            after = _stored(copy.deepcopy(new), kind)
            defaults.apply(before)
            defaults.apply(after)
            self._refuse_invalid(kind, new, validate.check_update(after, before))
            warnings = warnings + self._admit(kind, new)
        if owners is None:
            place = managedfields.root(_type_name(kind))
            present = managedfields.owners_of(new)
            owners = managedfields.after_update(place, old, new, present, self._writer(target, options))
        managedfields.set_owners(new, owners)
        if options.dry_run:
            return Result(new, warnings)
        try:
            written = self.store.update(_stored(new, kind))
        except Conflict:
            raise errors.conflict(kind, name) from None
        except NotFound:
            raise errors.not_found(kind, name) from None
        meta = written["metadata"]
        if meta.get("deletionTimestamp") and not meta.get("finalizers") and kind.name not in ("Pod", "Namespace"):
            written = self.store.delete(kind.name, namespace_of(written), name)  # its last finalizer has gone
        return Result(shown(written, target), warnings)

    def _refuse_stale(self, kind: Kind, name: str, old: Obj, new: Obj) -> None:
        meta, before = new["metadata"], old["metadata"]
        if meta.get("resourceVersion") not in (None, "", before["resourceVersion"]):
            raise errors.conflict(kind, name)
        if meta.get("uid") not in (None, "", before["uid"]):
            why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {before['uid']}"
            raise errors.conflict(kind, name, why)

    def _keep_metadata(self, old: Obj, new: Obj) -> None:
        for entry in (*_SERVER_METADATA, "resourceVersion", "name", "namespace", "generateName"):
            if entry in old["metadata"]:
                new["metadata"][entry] = old["metadata"][entry]
            else:
                new["metadata"].pop(entry, None)
        if new["metadata"].get("managedFields") is None and "managedFields" in old["metadata"]:
            new["metadata"]["managedFields"] = copy.deepcopy(old["metadata"]["managedFields"])

    def _finish(self, target: Target, obj: Obj) -> None:
        """Fill in what the server decides."""
        for name in ("labels", "annotations", "finalizers", "ownerReferences"):
            if not obj["metadata"].get(name):
                obj["metadata"].pop(name, None)
        if schema.is_builtin(target.kind):
            defaults.apply(obj)
        if target.kind.name == "Service" and obj["metadata"].get("name"):
            services.assign(obj, self.store.list("Service"))

    def _refuse_invalid(self, kind: Kind, obj: Obj, found: list[FieldError]) -> None:
        found = found + [error for error in self.admission.check(_stored(obj, kind)) if not _is_unknown(error)]
        if found:
            raise errors.invalid(kind, str(obj["metadata"].get("name") or ""), found)

    def _admit(self, kind: Kind, obj: Obj) -> list[str]:
        return self.admission.warnings(_stored(obj, kind))

    def _refuse_dead_namespace(self, kind: Kind, name: str, namespace: str) -> None:
        found = self.store.find("Namespace", None, namespace)
        if found is None:
            raise errors.not_found(KINDS["Namespace"], namespace)
        if found["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            error = errors.forbidden(kind, name, why)
            cause = {"reason": "NamespaceTerminating", "message": f"namespace {namespace} is being terminated",
                     "field": "metadata.namespace"}  # fmt: skip
            error.details = (error.details or {}) | {"causes": [cause]}
            raise error

    def _refuse_conflicts(self, target: Target, found: list[managedfields.FieldConflict]) -> None:
        if not found:
            return
        causes = [
            {
                "reason": "FieldManagerConflict",
                "message": f'conflict with "{entry.manager}"'
                + (f" using {target.api_version}" if entry.operation == "Update" else ""),
                "field": entry.field,
            }
            for entry in found
        ]
        managers = sorted({cause["message"].removeprefix("conflict with ") for cause in causes})
        listed = ", ".join(cause["field"] for cause in causes)
        s = "s" if len(causes) > 1 else ""
        message = f"Apply failed with {len(causes)} conflict{s}: conflict{s} with {', '.join(managers)}: {listed}"
        raise ApiError(409, "Conflict", message, {"causes": causes})

    def _writer(self, target: Target, options: WriteOptions) -> Writer:
        return Writer(options.manager, target.api_version, now(), target.subresource)

    def _add_account(self, namespace: str) -> None:
        """Every namespace has a ServiceAccount called default."""
        if self.store.find("ServiceAccount", namespace, "default") is None:
            self.store.create(
                {
                    "apiVersion": "v1",
                    "kind": "ServiceAccount",
                    "metadata": {"name": "default", "namespace": namespace},
                }
            )


def shown(obj: Obj, target: Target) -> Obj:
    """The object in the version that the client speaks (a shallow copy): versions differ in nothing but that."""
    return {"apiVersion": target.api_version, "kind": obj["kind"], **_without_type(obj)}


def _without_type(obj: Obj) -> Obj:
    return {key: value for key, value in obj.items() if key not in ("apiVersion", "kind")}


def _stored(obj: Obj, kind: Kind) -> Obj:
    """The object in the version that is stored."""
    return {"apiVersion": kind.api_versions[0], "kind": kind.name, **_without_type(obj)}


def _type_name(kind: Kind) -> str | None:
    return schema.type_of_kind(kind) if schema.is_builtin(kind) else None


def _custom_fields(obj: Obj) -> decode.Findings:
    """The part of a custom resource that Kubernetes itself defines."""
    findings = decode.check({"metadata": obj["metadata"]}, "core_v1.ConfigMap")
    strangers = [key for key in obj if key not in ("apiVersion", "kind", "metadata", "spec", "status")]
    findings.unknown += strangers
    findings.unknown_in += [(obj, key) for key in strangers]
    return findings


def _is_unknown(error: FieldError) -> bool:
    return error.message.startswith("unknown field")


def _drop_nulls(obj: Obj) -> None:
    """A null field is an absent field, at every depth."""
    for key, value in list(obj.items()):
        if value is None:
            del obj[key]
        elif isinstance(value, dict):
            _drop_nulls(value)
        elif isinstance(value, list):
            for entry in value:
                if isinstance(entry, dict):
                    _drop_nulls(entry)


def _own_selector(job: Obj) -> None:
    """A Job finds its pods by its own uid (https://kubernetes.io/docs/concepts/workloads/controllers/job/)."""
    spec = job.get("spec") or {}
    if spec.get("manualSelector") or not isinstance(spec.get("template"), dict):
        return
    uid = job["metadata"]["uid"] = str(uuid.uuid4())
    own = {"batch.kubernetes.io/controller-uid": uid, "controller-uid": uid}
    name = {"batch.kubernetes.io/job-name": job["metadata"].get("name", ""),
            "job-name": job["metadata"].get("name", "")}  # fmt: skip
    meta = spec["template"]["metadata"] = spec["template"].get("metadata") or {}
    meta["labels"] = (meta.get("labels") or {}) | own | name
    job["metadata"]["labels"] = job["metadata"].get("labels") or dict(meta["labels"])
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}


def _same_name(obj: Obj, target: Target) -> None:
    """Raises ApiError where the object has another name than the path."""
    name = obj["metadata"].get("name")
    if name != target.name:
        raise errors.bad_request(f"the name of the object ({name}) does not match the name on the URL ({target.name})")
