from __future__ import annotations

from typing import Any

import pytest

from pocket.mesh import policy


def test_a_more_specific_field_replaces_the_whole_field() -> None:
    whole = {"connectionPool": {"tcp": {"maxConnections": 5}}, "loadBalancer": {"simple": "RANDOM"}}
    merged = policy.merge(whole, {"connectionPool": {"http": {"maxRetries": 1}}}, 80)
    assert merged == {"connectionPool": {"http": {"maxRetries": 1}}, "loadBalancer": {"simple": "RANDOM"}}


def test_settings_for_a_port_inherit_nothing() -> None:
    rule = {
        "loadBalancer": {"simple": "RANDOM"},
        "portLevelSettings": [{"port": {"number": 80}, "connectionPool": {"tcp": {"maxConnections": 5}}}],
    }
    assert policy.merge(None, rule, 80) == {"connectionPool": {"tcp": {"maxConnections": 5}}}
    assert policy.merge(None, rule, 81) == {"loadBalancer": {"simple": "RANDOM"}}


def test_without_a_rule_there_are_no_limits_and_no_panic() -> None:
    cluster = policy.apply({}, http=True, http2=False)
    (limits,) = cluster["circuit_breakers"]["thresholds"]
    assert limits["max_connections"] == limits["max_requests"] == limits["max_pending_requests"] == 4294967295
    assert cluster["lb_policy"] == "LEAST_REQUEST"
    assert cluster["common_lb_config"]["healthy_panic_threshold"] == {"value": 0}
    options = cluster["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]
    assert options["common_http_protocol_options"]["idle_timeout"] == "55s"  # below gunicorn's 75 s


def test_connection_pool() -> None:
    cluster = policy.apply(
        {
            "connectionPool": {
                "tcp": {
                    "maxConnections": 1, "connectTimeout": "30ms", "maxConnectionDuration": "1m",
                    "tcpKeepalive": {"probes": 2, "time": "10s", "interval": "500ms"},
                },
                "http": {
                    "http1MaxPendingRequests": 2, "http2MaxRequests": 3, "maxRequestsPerConnection": 4, "maxRetries": 5,
                    "idleTimeout": "9s", "h2UpgradePolicy": "UPGRADE", "maxConcurrentStreams": 6,
                },
            }
        },
        http=True, http2=False,
    )  # fmt: skip
    (limits,) = cluster["circuit_breakers"]["thresholds"]
    assert {k: limits[k] for k in ("max_connections", "max_pending_requests", "max_requests", "max_retries")} == {
        "max_connections": 1, "max_pending_requests": 2, "max_requests": 3, "max_retries": 5,
    }  # fmt: skip
    assert cluster["connect_timeout"] == "0.03s"
    assert cluster["upstream_connection_options"]["tcp_keepalive"] == {
        "keepalive_probes": 2, "keepalive_time": 10, "keepalive_interval": 1,
    }  # fmt: skip
    (options,) = cluster["typed_extension_protocol_options"].values()
    assert options["common_http_protocol_options"] == {
        "idle_timeout": "9s", "max_requests_per_connection": 4, "max_connection_duration": "60s",
    }  # fmt: skip
    assert options["explicit_http_config"] == {"http2_protocol_options": {"max_concurrent_streams": 6}}


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({"simple": "ROUND_ROBIN"}, {"lb_policy": "ROUND_ROBIN"}),
        ({"simple": "LEAST_CONN"}, {"lb_policy": "LEAST_REQUEST"}),
        (
            {"consistentHash": {"httpHeaderName": "x"}},
            {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": 1024}},
        ),
        (
            {"consistentHash": {"useSourceIp": True, "maglev": {"tableSize": 7}}},
            {"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": 7}},
        ),
        (
            {"simple": "ROUND_ROBIN", "warmupDurationSecs": "30s"},
            {"round_robin_lb_config": {"slow_start_config": {"slow_start_window": "30s"}}},
        ),
    ],
)
def test_load_balancers(settings: dict[str, Any], fields: dict[str, Any]) -> None:
    cluster = policy.apply({"loadBalancer": settings}, http=True, http2=False)
    assert {name: cluster.get(name) for name in fields} == fields


@pytest.mark.parametrize(
    ("hashing", "wanted"),
    [
        ({"httpHeaderName": "x-user"}, {"header": {"header_name": "x-user"}}),
        (
            {"httpCookie": {"name": "c", "ttl": "0s", "attributes": [{"name": "SameSite", "value": "Strict"}]}},
            {"cookie": {"name": "c", "ttl": "0s", "attributes": [{"name": "SameSite", "value": "Strict"}]}},
        ),
        ({"httpQueryParameterName": "q"}, {"query_parameter": {"name": "q"}}),
        ({"useSourceIp": True}, {"connection_properties": {"source_ip": True}}),
        (None, None),
    ],
)
def test_hash_policies(hashing: dict[str, Any] | None, wanted: dict[str, Any] | None) -> None:
    assert policy.hash_policy(hashing) == wanted


def test_fields_of_istio_1_31() -> None:
    cluster = policy.apply(
        {
            "connectionPool": {"http": {"http2KeepAlive": {"interval": "30s", "timeout": "5s"}}},
            "outlierDetection": {"consecutive5xxErrors": 1, "outlierDetectionHttpErrorCodes": [429, 503]},
            "retryBudget": {"percent": 25, "budgetInterval": "10s"},
        },
        http=True,
        http2=True,
    )
    (options,) = cluster["typed_extension_protocol_options"].values()
    keepalive = options["explicit_http_config"]["http2_protocol_options"]["connection_keepalive"]
    assert keepalive == {"interval": "30s", "timeout": "5s"}
    rules = options["outlier_detection"]["error_matcher"]["or_match"]["rules"]
    assert [rule["http_response_headers_match"]["headers"][0]["string_match"] for rule in rules] == [
        {"exact": "429"},
        {"exact": "503"},
    ]
    (limits,) = cluster["circuit_breakers"]["thresholds"]
    assert limits["retry_budget"] == {
        "budget_percent": {"value": 25}, "min_retry_concurrency": 3, "budget_interval": "10s",
    }  # fmt: skip


def test_a_port_without_a_protocol_speaks_what_its_callers_do() -> None:
    cluster = policy.apply({}, http=True, http2=False, client=True)
    (options,) = cluster["typed_extension_protocol_options"].values()
    assert "use_downstream_protocol_config" in options


def test_outlier_detection() -> None:
    cluster = policy.apply(
        {
            "outlierDetection": {
                "consecutive5xxErrors": 3, "consecutiveGatewayErrors": 0, "interval": "1s", "baseEjectionTime": "1m",
                "maxEjectionPercent": 50, "minHealthPercent": 20, "splitExternalLocalOriginErrors": True,
                "consecutiveLocalOriginFailures": 4,
            }
        },
        http=True, http2=False,
    )  # fmt: skip
    assert cluster["outlier_detection"] == {
        "enforcing_success_rate": 0,
        "consecutive_5xx": 3,
        "enforcing_consecutive_5xx": 100,
        "consecutive_gateway_failure": 0,
        "enforcing_consecutive_gateway_failure": 0,
        "interval": "1s",
        "base_ejection_time": "60s",
        "max_ejection_percent": 50,
        "split_external_local_origin_errors": True,
        "enforcing_local_origin_success_rate": 0,
        "consecutive_local_origin_failure": 4,
        "enforcing_consecutive_local_origin_failure": 100,
    }
    assert cluster["common_lb_config"]["healthy_panic_threshold"] == {"value": 20}
