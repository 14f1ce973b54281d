"""The page's pure functions, by node's own test runner."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_page_modules() -> None:
    node = shutil.which("node") or str(ROOT / ".venv/bin/node")
    files = sorted(str(path) for path in (ROOT / "tests/graph/js").glob("*.test.js"))
    assert files
    done = subprocess.run([node, "--test", *files], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
