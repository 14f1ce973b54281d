"""A copy of the store, made at each start of the control process, and taken back by `make -f pocket.mak restore`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from pocket.store import StoreError, check, cure


def copy_of(store: Path) -> Path:
    """Where the copy lies."""
    return store.with_suffix(".kept.sqlite")


def keep(store: Path) -> None:
    """Copy the store, unless nothing is in it: a copy from before is worth more then. Raises OSError, sqlite3.Error."""
    temporary = copy_of(store).with_suffix(".new")
    temporary.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(store)) as source, closing(sqlite3.connect(temporary)) as target:
            if not _objects(source):
                return
            source.backup(target)
        temporary.chmod(0o600)
        temporary.replace(copy_of(store))
    finally:
        temporary.unlink(missing_ok=True)


def restore(store: Path) -> str:
    """Put the copy in the store's place; what was there lies beside it as `.damaged`. Says what is there now.

    Nobody may have the store open. Raises StoreError where there is no copy, or none that is whole; OSError.
    """
    kept = copy_of(store)
    if not kept.exists():
        raise StoreError(f"{kept} is not there: no copy has been made. {cure(store)}.")
    with closing(sqlite3.connect(kept)) as copy:
        check(copy, kept)
        number = _objects(copy)
    made = datetime.fromtimestamp(kept.stat().st_mtime).astimezone().strftime("%Y-%m-%d %H:%M")
    temporary = store.with_suffix(".new")
    temporary.write_bytes(kept.read_bytes())
    temporary.chmod(0o600)
    for suffix in ("-wal", "-shm"):
        store.with_name(store.name + suffix).unlink(missing_ok=True)  # they belong to the damaged one
    if store.exists():
        store.replace(store.with_suffix(".damaged"))
    temporary.replace(store)
    return f"{number} objects of {made}"


def _objects(database: sqlite3.Connection) -> int:
    known = database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'objects'").fetchone()[0]
    return int(database.execute("SELECT count(*) FROM objects").fetchone()[0]) if known else 0
