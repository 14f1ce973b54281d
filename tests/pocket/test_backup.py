"""A damaged store is told with its cure, and the copy of the last start is taken back."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from pocket import backup
from pocket.objects import Obj, name_of
from pocket.store import Store, StoreError


def configmap(name: str) -> Obj:
    meta = {"name": name, "namespace": "ns"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"text": name * 2000}}


def filled(path: Path, count: int = 50) -> None:
    store = Store(path)
    for number in range(count):
        store.create(configmap(f"c{number}"))
    store.close()


def damage(path: Path) -> None:
    """Overwrite pages in the middle, as a disk does that breaks."""
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + b"\xa5" * 16384 + content[middle + 16384 :])


def test_damaged_pages_are_told_and_the_copy_is_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    filled(path)
    backup.keep(path)
    assert backup.copy_of(path).stat().st_mode & 0o777 == 0o600
    damage(path)
    with pytest.raises(StoreError, match=r"store\.sqlite is damaged: .*`make -f pocket\.mak stop restore start`"):
        Store(path)
    assert backup.restore(path).startswith("50 objects of 20")
    store = Store(path)
    assert {name_of(obj) for obj in store.list("ConfigMap")} == {f"c{number}" for number in range(50)}
    store.close()
    assert path.with_suffix(".damaged").exists()


def test_without_a_copy_there_is_another_cure(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    filled(path)
    damage(path)
    with pytest.raises(StoreError, match=r"is damaged: .*Remove it to begin with no objects"):
        Store(path)
    with pytest.raises(StoreError, match=r"store\.kept\.sqlite is not there"):
        backup.restore(path)


def test_an_object_that_is_no_json(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    filled(path, 1)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE objects SET json = 'half of it {'")
    database.close()
    with pytest.raises(StoreError, match="is damaged: Expecting value"):
        Store(path)


def test_an_empty_store_takes_the_place_of_no_copy(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    filled(path, 3)
    backup.keep(path)
    path.unlink()
    Store(path).close()
    backup.keep(path)
    assert backup.restore(path).startswith("3 objects")


def test_a_damaged_copy_takes_the_place_of_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    filled(path)
    backup.keep(path)
    damage(backup.copy_of(path))
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"kept\.sqlite is damaged"):
        backup.restore(path)
    assert path.read_bytes() == before
