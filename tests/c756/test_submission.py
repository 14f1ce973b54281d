"""Worksheet and submission as files: what is written, and when nothing is."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import pytest

from c756 import submission
from c756.trouble import Trouble
from tests.c756.test_worksheet import filled

ROOT = Path(__file__).resolve().parents[2]
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="200" height="50">'
    '<text x="5" y="20" style="font: 11px sans-serif">0.25</text></svg>'
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "worksheet.md").write_text(filled(), encoding="utf-8")
    (tmp_path / "worksheet.svg").write_text(SVG)
    return tmp_path


def test_the_pdf(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert submission.submit(folder, "301234567") == 0
    made = (folder / "301234567-e7-submission.pdf").read_bytes()
    assert made.startswith(b"%PDF-")
    assert b"301234567" in made  # the title
    assert "301234567-e7-submission.pdf" in capsys.readouterr().out


def test_answers_are_text_and_no_markup(folder: Path) -> None:
    sheet = filled(_4_why='it is #panic("x") *answered* $x by `s2` "itself" \\')
    (folder / "worksheet.md").write_text(sheet, encoding="utf-8")
    assert submission.submit(folder, "301234567") == 0


@pytest.mark.parametrize("student", ["", "30123456", "3012345678", "30123456x", "301234567/../x", "001234567"])
def test_a_wrong_student_number_is_refused(folder: Path, student: str) -> None:
    with pytest.raises(Trouble, match="is no student number"):
        submission.submit(folder, student)
    assert list(folder.glob("*.pdf")) == []


def test_a_sheet_that_does_not_agree_with_itself_is_refused_with_all_that_is_wrong(folder: Path) -> None:
    (folder / "worksheet.md").write_text(filled(_6="3", _7_v1_successful="4.00"), encoding="utf-8")
    with pytest.raises(Trouble, match=r"(?s)worksheet.md: the six rates of 7.*worksheet.md: answer 6 says"):
        submission.submit(folder, "301234567")
    assert list(folder.glob("*.pdf")) == []


def test_a_picture_that_is_none_is_told(folder: Path) -> None:
    (folder / "worksheet.svg").write_text("no picture")
    with pytest.raises(Trouble, match="no PDF can be made"):
        submission.submit(folder, "301234567")
    (folder / "worksheet.svg").unlink()
    with pytest.raises(Trouble, match="is no picture beside the sheet"):
        submission.submit(folder, "301234567")


def test_without_a_sheet(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match=r"there is no worksheet\.md here"):
        submission.submit(tmp_path, "301234567")


def test_a_sheet_with_answers_is_not_written_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORCE", raising=False)
    with pytest.raises(Trouble, match="FORCE=1"):
        submission.make_sheet(folder)


def test_sheets_are_compared_with_their_own_data(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/worksheet.md").write_text(filled(), encoding="utf-8")
    (tmp_path / "b.md").write_text(filled(_2="4.80"), encoding="utf-8")
    (tmp_path / "c.md").write_text("# another paper\n", encoding="utf-8")
    done = subprocess.run(
        ["tools/check-worksheets.sh", str(tmp_path), "--csv"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    rows = {row["sheet"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert (rows["a/worksheet.md"]["right"], rows["a/worksheet.md"]["of"]) == ("11", "11")
    assert (rows["b.md"]["right"], rows["b.md"]["2"]) == ("10", "4.8, not 5.066")
    assert "data block" in rows["c.md"]["trouble"]
    table = subprocess.run(
        [sys.executable, "-m", "c756", "check-worksheets", str(tmp_path / "a")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert table.returncode == 0, table.stderr
    assert table.stdout.splitlines()[0].split()[:3] == ["sheet", "right", "of"]
