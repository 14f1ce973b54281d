from __future__ import annotations

import json
import logging

import pytest
from flask import Flask

from servicekit.config import BaseConfig
from servicekit.logs import JsonFormatter
from servicekit.service import new_app


def app_with_one_route() -> Flask:
    app = new_app(service="svc", version="v9", prefix="/p", config=BaseConfig(), check_ready=lambda: None, document={})
    app.add_url_rule("/p/<item_id>", "item", lambda item_id: str(1 // int(item_id)))
    return app


def test_a_request_is_one_line_with_its_id(caplog: pytest.LogCaptureFixture) -> None:
    app = app_with_one_route()
    with caplog.at_level(logging.INFO), app.test_request_context("/p/1", headers={"x-request-id": "id-7"}):
        app.full_dispatch_request()
        (line,) = [JsonFormatter().format(r) for r in caplog.records]
    told = json.loads(line)
    assert "\n" not in line
    assert told["ms"] >= 0
    wanted = {"request_id": "id-7", "method": "GET", "path": "/p/1", "status": 200, "service": "svc", "version": "v9"}
    assert {key: told[key] for key in wanted} == wanted


def test_an_unexpected_error_is_logged_with_its_stack_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    app = app_with_one_route()
    with caplog.at_level(logging.INFO):
        assert app.test_client().get("/p/0").status_code == 500
    lines = [JsonFormatter().format(r) for r in caplog.records]
    assert all("\n" not in line for line in lines)
    assert "ZeroDivisionError" in json.loads(lines[0])["exception"]


def test_probes_and_scrapes_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    client = app_with_one_route().test_client()
    with caplog.at_level(logging.INFO):
        for path in ("/p/health", "/p/readiness", "/metrics"):
            client.get(path)
    assert caplog.records == []
