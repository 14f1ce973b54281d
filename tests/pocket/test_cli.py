"""What the command line says when something goes wrong."""

from __future__ import annotations

import errno
import runpy
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

import pytest

import pocket
from pocket import cli, lifecycle


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device on the disk of {home}"),
        (OSError(errno.ENOSPC, "No space left on device", "/a/file"), "on the disk of /a/file. Make room, then"),
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


class Interrupted(MetaPathFinder):
    """^C in the moment in which the command line is loaded."""

    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname == "pocket.cli":
            raise KeyboardInterrupt


def test_an_interrupt_while_it_is_loaded_leaves_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pocket.cli")
    monkeypatch.delattr(pocket, "cli")
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("pocket", run_name="__main__")
    assert ended.value.code == 130
