"""The vendors' own programs take the command lines: where one is installed, it is given each of them, logged out.

A wrong option or a wrong word is refused before anything else; a right command line gets as far as the missing login.
Nothing leaves this machine: there are no credentials. What each CLI says is from aws 1.45, gcloud 528 and az 2.91.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
LOGGED_OUT = {
    "aws": r"Unable to locate credentials",
    "gcloud": r"do not currently have an active account|\(unset\)",
    "az": r"az login",
}
FILES = {"aws": "eks", "gcloud": "gcp", "az": "az"}


def command_lines(cli: str) -> list[str]:
    lines = (GOLDEN / f"{FILES[cli]}.txt").read_text().splitlines()
    return sorted({line for line in lines if line.startswith(f"{cli} ")})


def say(cli: str, line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which(cli)
    if not program:
        pytest.skip(f"{cli} is not installed")
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "KUBECONFIG": str(folder / "kubeconfig")}
    env |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    env |= {"AWS_EC2_METADATA_DISABLED": "true"}
    env |= {"CLOUDSDK_CONFIG": str(folder / "gcloud"), "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"}
    env |= {"AZURE_CONFIG_DIR": str(folder / "az"), "AZURE_CORE_COLLECT_TELEMETRY": "0"}
    env |= {name: value for name, value in os.environ.items() if name.startswith("PYENV_")}
    return subprocess.run(
        [program, *shlex.split(line)[1:]], cwd=folder, env=env, capture_output=True, text=True, timeout=120,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize("cli", FILES)
def test_every_command_line_is_understood(cli: str, tmp_path: Path) -> None:
    lines = command_lines(cli)
    assert len(lines) >= 8
    for line in lines:
        done = say(cli, line, tmp_path)
        assert re.search(LOGGED_OUT[cli], done.stderr), f"{line}\n{done.stderr}"
        assert not re.search("unrecognized|usage:|unknown|invalid", done.stderr.lower()), f"{line}\n{done.stderr}"


@pytest.mark.parametrize("cli", FILES)
def test_a_wrong_option_would_be_noticed(cli: str, tmp_path: Path) -> None:
    line = next(line for line in command_lines(cli) if re.search("clusters create|aks create|wait nodegroup", line))
    done = say(cli, f"{line} --no-such-option", tmp_path)
    assert not re.search(LOGGED_OUT[cli], done.stderr)
    assert re.search("unrecognized|Unknown options", done.stderr)
