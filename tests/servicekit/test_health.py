from __future__ import annotations

import threading

from flask import Flask

from servicekit import health
from servicekit.errors import ServiceError
from servicekit.health import Readiness, drain_of


class Dependency:
    """Something that can be asked, and says how often it was."""

    def __init__(self) -> None:
        self.asked = 0
        self.missing = ""

    def check(self) -> None:
        self.asked += 1
        if self.missing:
            raise ServiceError(503, self.missing)


def test_ready_follows_the_dependency_and_drain() -> None:
    app = Flask("test")
    dependency = Dependency()
    health.install(app, "/p", dependency.check)
    client = app.test_client()
    assert client.get("/p/readiness").status_code == 200
    drain_of(app).begin()
    answer = client.get("/p/readiness")
    assert (answer.status_code, answer.get_json()) == (503, {"error": "shutting down"})
    assert client.get("/p/health").status_code == 200


def test_not_ready_says_what_is_missing() -> None:
    app = Flask("test")
    dependency = Dependency()
    dependency.missing = "no table"
    health.install(app, "/p", dependency.check)
    answer = app.test_client().get("/p/readiness")
    assert (answer.status_code, answer.get_json()) == (503, {"error": "no table"})


def test_an_answer_is_good_for_a_second() -> None:
    now = 100.0
    dependency = Dependency()
    readiness = Readiness(dependency.check, clock=lambda: now)
    assert readiness.problem() is None
    dependency.missing = "gone"
    now = 100.9
    assert readiness.problem() is None
    now = 101.0
    problem = readiness.problem()
    assert problem is not None
    assert problem.message == "gone"
    assert dependency.asked == 2


def test_probes_at_the_same_time_share_one_answer() -> None:
    started, finish = threading.Event(), threading.Event()
    asked = 0

    def slow() -> None:
        nonlocal asked
        asked += 1
        started.set()
        assert finish.wait(10)

    readiness = Readiness(slow)
    threads = [threading.Thread(target=readiness.problem) for _ in range(5)]
    for thread in threads:
        thread.start()
    assert started.wait(10)
    finish.set()
    for thread in threads:
        thread.join(10)
    assert asked == 1
