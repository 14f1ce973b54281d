"""What an audit answered: `tools/audited.py LOCK ANSWER CODE`, ANSWER a file with the JSON of pip-audit or `npm audit`.

0 where every package of LOCK was looked up and nothing is known of it; otherwise 1, with the reasons on standard error.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any


def locked(name: str, text: str) -> int:
    """How many packages a lock names: a package-lock.json, or a requirements file with hashes."""
    if name.endswith("package-lock.json"):
        return len([path for path in json.loads(text)["packages"] if path])
    return len(re.findall(r"(?m)^[A-Za-z0-9][^=\s]*==", text))


def pip_findings(answer: Any) -> tuple[int, list[str]]:
    """How many packages pip-audit looked up, and what is known of them."""
    looked_up = [package for package in answer["dependencies"] if "vulns" in package]
    return len(looked_up), [
        f"{package['name']} {package['version']}: {vuln['id']}, mended in {' '.join(vuln['fix_versions']) or 'none'}"
        for package in looked_up
        for vuln in package["vulns"]
    ]


def npm_findings(answer: Any) -> tuple[int, list[str]]:
    """The same for `npm audit`."""
    total: int = answer["metadata"]["dependencies"]["total"]
    return total, [f"{name}: {found['severity']}" for name, found in answer["vulnerabilities"].items()]


def problems(name: str, lock: str, answer: str, code: int) -> list[str]:
    """What is wrong, one line each. `code` is the exit code of the program that answered."""
    try:
        found: Any = json.loads(answer)
        looked_up, known = (npm_findings if name.endswith(".json") else pip_findings)(found)
    except (ValueError, KeyError, TypeError):
        return [f"the database could not be asked (exit code {code}): {answer.strip()[:500] or 'no answer'}"]
    if known:
        return known
    wanted = locked(name, lock)
    # Where a package is for another system or Python, pip-audit leaves it out: see the markers in the lock.
    skipped = 0 if name.endswith(".json") else len(re.findall(r"(?m)^[A-Za-z0-9][^=\s]*==[^;\n]*;", lock))
    if looked_up < wanted - skipped:
        return [f"only {looked_up} of {wanted} packages were looked up"]
    return [] if code == 0 else [f"exit code {code}, and no reason given"]


def main(arguments: list[str]) -> int:
    """See the module's text."""
    name, answer, code = arguments
    wrong = problems(name, Path(name).read_text(), Path(answer).read_text(), int(code))
    for line in wrong:
        print(f"{name}: {line}", file=sys.stderr)
    if not wrong:
        print(f"{name}: {locked(name, Path(name).read_text())} packages, nothing known")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
