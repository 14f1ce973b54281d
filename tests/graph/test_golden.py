"""Golden files of the graph's JSON, one for each graph type and for each kind of traffic that is easily drawn wrong.

After a wanted change: GOLDEN=write pytest tests/graph/test_golden.py, and read the difference.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from graph import pipeline
from graph.cluster import Cluster
from graph.params import APPENDERS, GraphOptions
from tests.graph import fake_kubernetes, promql, world
from tests.graph.fake_kubernetes import deployment, namespace, pod
from tests.graph.world import DB, GATEWAY, NOBODY, NS, S1, S2V1, Flow, Who, dynamo, host, http

GOLDEN = Path(__file__).parent / "golden"

SHOP = Who("shop", "till-v1", "till", "v1")
BANK = Who("bank", "ledger-v1", "ledger", "v1")
GRPC = {"protocol": "grpc"}
MESH_SHOP = [
    http(GATEWAY, SHOP, 8.0),
    http(SHOP, BANK, 4.0),
    http(SHOP, BANK, 1.0, "503", flags="UH", reporters=("source",)),
    http(SHOP, NOBODY, 0.5, "404", host=host("refunds", "bank"), service_namespace="bank", reporters=("source",)),
    http(
        GATEWAY,
        NOBODY,
        0.25,
        "503",
        flags="NR",
        host=host("ledger", "bank"),
        service_namespace="bank",
        reporters=("source",),
    ),
    http(BANK, S1, 2.0),
    http(NOBODY, BANK, 0.1, reporters=("destination",)),
]
TRAFFIC: dict[str, list[Flow]] = {
    **world.STATES,
    "namespaces": MESH_SHOP,
    "tcp": [
        Flow(S1, DB, host("cmpt756db"), 200.0, protocol="tcp"),
        Flow(NOBODY, DB, host("cmpt756db"), 40.0, protocol="tcp", reporters=("destination",)),
        dynamo(3000.0),
        http(S1, DB, 2.0),
    ],
    "grpc": [
        http(S1, DB, 3.0, "200", **GRPC, extra={"grpc_response_status": "0"}),
        http(S1, DB, 1.0, "200", **GRPC, extra={"grpc_response_status": "14"}),
        http(S1, DB, 0.5, "503", **GRPC, flags="UF", extra={"grpc_response_status": "14"}, reporters=("source",)),
    ],
    "idle": [
        http(GATEWAY, S1, 1.0),
        http(S1, DB, 0.0),
        http(GATEWAY, S2V1, 0.0),
        http(GATEWAY, Who(NS, "gone", "gone", "v1"), 0.0),
    ],
    "codes": [
        http(GATEWAY, S1, 5.0),
        http(GATEWAY, S1, 1.0, "302"),
        http(GATEWAY, S1, 2.0, "404"),
        http(GATEWAY, S1, 1.0, "500"),
        http(GATEWAY, S1, 1.0, "0", flags="DC"),
    ],
    "outside": [
        http(
            S1,
            NOBODY,
            1.5,
            host="example.org",
            service_name="PassthroughCluster",
            service_namespace="unknown",
            reporters=("source",),
        ),
        http(
            S1,
            NOBODY,
            0.5,
            "502",
            host="nowhere",
            service_name="BlackHoleCluster",
            service_namespace="unknown",
            reporters=("source",),
        ),
        http(S1, NOBODY, 2.0, host="a.example.com", service_name="a.example.com", reporters=("source",)),
        http(S1, NOBODY, 3.0, host="b.example.com", service_name="b.example.com", reporters=("source",)),
        http(
            GATEWAY,
            NOBODY,
            0.75,
            "404",
            flags="NR",
            host="unknown",
            service_name="unknown",
            service_namespace="unknown",
            reporters=("source",),
        ),
    ],
}


@dataclass(frozen=True)
class Case:
    traffic: str
    graph_type: str = "versionedApp"
    services: bool = True
    namespaces: tuple[str, ...] = (NS,)
    options: dict[str, Any] = field(default_factory=dict)


BASE = frozenset(APPENDERS) - {"aggregateNode", "idleNode"}
CASES = {
    "versionedApp": Case("canary"),
    "versionedApp_without_services": Case("canary", services=False),
    "app": Case("canary", "app"),
    "app_without_services": Case("canary", "app", services=False),
    "workload": Case("canary", "workload"),
    "workload_without_services": Case("canary", "workload", services=False),
    "service": Case("canary", "service"),
    "rollback_with_idle_nodes": Case("v1", options={"appenders": BASE | {"idleNode"}}),
    "unreached": Case("unreached"),
    "unreached_without_services": Case("unreached", services=False),
    "one_of_several_namespaces": Case("namespaces", namespaces=("bank",)),
    "several_namespaces": Case("namespaces", namespaces=("bank", "shop"), options={"box_by": frozenset({"namespace"})}),
    "tcp": Case("tcp"),
    "tcp_total": Case("tcp", options={"rate_tcp": "total", "rate_http": "none"}),
    "grpc": Case("grpc"),
    "idle_edges": Case("idle", options={"include_idle_edges": True}),
    "service_entry_without_appender": Case("tcp", options={"appenders": BASE - {"serviceEntry"}}),
    "codes": Case("codes"),
    "outside": Case("outside"),
    "operations": Case("operations", options={"appenders": BASE | {"aggregateNode"}}),
    "average_and_responses": Case("canary", options={"response_time": "avg", "throughput": "response"}),
}


def cluster(state: str) -> Cluster:
    """The project's objects, and for the invented namespaces what belongs there."""
    objects = list(fake_kubernetes.objects(state if state in world.STATES else "canary"))
    for who in (SHOP, BANK):
        made = deployment(who.workload, who.namespace, {"app": who.app, "version": who.version})
        objects += [namespace(who.namespace), made, pod(made, sidecar=who is not BANK)]
    objects.append(
        {
            "kind": "ServiceEntry",
            "metadata": {"name": "examples", "namespace": NS},
            "spec": {"hosts": ["a.example.com", "b.example.com"], "location": "MESH_EXTERNAL"},
        }
    )

    def of(kind: str) -> tuple[dict[str, Any], ...]:
        return tuple(obj for obj in objects if obj["kind"] == kind)

    return Cluster(
        namespaces={obj["metadata"]["name"]: obj["metadata"].get("labels", {}) for obj in of("Namespace")},
        loaded=frozenset({NS, "shop", "bank", "istio-system"}),
        services=of("Service"),
        deployments=of("Deployment"),
        pods=of("Pod"),
        virtual_services=of("VirtualService"),
        destination_rules=of("DestinationRule"),
        service_entries=of("ServiceEntry"),
        gateways=of("Gateway"),
    )


def options_of(case: Case) -> GraphOptions:
    return GraphOptions(
        namespaces=case.namespaces,
        graph_type=case.graph_type,
        duration=60,
        query_time=1_700_000_000,
        inject_service_nodes=case.services or case.graph_type == "service",
        **{"appenders": BASE, **case.options},
    )


def graph_of(case: Case) -> dict[str, Any]:
    options = options_of(case)
    asked = pipeline.plan(options)
    rows = {text: promql.answer(text, TRAFFIC[case.traffic]) for text in asked.texts()}
    result, advice = pipeline.traffic_map(options, asked, rows, cluster(case.traffic))
    answer = pipeline.to_json(options, result)
    answer["warnings"] = [one.reason for one in advice]
    return readable(answer)


def readable(answer: dict[str, Any]) -> dict[str, Any]:
    """Ids as names, so that people can read golden files. Two nodes never get the same name."""
    names: dict[str, str] = {}
    for node in answer["elements"]["nodes"]:
        data = node["data"]
        fields = ("nodeType", "namespace", "app", "workload", "version", "service", "aggregate", "isBox")
        names[data["id"]] = ":".join(str(data[name]) for name in fields if data.get(name))
    assert len(set(names.values())) == len(names)
    for node in answer["elements"]["nodes"]:
        data = node["data"]
        data.update({name: names[data[name]] for name in ("id", "parent") if name in data})
    for edge in answer["elements"]["edges"]:
        data = edge["data"]
        data["source"], data["target"] = names[data["source"]], names[data["target"]]
        data["id"] = f"{data['source']} -> {data['target']} {data['traffic']['protocol']}"
    answer["elements"]["edges"].sort(key=lambda edge: edge["data"]["id"])
    return answer


@pytest.mark.parametrize("name", sorted(CASES))
def test_golden(name: str) -> None:
    file = GOLDEN / f"{name}.json"
    text = json.dumps(graph_of(CASES[name]), indent=1) + "\n"
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.mkdir(exist_ok=True)
        file.write_text(text)
    assert json.loads(file.read_text()) == json.loads(text)


def test_there_is_no_golden_file_without_a_case() -> None:
    assert {file.stem for file in GOLDEN.glob("*.json")} == set(CASES)


def edges(case: Case) -> dict[tuple[str, str], dict[str, Any]]:
    """Edges by the short names of their ends, with their rates: what the hand-written expectations below look at."""
    answer = graph_of(case)
    short = {}
    for node in answer["elements"]["nodes"]:
        data = node["data"]
        name = next(data[key] for key in ("aggregate", "workload", "service", "app") if data.get(key))
        short[data["id"]] = f"{data['nodeType']} {name}"
    return {
        (short[edge["data"]["source"]], short[edge["data"]["target"]]): edge["data"]["traffic"].get("rates", {})
        for edge in answer["elements"]["edges"]
    }


def test_requests_that_never_reached_a_workload_end_at_the_service() -> None:
    found = edges(Case("unreached"))
    # The gateway's 4.5/s that arrived and its 0.5/s that found no route are one edge.
    assert found["app istio-ingressgateway", "service cmpt756s2"]["http"] == "5.00"
    assert found["app istio-ingressgateway", "service cmpt756s2"]["http5xx"] == "0.50"
    assert found["service cmpt756s2", "app cmpt756s2-v1"]["http"] == "4.53"  # with Prometheus' 0.03
    # From inside the namespace: no response at all.
    assert found["app cmpt756s1", "service cmpt756db"]["httpNoResponse"] == "0.25"


def test_reporters_are_not_added_up() -> None:
    found = edges(Case("canary", services=False))
    assert found["app istio-ingressgateway", "app cmpt756s2-v1"]["http"] == "4.50"
    assert found["app istio-ingressgateway", "app cmpt756s2-v2"] == {
        "http": "0.50",
        "http5xx": "0.25",
        "httpPercentErr": "50.0",
        "httpPercentReq": "8.3",
    }


def test_app_graph_adds_versions_up() -> None:
    found = edges(Case("canary", "app", services=False))
    assert found["app istio-ingressgateway", "app cmpt756s2"]["http"] == "5.00"


def test_service_graph_has_services_and_roots_only() -> None:
    found = edges(Case("canary", "service"))
    # The gateway is a workload here: the graph type `service` begins as a workload graph.
    assert found["workload istio-ingressgateway", "service cmpt756s2"]["http"] == "5.00"
    assert found["service cmpt756s2", "service cmpt756db"]["http"] == "4.75"  # 0.25 were rejected
    assert found["service cmpt756db", "service dynamodb"]["tcp"] == "2990.00"
    assert not any("cmpt756s2-v" in end for pair in found for end in pair)


def test_hosts_of_one_service_entry_are_one_node() -> None:
    found = edges(Case("outside"))
    assert found["app cmpt756s1", "service examples"]["http"] == "5.00"
    assert not any(end.endswith("example.com") for pair in found for end in pair)


def test_idle_edges_stay_and_the_dead_go() -> None:
    found = edges(Case("idle", options={"include_idle_edges": True}))
    assert found["service cmpt756db", "app cmpt756db"] == {}
    assert not any(end.endswith("gone") for pair in found for end in pair)


def test_tcp_counts_bytes_of_both_sources() -> None:
    found = edges(Case("tcp"))
    assert found["service cmpt756db", "app cmpt756db"]["tcp"] == "240.00"
    assert found["app cmpt756db", "service dynamodb"]["tcp"] == "3000.00"


def test_operations_stand_between() -> None:
    found = edges(Case("operations", options={"appenders": BASE | {"aggregateNode"}}))
    assert found["app istio-ingressgateway", "aggregate request_operation=failed"]["http"] == "0.25"
    assert ("app istio-ingressgateway", "service cmpt756s2") not in found
    assert graph_of(Case("canary", options={"appenders": BASE | {"aggregateNode"}}))["warnings"] == ["noOperations"]
