"""gunicorn's settings with a sampling profiler in the worker: what `bench/read_path.py --profile` starts services with.

Each millisecond of CPU the stack of the running function is noted: SIGPROF comes in the main thread, where gevent's
greenlets run. PROFILE_FILE gets how often each function was seen, at the top and anywhere in the stack, as JSON.
"""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from servicekit.gunicorn_conf import *  # noqa: F403  gunicorn reads this module's names

_INTERVAL = 0.001  # seconds of CPU
_itself: Counter[str] = Counter()
_within: Counter[str] = Counter()


def _sample(number: int, frame: FrameType | None) -> None:
    del number
    seen: set[str] = set()
    while frame is not None:
        code = frame.f_code
        name = f"{'/'.join(Path(code.co_filename).parts[-2:])}:{code.co_qualname}"
        if not seen:
            _itself[name] += 1
        seen.add(name)
        frame = frame.f_back
    _within.update(seen)


def post_worker_init(worker: Any) -> None:
    """gunicorn calls it in the worker before it serves."""
    del worker
    signal.signal(signal.SIGPROF, _sample)
    signal.setitimer(signal.ITIMER_PROF, _INTERVAL, _INTERVAL)


def worker_exit(server: Any, worker: Any) -> None:
    """gunicorn calls it in the worker before it ends."""
    del server, worker
    signal.setitimer(signal.ITIMER_PROF, 0)
    Path(os.environ["PROFILE_FILE"]).write_text(json.dumps([_itself, _within]))
