"""Each service against its own OpenAPI document, by schemathesis: no 5xx, nothing undocumented, shapes as written.

FUZZ_EXAMPLES says how many requests per operation (25 unless set); with it set, the seed is a new one each time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.realservices import LOADER_TOKEN, Chain, Service, bearer, front_env, operator_token

ROOT = Path(__file__).parents[2]
EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "")


def fuzz(service: Service, headers: dict[str, str], folder: Path, *more: str) -> None:
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", f"{service.url}/openapi.json"]
    command += ["--url", service.base, "--header", f"Authorization: {headers['Authorization']}"]
    command += ["--max-examples", EXAMPLES or "25", "--continue-on-failure", "--suppress-health-check", "too_slow"]
    command += [] if EXAMPLES else ["--seed", "756"]
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "COLUMNS": "120"}
    env |= {"PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.servicekit.fuzz_hooks"}
    seconds = 1800 if EXAMPLES else 600  # 20 s on an idle machine
    done = subprocess.run(
        [*command, *more], cwd=folder, env=env, capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "Traceback" not in service.process.output


@pytest.mark.parametrize("name", ["s1", "s2", "db"])
def test_a_service_is_what_its_document_says(chain: Chain, name: str, tmp_path: Path) -> None:
    headers = bearer(LOADER_TOKEN) if name == "db" else operator_token()
    fuzz(getattr(chain, name), headers, tmp_path)


def test_version_2_is_what_its_document_says_but_for_its_bug(chain: Chain, tmp_path: Path) -> None:
    fuzz(chain.s2_v2, operator_token(), tmp_path, "--exclude-checks", "not_a_server_error,positive_data_acceptance")


def test_version_2_with_its_bug_fixed(chain: Chain, tmp_path: Path) -> None:
    edit = "PERCENT_ERROR = 50\n -> PERCENT_ERROR = 0\n"
    fixed = Service("s2/v2", "/api/v1/music", tmp_path / "fixed", front_env(chain.db), edit)
    try:
        fuzz(fixed.start(), operator_token(), tmp_path)
    finally:
        fixed.stop()
