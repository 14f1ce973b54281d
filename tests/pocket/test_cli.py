"""What the command line says when something goes wrong."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pocket import cli, lifecycle


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device on the disk of {home}"),
        (PermissionError(errno.EACCES, "Permission denied", "/some/file"), "/some/file"),
        (lifecycle.PocketError("the gateway is away"), "the gateway is away"),
    ],
)
def test_an_error_is_one_line_that_names_the_place(
    error: Exception, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def start(*_: object) -> None:
        raise error

    monkeypatch.setenv("POCKET_HOME", str(tmp_path))
    monkeypatch.setattr(lifecycle, "start", start)
    assert cli.main(["start"]) == 1
    told = capsys.readouterr().err
    assert said.format(home=tmp_path) in told
    assert told.count("\n") == 1
