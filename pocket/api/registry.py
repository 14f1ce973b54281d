"""Reading and writing objects with a real API server's rules: the steps between a request's body and the store.

A write goes through, in this order: decode (apiVersion, kind, strict fields), what the server owns (metadata, status),
defaults, validation, admission, field ownership, store. Nothing here knows HTTP, and nothing waits: a request's read
and write are one step of the event loop, so no other write can come in between.
"""

from __future__ import annotations

import copy
import json
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from pocket.api import clientapply, crds, decode, errors, managedfields, scaling, validate
from pocket.api.catalog import Catalog
from pocket.api.contracts import Admission
from pocket.api.errors import ApiError
from pocket.api.managedfields import Owner, Writer
from pocket.api.target import Target
from pocket.api.webhooks import Admit
from pocket.kinds import has_meaning, strategy
from pocket.objects import FieldError, Kind, Obj, name_of, namespace_of
from pocket.schemas import values
from pocket.schemas.model import Struct
from pocket.store import AlreadyExists, Conflict, NotFound, Store, now

LARGEST = 1024 * 1024
"""Bytes that an object may have, as JSON: about what fits into etcd."""
NOTHING_COMES = "pocket keeps this {kind} and shows it, but nothing comes of it here: a real cluster acts on it"
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
    grants: Callable[[Obj], None] | None = None
    """Refuses what its writer must not give away."""
    admit: Admit | None = None
    """Asks webhooks."""


@dataclass(frozen=True)
class DeleteOptions:
    """How to delete (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/delete-options/)."""

    dry_run: bool = False
    grace: int | None = None  # seconds
    propagation: str = ""  # Background, Foreground, Orphan
    uid: str = ""
    resource_version: str = ""
    admit: Admit | None = None


@dataclass
class Result:
    """An object as written, and what to warn about."""

    object: Obj
    warnings: list[str] = field(default_factory=list)
    created: bool = False


class Registry:
    """The objects behind the API."""

    def __init__(self, store: Store, admission: Admission, kinds: Catalog) -> None:
        self.store = store
        self.admission = admission
        self.kinds = kinds

    # -- reading ------------------------------------------------------------------------------------------------------

    def get(self, target: Target) -> Obj:
        """The object, in the version that the client speaks. Raises ApiError 404."""
        obj = self._find(target)
        if obj is None:
            raise errors.not_found(target.kind, target.name or "")
        return obj

    def list_all(self, target: Target, predicate: Callable[[Obj], bool] | None = None) -> list[Obj]:
        """All objects of the kind, in the namespace if one is named, that the predicate lets through."""
        found = self.store.list(target.kind.key, target.namespace)
        return [self._read(obj, target) for obj in found if predicate is None or predicate(obj)]

    def _find(self, target: Target) -> Obj | None:
        obj = self.store.find(target.kind.key, target.namespace, target.name or "")
        return None if obj is None else self._read(obj, target)

    def _read(self, obj: Obj, target: Target) -> Obj:
        """As `shown`, with the defaults that its definition has now: also those that came after it was written."""
        obj, struct = shown(obj, target), self.kinds.defaulted(target.kind, target.version)
        if struct is not None:
            obj = copy.deepcopy(obj)
            values.fill_defaults(obj, struct)
        return obj

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

    def apply(self, target: Target, applied: Obj, repeated: list[str], options: WriteOptions) -> Result:
        """Server-side apply: create the object, or merge `applied` in as its manager's fields. Raises ApiError.

        `repeated` says which keys are written twice (`decode.repeated`).
        """
        warnings = self._decode(target, applied, [], options, typed=True)
        if repeated:
            listed = "\n  ".join(["error converting YAML to JSON: yaml: unmarshal errors:", *repeated])
            if options.validation == "Strict":
                raise errors.bad_request(f"error strict decoding YAML: {listed}")
            warnings += repeated if options.validation == "Warn" else []
        meta = applied["metadata"]
        meta.setdefault("name", target.name)
        _same_name(applied, target)
        if meta.get("managedFields"):
            raise errors.bad_request("metadata.managedFields must be nil")
        version = meta.pop("resourceVersion", None)
        meta.pop("managedFields", None)
        live = self._find(target)
        place = managedfields.root(self._struct(target))
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

    def scale(
        self, target: Target, replicas: int, place: tuple[str, ...], resource_version: str, options: WriteOptions
    ) -> Result:
        """PUT or PATCH of the scale subresource. Raises ApiError."""
        old = self.get(target)
        new = copy.deepcopy(old)
        scaling.put(new, place, replicas)
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
        if options.admit:
            for stage in ("mutate", "validate"):
                options.admit(stage, "DELETE", {}, stored(obj, kind))
        if decide := strategy(kind).deletion:
            what = decide(obj, options.grace, self.store)
            if what.how == "mark":
                return self._mark(target, obj, what.grace, options), False
            if what.how == "keep":
                return obj, False
            return self._remove(target, obj, options), True
        finalizers = list(obj["metadata"].get("finalizers") or ())
        finalizers = [entry for entry in finalizers if entry not in (FOREGROUND, ORPHAN)]
        if options.propagation in ("Foreground", "Orphan"):
            finalizers.append(FOREGROUND if options.propagation == "Foreground" else ORPHAN)
        if finalizers:
            obj["metadata"]["finalizers"] = finalizers
            return self._mark(target, obj, 0, options), False
        return self._remove(target, obj, options), True

    def _remove(self, target: Target, obj: Obj, options: DeleteOptions) -> Obj:
        if not options.dry_run:
            obj = self.store.delete(target.kind.key, namespace_of(obj), name_of(obj))
        return shown(obj, target)

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
        self._refuse_fixed(kind, name)

    def _mark(self, target: Target, obj: Obj, grace: int | None, options: DeleteOptions) -> Obj:
        """Write down that the object is to go."""
        obj["metadata"].setdefault("deletionTimestamp", now())
        if grace is not None:
            obj["metadata"]["deletionGracePeriodSeconds"] = grace
        if options.dry_run:
            return obj
        return shown(self.store.update(stored(obj, target.kind)), target)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _decode(
        self, target: Target, obj: Obj, duplicates: list[str], options: WriteOptions, *, typed: bool = False
    ) -> list[str]:
        """Check that the body is an object of this kind with fields that exist; returns warnings. Raises ApiError.

        Unknown fields are an error when the client asks for strict validation; otherwise they are dropped. What is
        `typed` (server-side apply) may have none, whatever the client asks for.
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
        _refuse_large(obj)  # before the work that it would cost
        findings = decode.check(obj, self._struct(target))
        if findings.wrong:
            raise self._undecodable(target, findings.wrong)
        by_path: list[str] = []
        if kind.custom:  # what pocket's own admission does not know either
            by_path = [error.path for error in self.admission.check(stored(obj, kind)) if _is_unknown(error)]
        findings.unknown += [path for path in by_path if path not in findings.unknown]
        findings.duplicate = duplicates
        if typed and findings.unknown:
            raise _untyped(target, findings.unknown)
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
        if why := strategy(kind).fixed:
            raise errors.forbidden(kind, name, why)

    def _struct(self, target: Target) -> Struct:
        """The fields of the target's kind in the version that the client speaks."""
        return self.kinds.struct(target.kind, target.version)

    def _generate(self, target: Target, prefix: str) -> str:
        while True:
            name = prefix[:58] + "".join(secrets.choice(_SUFFIX) for _ in range(5))
            if self.store.find(target.kind.key, target.namespace, name) is None:
                return name

    def _create(
        self, target: Target, obj: Obj, owners: list[Owner], options: WriteOptions, warnings: list[str]
    ) -> Result:
        kind = target.kind
        obj = stored(obj, kind)
        name = str(obj["metadata"].get("name") or "")
        self._refuse_fixed(kind, name)
        if kind.namespaced:
            self._refuse_dead_namespace(kind, name, target.namespace or "")
        if "status" in kind.subresources:
            obj.pop("status", None)
        self._finish(target, obj, None)
        obj = self._mutated(target, obj, None, options)
        name = str(obj["metadata"].get("name") or "")
        self._refuse_invalid(target, obj, validate.check(obj, self._stored_struct(kind)), None)
        if options.admit:
            options.admit("validate", "CREATE", obj, None)
        if options.grants:
            options.grants(obj)
        warnings = warnings + self._admit(kind, obj)
        if self._is_idle(kind) and "status" in kind.subresources:
            self._say_idle(kind, obj)
        if not owners:
            place = managedfields.root(self._stored_struct(kind))
            owners = managedfields.after_update(place, None, obj, [], self._writer(target, options))
        managedfields.set_owners(obj, owners)
        _refuse_large(obj)
        if self.store.find(kind.key, target.namespace, name) is not None:
            raise errors.already_exists(kind, name)
        if options.dry_run:
            meta = obj["metadata"]
            meta.update(uid=meta.get("uid") or str(uuid.uuid4()), creationTimestamp=now())
            return Result(shown(obj, target), warnings, created=True)
        try:
            written = self.store.create(obj)
        except AlreadyExists:
            raise errors.already_exists(kind, name) from None
        strategy(kind).created(self.store, written)
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
        old, new = stored(old, kind), stored(new, kind)
        self._refuse_stale(kind, name, old, new)
        if target.subresource == "status":
            new = _with_status(old, new, ("managedFields",) if kind.custom else _WITH_STATUS)
        elif "status" in kind.subresources:
            new.pop("status", None)
            if "status" in old:
                new["status"] = copy.deepcopy(old["status"])
        self._keep_metadata(old, new)
        # Objects that controllers wrote may lack defaults. A change of something else must not fill them in: new values
        # in a Deployment's template would replace all its pods.
        same_spec = new.get("spec") == old.get("spec")
        self._finish(target, new, old)
        if same_spec and "spec" in old:
            new["spec"] = copy.deepcopy(old["spec"])
        new = self._mutated(target, new, old, options)
        if target.subresource != "status":
            before, after = copy.deepcopy(old), copy.deepcopy(new)
            strategy(kind).defaults(before)
            strategy(kind).defaults(after)
            found = validate.check_update(after, before, self._stored_struct(kind))
            self._refuse_invalid(target, new, found, old)
            if options.grants:
                options.grants(new)
            warnings = warnings + self._admit(kind, new)
        elif kind.custom:
            self._refuse_invalid(target, new, [], old)
        if options.admit:
            options.admit("validate", "UPDATE", new, old)
        if owners is None:
            place = managedfields.root(self._stored_struct(kind))
            present = managedfields.owners_of(new)
            owners = managedfields.after_update(place, old, new, present, self._writer(target, options))
        managedfields.set_owners(new, owners)
        _refuse_large(new)
        if options.dry_run:
            return Result(shown(new, target), warnings)
        try:
            written = self.store.update(new)
        except Conflict:
            raise errors.conflict(kind, name) from None
        except NotFound:
            raise errors.not_found(kind, name) from None
        meta = written["metadata"]
        if meta.get("deletionTimestamp") and not meta.get("finalizers") and not strategy(kind).finished_elsewhere:
            written = self.store.delete(kind.key, namespace_of(written), name)  # its last finalizer has gone
        return Result(shown(written, target), warnings)

    def _mutated(self, target: Target, new: Obj, old: Obj | None, options: WriteOptions) -> Obj:
        """The object as webhooks leave it, with what the server decides."""
        if options.admit is None:
            return new
        changed = options.admit("mutate", "UPDATE" if old else "CREATE", new, old)
        if changed == new:
            return new
        _drop_nulls(changed)
        findings = decode.check(changed, self._stored_struct(target.kind))
        if findings.wrong:
            raise self._undecodable(target, findings.wrong)
        for place, key in findings.unknown_in:
            place.pop(key, None)
        self._finish(target, changed, old)
        return changed

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

    def _finish(self, target: Target, obj: Obj, old: Obj | None) -> None:
        """Fill in what the server decides."""
        for name in ("labels", "annotations", "finalizers", "ownerReferences"):
            if not obj["metadata"].get(name):
                obj["metadata"].pop(name, None)
        own = strategy(target.kind)
        own.prepare(obj, old, self.store)
        if target.kind.custom:
            values.fill_defaults(obj, self._stored_struct(target.kind))
        own.defaults(obj)
        if obj["metadata"].get("name"):
            own.complete(obj, self.store)

    def _stored_struct(self, kind: Kind) -> Struct:
        return self.kinds.struct(kind, kind.stored_version.rpartition("/")[2])

    def _refuse_invalid(self, target: Target, obj: Obj, found: list[FieldError], old: Obj | None) -> None:
        kind = target.kind
        if kind.custom:
            found = found + values.check(obj, old, self._stored_struct(kind))
        if not kind.custom or not found:
            found = found + [error for error in self.admission.check(obj) if not _is_unknown(error)]
        if found:
            raise errors.invalid(kind, str(obj["metadata"].get("name") or ""), found)

    def _admit(self, kind: Kind, obj: Obj) -> list[str]:
        found = [*strategy(kind).warnings(obj), *self.admission.warnings(obj)]
        return [*found, NOTHING_COMES.format(kind=kind.name)] if self._is_idle(kind) else found

    def _is_idle(self, kind: Kind) -> bool:
        """Does nothing come of such objects here, though a real cluster acts on them?"""
        if kind.custom:
            return kind.group.endswith(crds.GROUPS) and not self.admission.honours(kind.key)
        return not has_meaning(kind)

    def _say_idle(self, kind: Kind, obj: Obj) -> None:
        """Put it into the status, where the kind has conditions."""
        status = self._stored_struct(kind).fields.get("status")
        if status is None or not (
            status.name == "any" or (status.struct is not None and "conditions" in status.struct.fields)
        ):
            return
        obj["status"] = {
            "conditions": [
                {
                    "type": "Honoured", "status": "False", "reason": "KeptOnly", "lastTransitionTime": now(),
                    "message": NOTHING_COMES.format(kind=kind.name),
                }
            ]
        }  # fmt: skip

    def _refuse_dead_namespace(self, kind: Kind, name: str, namespace: str) -> None:
        found = self.store.find("Namespace", None, namespace)
        if found is None:
            raise errors.not_found(self.kinds.find("", "namespaces") or kind, namespace)
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


def shown(obj: Obj, target: Target) -> Obj:
    """The object in the version that the client speaks (a shallow copy): most versions differ in nothing but that."""
    if convert := strategy(target.kind).from_stored:
        obj = convert(obj, target.kind, target.version)
    return {"apiVersion": target.api_version, "kind": target.kind.name, **_without_type(obj)}


def _without_type(obj: Obj) -> Obj:
    return {key: value for key, value in obj.items() if key not in ("apiVersion", "kind")}


def stored(obj: Obj, kind: Kind) -> Obj:
    """The object in the version that is stored."""
    if convert := strategy(kind).to_stored:
        return convert(obj, kind)
    return {"apiVersion": kind.stored_version, "kind": kind.name, **_without_type(obj)}


_WITH_STATUS = ("labels", "annotations", "finalizers", "ownerReferences", "managedFields")


def _with_status(old: Obj, new: Obj, brought: tuple[str, ...]) -> Obj:
    """The old object with the status of the new one; of its metadata, what a status may bring along."""
    result = copy.deepcopy(old)
    result.pop("status", None)
    if new.get("status") is not None:
        result["status"] = new["status"]
    for name in brought:
        if new["metadata"].get(name) is not None:
            result["metadata"][name] = new["metadata"][name]
    return result


def _refuse_large(obj: Obj) -> None:
    size = len(json.dumps(obj, separators=(",", ":"), ensure_ascii=False).encode())
    if size > LARGEST:
        message = f"etcdserver: request is too large: the object has {size} bytes, and {LARGEST} at most are stored"
        raise ApiError(413, "RequestEntityTooLarge", message)


def _untyped(target: Target, unknown: list[str]) -> ApiError:
    """What server-side apply says of fields that the schema does not have, in the real server's words."""
    told = [f".{path}: field not declared in schema" for path in unknown]
    listed = told[0] if len(told) == 1 else "\n  ".join(["errors:", *told])
    what = f"{target.namespace or ''}/{target.name}; {target.api_version}, Kind={target.kind.name}"
    return ApiError(500, "", f"failed to create typed patch object ({what}): {listed}")


def _is_unknown(error: FieldError) -> bool:
    return error.message.startswith("unknown field")


def _drop_nulls(obj: Obj, levels: int = decode.DEEPEST) -> None:
    """A null field is an absent field, at every depth. Raises ApiError 400 where patches have made it too deep."""
    if levels <= 0:
        raise errors.bad_request(f"the object has more than {decode.DEEPEST} levels of nesting")
    for key, value in list(obj.items()):
        if value is None:
            del obj[key]
        elif isinstance(value, dict):
            _drop_nulls(value, levels - 1)
        elif isinstance(value, list):
            for entry in value:
                if isinstance(entry, dict):
                    _drop_nulls(entry, levels - 2)


def _same_name(obj: Obj, target: Target) -> None:
    """Raises ApiError where the object has another name than the path."""
    name = obj["metadata"].get("name")
    if name != target.name:
        raise errors.bad_request(f"the name of the object ({name}) does not match the name on the URL ({target.name})")
