"""Archives that try to write outside of where they are unpacked."""

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from pocket import unpack


def archive(*members: tuple[str, bytes, str]) -> bytes:
    """Name, type, and content or the link's target of each."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            member.mode = 0o4755
            if kind == tarfile.REGTYPE:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content.encode()))
            else:
                member.linkname = content
                tar.addfile(member)
    return out.getvalue()


def run(place: Path, data: bytes) -> tuple[int, str]:
    program = [sys.executable, "-I", "-S", unpack.__file__, str(place), str(place.parent)]
    done = subprocess.run(program, input=data, capture_output=True, check=False, timeout=60)
    return done.returncode, done.stderr.decode()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "pod" / "code"
    (place / "volume").parent.mkdir(parents=True)
    (tmp_path / "pod" / "data").mkdir()
    (place / "volume").symlink_to("../data")
    (place / "away").symlink_to(tmp_path)
    return place


def test_files_folders_and_links_inside(place: Path) -> None:
    data = archive(
        ("d", tarfile.DIRTYPE, ""),
        ("d/file", tarfile.REGTYPE, "text"),
        ("volume", tarfile.DIRTYPE, ""),
        ("volume/x", tarfile.REGTYPE, "in the volume"),
        ("d/link", tarfile.SYMTYPE, "../d/file"),
        ("/abs", tarfile.REGTYPE, "a"),
    )
    assert run(place, data) == (0, "")
    assert (place / "d" / "link").read_text() == "text"
    assert (place / "d" / "file").stat().st_mode & 0o7777 == 0o755
    assert (place.parent / "data" / "x").read_text() == "in the volume"
    assert (place / "abs").read_text() == "a"


@pytest.mark.parametrize(
    "members",
    [
        [("../../evil", tarfile.REGTYPE, "x")],
        [("away/evil", tarfile.REGTYPE, "x")],
        [("away/evil", tarfile.DIRTYPE, "")],
        [("l", tarfile.SYMTYPE, "/etc")],
        [("l", tarfile.SYMTYPE, "../../..")],
        [("l", tarfile.SYMTYPE, ".."), ("m", tarfile.SYMTYPE, "l/.."), ("m/evil", tarfile.REGTYPE, "x")],
        [("l", tarfile.LNKTYPE, "../../secret")],
        [("l", tarfile.LNKTYPE, "away/secret")],
        [("l", tarfile.CHRTYPE, "")],
    ],
)
def test_nothing_leads_out(place: Path, members: list[tuple[str, bytes, str]]) -> None:
    outside = place.parent.parent
    (outside / "secret").write_text("s")
    code, said = run(place, archive(*members))
    assert code == 2, said
    assert said.startswith("tar: ")
    assert sorted(os.listdir(outside)) == ["pod", "secret"]
    assert (outside / "secret").stat().st_nlink == 1


def test_a_link_that_is_there_is_replaced_and_not_written_through(place: Path) -> None:
    (place / "out").symlink_to(place.parent.parent / "target")
    assert run(place, archive(("out", tarfile.REGTYPE, "mine")))[0] == 0
    assert (place / "out").read_text() == "mine"
    assert not (place.parent.parent / "target").exists()


def test_what_is_no_archive(place: Path) -> None:
    code, said = run(place, b"no archive at all" * 100)
    assert (code, said.startswith("tar: ")) == (2, True)
