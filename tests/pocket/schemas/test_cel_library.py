"""The library of CEL and Envoy's messages share the folder `cel`: whichever comes first, both are there."""

from __future__ import annotations

import subprocess
import sys

import pytest

RULE = "assert cel.evaluate('self.size() > 0', {'self': 'ab'}) is True"
MESSAGE = "assert messages._class_of('type.googleapis.com/xds.type.v3.CelExpression')"


@pytest.mark.parametrize("order", [(RULE, MESSAGE), (MESSAGE, RULE)])
def test_rules_and_messages_in_one_process(order: tuple[str, str]) -> None:
    code = "\n".join(["from pocket.schemas import cel", "from pocket.xds import messages", *order])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
