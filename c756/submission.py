"""`make -f k8s.mak worksheet | submission` and tools/check-worksheets.sh: files in, files out. What is right and what
agrees is worksheet.py's; the numbers and the picture come from `python -m graph`.
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from c756 import kubectl, worksheet
from c756.trouble import Trouble

SHEET = "worksheet.md"
PICTURES = (".png", ".jpg", ".jpeg", ".svg")
TOLERANCE = 0.02
"""What check-worksheets.sh lets pass: a fiftieth of the right rate."""
STUDENT = re.compile(r"[1-9][0-9]{8}")
_TEMPLATE = Path(__file__).with_name("submission.typ")


def make_sheet(folder: Path) -> int:
    """Writes worksheet.md and its picture. Settings: LAST, SERVICE, FORCE=1. Raises Trouble."""
    target = folder / SHEET
    if target.exists() and os.environ.get("FORCE") != "1":
        raise Trouble(f"{SHEET} is there already, perhaps with answers", "Move it away, or replace it with FORCE=1")
    last, service = os.environ.get("LAST") or "10m", os.environ.get("SERVICE") or "cmpt756s2"
    at = str(int(time.time()))  # numbers and picture of the very same window
    report = json.loads(_graph("report", "--format", "json", "--service", service, "--last", last, "--at", at))
    data = worksheet.measured(report)
    picture = folder / worksheet.PICTURE
    _graph("snapshot", "--app", service, "--last", last, "--at", at, "--output", str(picture))
    target.write_text(worksheet.sheet(data))
    print(f"{SHEET}, with {picture.name}: fill in the blanks, then make -f k8s.mak submission STUDENT=301234567")
    return 0


def _graph(*arguments: str) -> str:
    command = [sys.executable, "-m", "graph", *arguments, "--namespace", kubectl.NAMESPACE]
    done = subprocess.run(command, cwd=kubectl.ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Trouble(done.stderr.strip() or f"{' '.join(command)} ended with {done.returncode}")
    return done.stdout


def submit(folder: Path, student: str) -> int:
    """Writes STUDENT-e7-submission.pdf from a sheet that is filled in and agrees with itself. Raises Trouble."""
    if not STUDENT.fullmatch(student):
        raise Trouble(
            f'"{student}" is no student number: nine digits are', "make -f k8s.mak submission STUDENT=301234567"
        )
    text = _read(folder / SHEET)
    data, given = worksheet.data_of(text), worksheet.answers(text)
    found = worksheet.disagreements(given)
    picture = folder / given["1"]
    if given["1"] and (picture.suffix.lower() not in PICTURES or not picture.is_file()):
        found.append(f"answer 1, {given['1']}, is no picture beside the sheet ({', '.join(PICTURES)})")
    if found:
        raise Trouble("\n".join(f"{SHEET}: {one}" for one in found), "Nothing was written. Mend it and say it again")
    target = folder / f"{student}-e7-submission.pdf"
    target.write_bytes(pdf(student, data, given, picture))
    print(f"{target.name}: {target.stat().st_size / 1024:.0f} KiB. This is what you hand in")
    return 0


def pdf(student: str, data: dict[str, Any], given: dict[str, str], picture: Path) -> bytes:
    """The submission as a PDF. Raises Trouble for a picture that is none."""
    import typst

    window = data["window"]
    end = datetime.fromtimestamp(window["end"], UTC).strftime("%Y-%m-%d %H:%M:%S")
    suffix = picture.suffix.lower().lstrip(".")
    sheet = {
        "student": student,
        "service": data["service"],
        "window": f"{window['seconds'] / 60:g} minutes up to {end} UTC",
        "picture": suffix,
        "answers": given,
    }
    files = {"main.typ": _TEMPLATE.read_bytes(), f"picture.{suffix}": picture.read_bytes()}
    try:
        # Its stub knows nothing of files in memory.
        made = typst.compile(files, format="pdf", sys_inputs={"sheet": json.dumps(sheet)})  # type: ignore[call-overload]
    except RuntimeError as error:
        raise Trouble(f"no PDF can be made of it: {error}", "Is the picture of answer 1 really one?") from None
    assert isinstance(made, bytes)  # one document, not one for each page  # noqa: S101
    return made


def check(arguments: Sequence[str]) -> int:
    """Compares every sheet of a folder with its own data; 1 if something is off. Raises Trouble."""
    if not 1 <= len(arguments) <= 2 or (len(arguments) == 2 and arguments[1] != "--csv"):
        print("usage: tools/check-worksheets.sh FOLDER [--csv]    TOLERANCE=0.02", file=sys.stderr)
        return 2
    sheets = sorted(Path(arguments[0]).rglob("*.md"))
    if not sheets:
        raise Trouble(f"there is no sheet (*.md) in {arguments[0]}")
    rows = [_row(path, Path(arguments[0]), _tolerance()) for path in sheets]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = [columns, *([row.get(column, "") for column in columns] for row in rows)]
    if len(arguments) == 2:
        csv.writer(sys.stdout, lineterminator="\n").writerows(lines)
    else:
        widths = [max(len(line[number]) for line in lines) for number in range(len(columns))]
        for line in lines:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    return 0 if all(row["right"] == row["of"] for row in rows) else 1


def _row(path: Path, folder: Path, tolerance: float) -> dict[str, str]:
    text = _read(path)
    try:
        found = worksheet.verdicts(worksheet.data_of(text), worksheet.answers(text), tolerance)
    except Trouble as trouble:
        return {"sheet": str(path.relative_to(folder)), "right": "0", "of": "?", "trouble": str(trouble).split("\n")[0]}
    right = sum(verdict == "ok" for verdict in found.values())
    return {"sheet": str(path.relative_to(folder)), "right": str(right), "of": str(len(found)), **found}


def _tolerance() -> float:
    text = os.environ.get("TOLERANCE") or str(TOLERANCE)
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < 1:
        raise Trouble(f"TOLERANCE={text} is no share", "Write it like 0.05, which is 5 %")
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Trouble(f"there is no {path.name} here", "Make it: make -f k8s.mak worksheet") from None
    except UnicodeDecodeError as error:
        raise Trouble(f"{path.name} is no text in UTF-8: {error}", "Save it as such, in an editor for text") from None
