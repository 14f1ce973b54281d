"""What tools/load-job.sh refuses before it asks a cluster. That it works is tried on a real one, in tests/e2e."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import StandIns


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("", "ReadMusicSim", "4", "5m"), "usage: make -f k8s.mak load USERS=200 SIM=ReadMusicSim PODS=4"),
        (("200", "", "4", "5m"), "usage: "),
        (("200", "ReadMusicSim", "0", "5m"), 'PODS is "0"'),
        (("200", "ReadMusicSim", "many", "5m"), 'PODS is "many"'),
        (("3", "ReadMusicSim", "4", "5m"), "USERS=3 is less than PODS=4"),
    ],
)
def test_what_is_refused(standins: StandIns, checkout: Path, arguments: tuple[str, ...], said: str) -> None:
    done = standins.run("tools/load-job.sh", *arguments, cwd=checkout)
    assert done.returncode == 1
    assert said in done.stderr
    assert standins.calls == []
