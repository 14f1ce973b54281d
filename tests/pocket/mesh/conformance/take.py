"""Take istiod's answers into the tests: `python tests/pocket/mesh/conformance/take.py FOLDER`.

FOLDER holds what was asked of a real istiod, and its answers; its README.md says how to read them.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
PLAIN = ("README.md", "cluster.yaml", "gateway-service.yaml", "proxies.json")


def take(folder: Path, into: Path) -> int:
    """Copy everything; of the cases one a line, so that a change shows. Returns how many cases. Raises OSError."""
    cases = json.loads((folder / "cases.json").read_text())
    for name in PLAIN:
        shutil.copyfile(folder / name, into / name)
    lines = ",\n".join(json.dumps(case, sort_keys=True) for case in cases)
    (into / "cases.json").write_text(f"[\n{lines}\n]\n")
    return len(cases)


if __name__ == "__main__":
    print(f"{take(Path(sys.argv[1]), HERE)} cases")
