"""The kinds of objects that the datastore keeps: each has a table and a key."""

from __future__ import annotations

from dataclasses import dataclass

from servicekit.errors import ServiceError


@dataclass(frozen=True)
class ObjType:
    """One kind of object."""

    name: str
    table_prefix: str
    key: str  # the attribute that is the key, a string

    def table(self, suffix: str) -> str:
        """The table's name, e.g. `Music-c756`."""
        return f"{self.table_prefix}-{suffix}"


OBJTYPES = {o.name: o for o in (ObjType("music", "Music", "music_id"), ObjType("user", "User", "user_id"))}


def objtype_named(name: object) -> ObjType:
    """The ObjType called `name`; raises ServiceError 400 where there is none."""
    if isinstance(name, str) and name in OBJTYPES:
        return OBJTYPES[name]
    raise ServiceError(400, f"'objtype' must be one of: {', '.join(OBJTYPES)}")
