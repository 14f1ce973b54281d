from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from servicekit.config import BaseConfig
from servicekit.errors import ServiceError
from servicekit.service import new_app


def make() -> Flask:
    app = new_app(
        service="svc",
        version="v9",
        prefix="/p",
        config=BaseConfig(),
        check_ready=lambda: None,
        document={"openapi": "x"},
    )

    @app.get("/p/")
    def items() -> str:
        return "all"

    @app.get("/p/<item_id>")
    def item(item_id: str) -> str:
        if item_id == "boom":
            raise RuntimeError("a secret detail")
        if item_id == "teapot":
            raise ServiceError(404, "no teapot")
        return item_id

    return app


@pytest.fixture
def client() -> FlaskClient:
    return make().test_client()


def series(client: FlaskClient, name: str) -> list[str]:
    return [line for line in client.get("/metrics").text.splitlines() if line.startswith(name)]


COUNT = "flask_http_request_duration_seconds_count"


def test_ids_share_one_series(client: FlaskClient) -> None:
    for number in range(50):
        client.get(f"/p/{number}")
    assert series(client, COUNT) == [f'{COUNT}{{method="GET",status="200",url_rule="/p/<item_id>"}} 50.0']


def test_unknown_paths_and_methods_are_bounded(client: FlaskClient) -> None:
    for number in range(20):
        client.get(f"/nowhere/{number}")
        client.open("/p/1", method=f"ODD{number}")
    assert series(client, COUNT) == [f'{COUNT}{{method="GET",status="404",url_rule="unmatched"}} 20.0']


def test_probes_and_scrapes_are_not_counted(client: FlaskClient) -> None:
    for path in ("/p/health", "/p/readiness", "/metrics"):
        assert client.get(path).status_code == 200
    assert series(client, COUNT) == []
    assert series(client, "flask_http_request_total") == []


def test_failures_are_counted_with_their_status(client: FlaskClient) -> None:
    client.get("/p/boom")
    client.get("/p/teapot")
    assert {line.split('status="')[1][:3] for line in series(client, COUNT)} == {"500", "404"}


def test_version_is_a_label_of_app_info(client: FlaskClient) -> None:
    assert series(client, "app_info") == ['app_info{service="svc",version="v9"} 1.0']


def test_two_apps_do_not_share_their_counts() -> None:
    first, second = make().test_client(), make().test_client()
    first.get("/p/1")
    assert series(second, COUNT) == []


def test_unexpected_errors_show_nothing_of_themselves(client: FlaskClient) -> None:
    answer = client.get("/p/boom")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert list(answer.get_json()) == ["error"]


def test_errors_of_every_kind_are_json(client: FlaskClient) -> None:
    assert client.get("/nowhere").get_json() == {"error": "no such path"}
    answer = client.delete("/p/1")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    assert list(answer.get_json()) == ["error"]
    assert client.delete("/p/health").status_code == 405
    assert client.get("/p/teapot").get_json() == {"error": "no teapot"}


def test_paths_are_not_redirected(client: FlaskClient) -> None:
    assert client.get("/p").text == client.get("/p/").text == "all"
    assert client.get("//p/1").status_code == 404
    assert client.get("/p/1/").status_code == 404
