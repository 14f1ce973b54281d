"""The real Prometheus answers whoever has its password, and who comes by the API server."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
import requests

from c756.canary import prometheus as canary
from c756.trouble import Trouble
from graph.errors import GraphError
from graph.prometheus import Prometheus
from pocket import credentials, parts, prometheus
from pocket.settings import Settings
from tests.realservices import answers, free_port, wait_for

QUERY = "/api/v1/query?query=1%2B1"


class Free(Settings):
    """With a port of its own for Prometheus."""

    @property
    def prometheus_port(self) -> int:
        return self.port_base


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    made = Free(home=tmp_path_factory.mktemp("pocket"), port_base=free_port(), gateway_port=8080)
    parts.write_prometheus_config(made)
    part = parts.prometheus(made)
    with (made.home / "log").open("wb") as log:
        process = subprocess.Popen(part.argv, cwd=part.cwd, env=part.env, stdout=log, stderr=log)
    wait_for(lambda: answers(f"{credentials.prometheus_url(made)}/-/ready"), "Prometheus")
    yield made
    process.terminate()
    assert process.wait(30) == 0


def test_the_password_is_asked_for(settings: Settings) -> None:
    for path in (QUERY, "/", "/-/ready", "/metrics", "/graph"):
        for host in ("localhost", "evil.example"):
            answer = requests.get(settings.prometheus_url + path, headers={"Host": host}, timeout=10)
            assert answer.status_code == 401, (path, host)
    wrong = requests.get(settings.prometheus_url + QUERY, auth=("pocket", "guessed"), timeout=10)
    assert wrong.status_code == 401
    known = requests.get(credentials.prometheus_url(settings) + QUERY, timeout=10).json()
    assert known["data"]["result"][1] == "2"
    for name in ("prometheus.password", "prometheus/web.yml"):
        assert (settings.home / name).stat().st_mode & 0o077 == 0


def test_our_programs_take_it_from_the_url_and_do_not_show_it(settings: Settings) -> None:
    url = credentials.prometheus_url(settings)
    password = (settings.home / "prometheus.password").read_text()
    assert Prometheus(url).query("1 + 1", time.time())[0].value == 2
    assert canary.at(url).time() == pytest.approx(time.time(), abs=60)
    away = url.replace(f":{settings.prometheus_port}", f":{free_port()}")
    for ask in (lambda: Prometheus(away).query("1", 0), lambda: canary.at(away).time()):
        with pytest.raises((GraphError, Trouble)) as caught:
            ask()
        assert password not in str(caught.value)


def test_by_the_api_server_s_socket_nobody_is_asked(settings: Settings) -> None:
    async def ask() -> tuple[int, str]:
        async with (
            prometheus.listening(settings),
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(settings.prometheus_socket))) as session,
            session.get(f"http://any{QUERY}") as answer,
        ):
            assert settings.prometheus_socket.stat().st_mode & 0o077 == 0
            posted = await session.post("http://any/api/v1/query", data={"query": "1 + 1"})
            assert (await posted.json())["data"]["result"][1] == "2"
            return answer.status, (await answer.json())["data"]["result"][1]

    assert asyncio.run(ask()) == (200, "2")


def test_another_password_is_another_prometheus(tmp_path: Path, settings: Settings) -> None:
    """So that `start` renews one that runs with the old one."""
    other = replace(settings, home=tmp_path)
    assert parts.prometheus(other).fingerprint != parts.prometheus(settings).fingerprint
    same = replace(settings)
    assert parts.prometheus(same).fingerprint == parts.prometheus(settings).fingerprint
