from __future__ import annotations

import pytest

from graph import health


@pytest.mark.parametrize(
    ("codes", "status"),
    [
        ({"200": 5.0}, "Healthy"),
        ({"200": 4.99, "500": 0.01}, "Degraded"),
        ({"200": 4.5, "500": 0.25, "503": 0.25}, "Failure"),
        ({"200": 4.5, "-": 0.5}, "Failure"),
        ({"200": 4.6, "404": 0.4}, "Healthy"),
        ({"200": 4.5, "404": 0.5}, "Degraded"),
        ({"200": 4.0, "404": 1.0}, "Failure"),
        ({"302": 5.0}, "Healthy"),
        ({"500": 0.0}, "NA"),
        ({}, "NA"),
    ],
)
def test_http(codes: dict[str, float], status: str) -> None:
    assert health.judge({"http": codes}) == status


def test_grpc_counts_statuses_and_missing_answers() -> None:
    assert health.judge({"grpc": {"0": 99.0, "14": 1.0}}) == "Degraded"
    assert health.judge({"grpc": {"0": 9.0, "16": 1.0}}) == "Failure"
    assert health.judge({"grpc": {"0": 9.0, "-": 1.0}}) == "Failure"
    assert health.judge({"grpc": {"0": 9.0, "17": 1.0}}) == "Healthy"  # there is no status 17


def test_the_worst_protocol_decides_and_bytes_do_not_fail() -> None:
    assert health.judge({"http": {"200": 5.0}, "grpc": {"14": 1.0}}) == "Failure"
    assert health.judge({"tcp": {"-": 1000.0}}) == "Healthy"


def test_a_node_is_judged_by_what_it_is_answered_too() -> None:
    status = health.of_node({}, {"http": {"200": 9.0, "503": 1.0}})["status"]
    assert status == {"status": "Failure", "errorRatio": 10.0, "totalRequestRate": 10.0}
    status = health.of_node({"http": {"200": 9.0}}, {"http": {"200": 9.9, "503": 0.1}})["status"]
    assert status == {"status": "Degraded", "errorRatio": 1.0, "totalRequestRate": 19.0}
    assert health.of_node({}, {})["status"]["status"] == "NA"
    assert health.of_node({"tcp": {"-": 1000.0}}, {})["status"]["status"] == "NA"


@pytest.mark.parametrize(
    ("edge", "drawn"),
    [
        ({"traffic": {"protocol": "http"}}, health.IDLE),
        ({"traffic": {"protocol": "tcp", "rates": {"tcp": "5.00"}}, "healthStatus": "Healthy"}, health.TCP),
        ({"traffic": {"protocol": "http", "rates": {"http": "5.00"}}, "healthStatus": "Degraded"}, health.DEGRADED),
        ({"traffic": {"protocol": "http", "rates": {"http": "5.00"}}, "healthStatus": "Failure"}, health.FAILING),
        ({"traffic": {"protocol": "http", "rates": {"http": "5.00"}}}, health.HEALTHY),  # nobody asked for its health
    ],
)
def test_what_an_edge_is_drawn_as(edge: dict[str, object], drawn: str) -> None:
    assert health.of_edge(edge) == drawn


def test_labels() -> None:
    assert health.label({"protocol": "http", "rates": {"http": "0.03"}}) == ["0.03"]
    assert health.label({"protocol": "http", "rates": {"http": "4.50", "httpPercentErr": "11.0"}}) == ["4.5", "11% err"]
    assert health.label({"protocol": "tcp", "rates": {"tcp": "523.40"}}) == ["523.4bps"]
    assert health.label({"protocol": "tcp", "rates": {"tcp": "3120.00"}}) == ["3.05kps"]
    assert health.label({"protocol": "http"}) == []
