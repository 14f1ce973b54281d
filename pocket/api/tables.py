"""What `kubectl get` prints: some objects of one kind as a `Table` of meta.k8s.io/v1."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

from pocket.kinds.columns import AGE, NAME, Column
from pocket.objects import Obj

Include = Literal["Metadata", "Object", "None"]


def table(
    columns: tuple[Column, ...] | None,
    objects: Iterable[Obj],
    include: Include,
    metadata: Obj,
    headers: bool = True,
) -> Obj:
    """The Table of some objects of one kind with these columns (None: name and age).

    `headers` False leaves the column definitions out (later watch events).
    """
    columns = columns or (NAME, AGE)
    moment = datetime.now(UTC)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": [column.definition() for column in columns] if headers else None,
        "rows": [
            {"cells": [column.value(obj, moment) for column in columns], "object": _row_object(obj, include)}
            for obj in objects
        ],
    }


def _row_object(obj: Obj, include: Include) -> Obj | None:
    if include == "None":
        return None
    return obj if include == "Object" else partial(obj)


def partial(obj: Obj) -> Obj:
    """The PartialObjectMetadata of an object."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
