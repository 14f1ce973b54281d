"""Which Envoys were started by an earlier pocket: the revision of what they are started with."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pocket.mesh.bootstrap import bootstrap, envoy_argv
from pocket.mesh.model import MODES, Proxy


def revision(envoy: Path) -> str:
    """Stands for all that every Envoy has in common at its start: the program, its arguments, its bootstrap file.

    An Envoy takes everything else in while it runs. Sixteen hexadecimal digits. Raises OSError where `envoy`, the
    program, is not there.
    """
    program = envoy.stat()
    nobody = [Proxy(name="", namespace="", uid="", directory="", metrics_port=0, mode=mode) for mode in MODES]
    content = [
        program.st_size,
        program.st_mtime_ns,
        envoy_argv(envoy.name),
        [bootstrap(proxy) for proxy in nobody],
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
