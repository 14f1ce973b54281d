"""The library is loaded once, however many ask at the same time."""

from __future__ import annotations

import subprocess
import sys

TOGETHER = """
import sys, threading
from pocket.schemas import cel
sys.setswitchinterval(1e-6)
start, got = threading.Barrier(8), []
def ask():
    start.wait()
    got.append(cel._library())
threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(got) == 8 and got[0] is not None and all(each is got[0] for each in got), got
"""


def test_threads_that_need_it_at_the_same_time_share_it() -> None:
    done = subprocess.run([sys.executable, "-c", TOGETHER], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
