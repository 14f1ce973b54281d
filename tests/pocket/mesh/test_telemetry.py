from __future__ import annotations

import re

import pytest

from pocket.mesh import telemetry
from tests.pocket.mesh.kit import pod, relabel, sidecar


@pytest.mark.parametrize(
    ("labels", "app", "version", "service", "revision"),
    [
        ({}, "s2", "v1", "s2", "v1"),
        ({}, "", "", "work", "latest"),
        ({"app.kubernetes.io/name": "n", "app.kubernetes.io/version": "r"}, "s2", "v1", "n", "r"),
        (
            {
                "service.istio.io/canonical-name": "c",
                "service.istio.io/canonical-revision": "d",
                "app.kubernetes.io/name": "n",
            },
            "s2", "v1", "c", "d",
        ),
    ],
)  # fmt: skip
def test_canonical_names(labels: dict[str, str], app: str, version: str, service: str, revision: str) -> None:
    who = telemetry.identity("work", "ns", app, version, labels)
    assert (who["canonical_service"], who["canonical_revision"]) == (service, revision)
    assert who["app"] == (app or "unknown")


def test_the_peer_header_is_read_back_field_by_field() -> None:
    value = telemetry.peer_header_value(sidecar())
    rules = telemetry.peer_filter()["typed_config"]["request_rules"]
    read = {}
    for rule in rules:
        rewrite = rule["on_header_present"]["regex_value_rewrite"]
        read[rule["on_header_present"]["key"]] = re.sub(rewrite["pattern"]["regex"], rewrite["substitution"], value)
    assert read == telemetry.proxy_identity(sidecar())
    assert [rule["remove"] for rule in rules] == [False] * 6 + [True]
    assert {rule["on_header_missing"]["value"] for rule in rules} == {"unknown"}


def test_tcp_labels_are_read_back_from_the_statistics_name() -> None:
    name = f"cluster.{telemetry.tcp_stat_name(sidecar(), 'source', None)}.upstream_cx_total"
    read, rest = {}, name
    for tag in telemetry.stats_tags():
        found = re.search(tag["regex"], name)
        assert found
        read[tag["tag_name"]] = found.group(2)
        rest = rest.replace(found.group(1), "", 1)
    assert rest == "cluster.istio_tcp|.upstream_cx_total"
    assert read["destination_service_name"] == "PassthroughCluster"
    assert read["source_workload"] == "s1"
    assert read["destination_workload"] == "unknown"


def test_the_destination_of_tcp_is_known_where_all_addresses_are_of_one_workload() -> None:
    from pocket.mesh.registry import Address

    one = [Address("127.0.0.1", 1, pod=pod()), Address("127.0.0.1", 2, pod=pod(port=2))]
    assert "|s2-v1|" in telemetry.tcp_stat_name(sidecar(), "source", None, one)
    two = [*one, Address("127.0.0.1", 3, pod=pod(version="v2"))]
    assert "|s2-v1|" not in telemetry.tcp_stat_name(sidecar(), "source", None, two)


def test_relabelling_gives_istios_names_and_fills_in_what_is_unknown() -> None:
    found = relabel("envoy_istio_requests_total", {"reporter": "source", "destination_workload": ""}, 1)
    assert found
    name, labels, _ = found
    assert name == "istio_requests_total"
    assert labels["destination_workload"] == labels["destination_service_name"] == "unknown"
    assert labels["request_protocol"] == "http"
    assert labels["response_flags"] == "-"


def test_sent_and_received_are_seen_from_the_destination() -> None:
    def renamed(suffix: str) -> str:
        found = relabel(f"envoy_cluster_istio_tcp__upstream_cx_{suffix}", {}, 1)
        assert found
        assert found[1]["request_protocol"] == "tcp"
        return found[0]

    assert renamed("rx_bytes_total") == "istio_tcp_sent_bytes_total"
    assert renamed("tx_bytes_total") == "istio_tcp_received_bytes_total"
    assert renamed("total") == "istio_tcp_connections_opened_total"
    assert renamed("destroy") == "istio_tcp_connections_closed_total"


def test_envoys_own_statistics_are_dropped() -> None:
    assert relabel("envoy_server_live", {}, 1) is None


def test_relabelling_is_what_prometheus_accepts() -> None:
    for rule in telemetry.metric_relabel_configs():
        assert set(rule) <= {"source_labels", "separator", "regex", "target_label", "replacement", "action"}
        re.compile(rule["regex"])
