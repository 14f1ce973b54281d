import json
from pathlib import Path

from pocket.kubelet.records import FILE, ContainerRecord, PodRecord, load
from pocket.processes import ProcessId


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    record = PodRecord("u", "ns", "p", 5.0, {80: 20010}, [80], {80: 20011}, {"host": 20012}, 20013, 20014, "secret")
    record.containers["a"] = ContainerRecord("sha256:1", 2, ProcessId(1, 2.5, "m", "f"), "T", {"exitCode": 1})
    record.containers["b"] = ContainerRecord()
    record.save(tmp_path)
    assert load(tmp_path) == record
    data = json.loads((tmp_path / FILE).read_text())
    data["new"] = data["containers"]["a"]["new"] = "of a later pocket"
    (tmp_path / FILE).write_text(json.dumps(data))
    assert load(tmp_path) == record
    assert sorted(record.ports()) == [20010, 20011, 20012, 20013, 20014]
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    for text in ("", "{", "[]", '{"uid": 1}'):
        (tmp_path / FILE).write_text(text)
        assert load(tmp_path) is None
