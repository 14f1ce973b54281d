"""What a person sees before the cursor, in the shells that a machine has: on a terminal, with a stranger's settings."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from pocket.api import prompt

POD = "cmpt756s2-v2-76995ccd68-qpfzc"


def said(shell: list[str], cwd: Path, env: dict[str, str], wanted: str) -> str:
    """What a shell writes to its terminal, until it has written `wanted` or 20 s are over."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        shell, cwd=cwd, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    text, end = "", time.monotonic() + 20
    try:
        os.write(ours, b"cd ..\n")
        while not re.search(wanted, text) and time.monotonic() < end:
            if select.select([ours], [], [], 0.5)[0]:
                text += os.read(ours, 4096).decode()
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return text


@pytest.mark.parametrize("shell", [["bash"], ["bash", "--norc"], ["sh"]])
def test_the_prompt_says_pod_and_path(shell: list[str], tmp_path: Path) -> None:
    if not shutil.which(shell[0]):
        pytest.skip(f"no {shell[0]} here")
    code = tmp_path / "rootfs" / "code"
    code.mkdir(parents=True)
    (tmp_path / ".bashrc").write_text("PS1='\\u@\\h:\\w\\$ '\n")  # as Debian's own
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "dumb"}
    env |= prompt.variables(POD, code, tmp_path / "rootfs")
    text = said(shell, code, env, rf"root@{POD}:/?# $")
    assert f"root@{POD}:/code# " in text, text
    assert str(tmp_path) not in text, text


def test_a_path_that_a_shell_would_not_take_as_it_is_stays_whole(tmp_path: Path) -> None:
    odd = tmp_path / "a'b*"
    (odd / "code").mkdir(parents=True)
    found = prompt.variables(POD, odd / "code", odd)
    assert found["PS1"] == f"root@{POD}:${{PWD}}# "
    assert found["HOSTNAME"] == POD
