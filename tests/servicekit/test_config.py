from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from servicekit.config import ConfigError, Env, FrontConfig

ROOT = Path(__file__).resolve().parents[2]
SECRET = "0123456789abcdef0123456789abcdef"


def test_defaults_are_those_of_the_cluster() -> None:
    config = FrontConfig.from_env({"JWT_SECRET": SECRET})
    assert config.upstream.url == "http://cmpt756db:30002"
    assert config.auth.secret == SECRET
    assert config.max_body_bytes == 1024 * 1024


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        FrontConfig.from_env({"DB_URL": "cmpt756db:30002", "DB_READ_TIMEOUT": "soon", "DB_POOL_SIZE": "1.5"})
    for name in ("JWT_SECRET is not set", "DB_URL='cmpt756db:30002'", "DB_READ_TIMEOUT='soon'", "DB_POOL_SIZE='1.5'"):
        assert name in str(error.value)


def test_short_secret_is_refused_with_its_cure() -> None:
    with pytest.raises(ConfigError, match=r"JWT_SECRET has fewer than 32 bytes: .*openssl rand"):
        FrontConfig.from_env({"JWT_SECRET": "short"})


def test_keys_beside_the_usual_one() -> None:
    env = {"JWT_SECRET": SECRET, "JWT_SECRET_NEXT": SECRET[::-1], "JWT_SECRETS_OLD": '{"an old one": 1000}'}
    auth = FrontConfig.from_env({**env, "TOKEN_SECONDS": "60"}).auth
    assert auth.keys() == {SECRET: math.inf, SECRET[::-1]: math.inf, "an old one": 1060}
    assert FrontConfig.from_env({"JWT_SECRET": SECRET}).auth.keys() == {SECRET: math.inf}


@pytest.mark.parametrize("value", ["x", "[]", '{"key": null}', '{"key": "soon"}', "3"])
def test_old_keys_that_cannot_be_read_are_told_and_not_shown(value: str) -> None:
    with pytest.raises(ConfigError, match=r"JWT_SECRETS_OLD is not a JSON object of texts and numbers$"):
        FrontConfig.from_env({"JWT_SECRET": SECRET, "JWT_SECRETS_OLD": value})


def test_a_short_next_key_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"JWT_SECRET_NEXT has fewer than 32 bytes: .*jwt-secret-next"):
        FrontConfig.from_env({"JWT_SECRET": SECRET, "JWT_SECRET_NEXT": "short"})


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "301", "1e9", "x", "0x10"])
def test_numbers_stay_within_their_bounds(value: str) -> None:
    env = Env({"N": value})
    assert env.number("N", 5, 0, 300) == 5
    with pytest.raises(ConfigError):
        env.check()


@pytest.mark.parametrize("value", ["ftp://x", "http://", "http://x:port", "http://[::1", "x"])
def test_urls_must_be_http_with_a_host(value: str) -> None:
    env = Env({"U": value})
    env.url("U")
    with pytest.raises(ConfigError):
        env.check()


def test_url_loses_its_last_slash() -> None:
    assert Env({"U": "http://127.0.0.1:1/"}).url("U") == "http://127.0.0.1:1"


@pytest.mark.parametrize("service", ["s1", "s2/v1", "s2/v2", "db"])
def test_a_service_without_its_secret_ends_with_one_clear_line(service: str, tmp_path: Path) -> None:
    env = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    code = service.replace("/", ".")
    ended = subprocess.run(
        ["gunicorn", "-c", "python:servicekit.gunicorn_conf", "-b", "127.0.0.1:0", f"{code}.app:create_app()"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    name = "LOADER_TOKEN" if service == "db" else "JWT_SECRET"
    output = ended.stdout + ended.stderr
    assert ended.returncode != 0
    assert f"cannot start: {name} is not set" in output
    assert "Traceback" not in output


def test_every_setting_is_in_the_docs() -> None:
    sources = [path for folder in ("servicekit", "s1", "s2", "db", "loader") for path in (ROOT / folder).rglob("*.py")]
    read = re.compile(r'env\.(?:text|required|secret|number|integer|url|times|choice)\(\s*"([A-Z_]+)"')
    names = {name for path in sources for name in read.findall(path.read_text())}
    assert {"JWT_SECRET", "DYNAMODB_URL", "WORKERS", "LOADER_TOKEN", "DRAIN_SECONDS"} <= names
    docs = (ROOT / "docs/services.md").read_text()
    assert {name for name in names if f"`{name}`" not in docs} == set()
