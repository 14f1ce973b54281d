"""Programs that are not the project's: from where the tests take them.

`C756_HELM=/some/helm:/other/helm` names versions, separated as on the PATH; else the one on the PATH is taken.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


def each(program: str, *, of_path: bool = True) -> pytest.MarkDecorator:
    """The parameter `program` of a test: once for each version; skipped, with the reason, where there is none."""
    variable = f"C756_{program.upper().replace('-', '_')}"
    found = shutil.which(program) if of_path else None
    paths = [Path(name) for name in os.environ.get(variable, found or "").split(os.pathsep) if name]
    absent = pytest.mark.skip(reason=f"no {program}: {variable} names none" + (", nor is it on the PATH" * of_path))
    values = [pytest.param(path, id=path.name) for path in paths] or [pytest.param(None, marks=absent, id="absent")]
    return pytest.mark.parametrize("program", values)
