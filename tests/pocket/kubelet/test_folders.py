from pathlib import Path

from pocket.kubelet.folders import folder_of, mark_of, remove_folder
from pocket.kubelet.records import PodRecord
from pocket.settings import Settings


def test_names(tmp_path: Path) -> None:
    settings = Settings(tmp_path, 20000, 8080)
    record = PodRecord("0123456789", "ns", "p")
    assert folder_of(settings, record.uid) == tmp_path / "pods" / "0123456789"
    assert mark_of(settings, record, "app", 2) == f"{tmp_path}:pod/ns/p/app#01234567.2"


def test_folders_that_their_owner_has_locked_go_as_well(tmp_path: Path) -> None:
    locked = tmp_path / "pod" / "locked"
    (locked / "deep").mkdir(parents=True)
    (locked / "deep" / "file").touch()
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o500)
    (locked / "link").symlink_to(outside)
    (locked / "deep").chmod(0o500)
    locked.chmod(0o000)
    remove_folder(tmp_path / "pod")
    assert not (tmp_path / "pod").exists()
    assert outside.stat().st_mode & 0o777 == 0o500
    remove_folder(tmp_path / "pod")  # again is no error
