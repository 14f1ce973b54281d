"""What a kind means on pocket, where it is more than an object that is kept: the hooks of the generic path.

After Kubernetes' strategies (pkg/registry/*/strategy.go). A kind that needs none has no file here: its names, its
subresources and its fields come from upstream's schema, and a CustomResourceDefinition brings the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pocket.api import names
from pocket.kinds.columns import Column
from pocket.objects import FieldError, Kind, Obj
from pocket.store import Store

if TYPE_CHECKING:
    from pocket.api.rbac import Access, User


@dataclass(frozen=True)
class Deletion:
    """What a DELETE does to an object that is not simply taken out."""

    how: Literal["remove", "mark", "keep"]
    grace: int | None = None  # seconds, with `mark`


def _nothing(obj: Obj) -> None:
    """No defaults."""


def _no_rules(_: Obj) -> list[FieldError]:
    return []


def _no_changes(_: Obj, __: Obj) -> list[FieldError]:
    return []


def _no_warnings(_: Obj) -> list[str]:
    return []


def _unprepared(new: Obj, old: Obj | None, store: Store) -> None:
    """Nothing that the server fills in."""


def _complete(obj: Obj, store: Store) -> None:
    """Nothing to assign."""


def _unnoticed(store: Store, obj: Obj) -> None:
    """Nothing follows."""


@dataclass(frozen=True)
class Strategy:
    """Everything about one kind; functions that see the store only read it, but for `created`."""

    kind: str  # as the store calls it
    defaults: Callable[[Obj], None] = _nothing
    """Fills in the values that are left out, in place; idempotent."""
    rules: Callable[[Obj], list[FieldError]] = _no_rules
    """What is wrong with an object whose fields are all known and typed."""
    changes: Callable[[Obj, Obj], list[FieldError]] = _no_changes
    """What is wrong with a change: new, old."""
    name_rule: Callable[[str, str], list[FieldError]] = names.subdomain
    columns: tuple[Column, ...] | None = None
    """Of `kubectl get`; None: name and age."""
    fields: tuple[str, ...] = ()
    """What may be selected on, besides name and namespace (those of the real API server)."""
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Where the value of such a field stands in the stored object, if not under its name: the first that is there."""
    prepare: Callable[[Obj, Obj | None, Store], None] = _unprepared
    """What the server decides before defaults: new object, old one (None: it is created), store."""
    complete: Callable[[Obj, Store], None] = _complete
    """What it assigns after the defaults."""
    created: Callable[[Store, Obj], None] = _unnoticed
    """What follows a creation."""
    deletion: Callable[[Obj, int | None, Store], Deletion] | None = None
    """What a DELETE with that grace period does; None: remove it, or mark it where it has finalizers."""
    finished_elsewhere: bool = False
    """Somebody else takes the object out when its last finalizer has gone."""
    lacks: tuple[str, ...] = ()
    """Upstream's subresources that pocket does not have."""
    fixed: str = ""
    """Why there can be no more and no fewer of them than pocket made."""
    to_stored: Callable[[Obj, Kind], Obj] | None = None
    """From a version that differs in more than its name to the stored one; gets the kind that was spoken."""
    from_stored: Callable[[Obj, Kind, str], Obj] | None = None
    """To such a version: stored object, kind, version."""
    grants: Callable[[Obj, User, Access], None] | None = None
    """Refuses (ApiError) an object by which the user who writes it would give away more than they have."""
    warnings: Callable[[Obj], list[str]] = _no_warnings
    """What is accepted, and perhaps not meant."""
    watched: bool = True
    """Does a change of these interest garbage collection and the emptying of namespaces?"""
