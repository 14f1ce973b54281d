"""Golden files of the graph's JSON, one for each graph type and for each kind of traffic that is easily drawn wrong.

After a wanted change: GOLDEN=write pytest tests/graph/test_golden.py, and read the difference.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from graph import pipeline
from graph.appenders import order
from graph.cluster import Cluster
from graph.focus import Focus
from graph.params import APPENDERS, GraphOptions
from tests.graph import fake_kubernetes, promql, world
from tests.graph.fake_kubernetes import deployment, namespace, pod
from tests.graph.world import DB, GATEWAY, NOBODY, NS, S1, S2V1, Flow, Who, dynamo, host, http

GOLDEN = Path(__file__).parent / "golden"

SHOP = Who("shop", "till-v1", "till", "v1")
BANK = Who("bank", "ledger-v1", "ledger", "v1")
EGRESS = Who("istio-system", "istio-egressgateway", "istio-egressgateway", "latest")
EGRESS_HOST = "istio-egressgateway.istio-system.svc.cluster.local"
WAYPOINT = Who(NS, "waypoint", "waypoint", "latest")
SECURE = {
    "connection_security_policy": "mutual_tls",
    "source_principal": "spiffe://gateway",
    "destination_principal": "spiffe://c756",
}
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
    "streams": [
        # Prometheus says of messages neither the code nor the protocol.
        http(S1, DB, 3.0, "200", **GRPC, extra={"grpc_response_status": "0"}),
        http(S1, DB, 0.5, "0", **GRPC, flags="DC", reporters=("source",)),
    ],
    "egress": [
        http(
            S1,
            NOBODY,
            2.0,
            host=EGRESS_HOST,
            service_name=EGRESS_HOST,
            service_namespace="unknown",
            reporters=("source",),
        ),
        http(EGRESS, NOBODY, 2.0, host="example.org", service_name="example.org", reporters=("source",)),
    ],
    "mtls": [
        http(GATEWAY, S1, 3.0, extra=SECURE),
        http(GATEWAY, S1, 1.0, "500", extra={**SECURE, "connection_security_policy": "none"}),
        http(S1, DB, 2.0, extra={**SECURE, "source_principal": "spiffe://s1"}),
        http(NOBODY, DB, 0.5, reporters=("destination",), extra={**SECURE, "connection_security_policy": "none"}),
    ],
    "waypoint": [
        http(GATEWAY, WAYPOINT, 4.0, host=host("cmpt756s1"), service_namespace=NS),
        http(WAYPOINT, S1, 4.0),
        http(S1, WAYPOINT, 1.0, host=host("cmpt756db"), service_namespace=NS),
        http(WAYPOINT, DB, 1.0),
        http(S1, S2V1, 2.0),  # past every waypoint
    ],
    "disagreeing": [
        # The two reporters know the cluster of the destination differently: still the same requests.
        http(S1, replace(DB, cluster="unknown"), 3.0, reporters=("source",)),
        http(S1, DB, 3.0, reporters=("destination",)),
        # Broken labels, as pods that start or stop make them.
        http(Who(NS, "half", "half", "v1", cluster="unknown"), DB, 1.0),
        http(Who(NS), DB, 1.0),
        http(S1, NOBODY, 1.0, host="10.0.0.7:80", service_name="10.0.0.7:80", reporters=("source",)),
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
    "average_and_requests": Case("canary", options={"response_time": "avg", "throughput": "request"}),
    "zoom_version": Case("canary", options={"focus": Focus(NS, app="cmpt756s2", version="v1")}),
    "zoom_app": Case("canary", "app", options={"focus": Focus(NS, app="cmpt756s2")}),
    "zoom_workload": Case("unreached", "workload", options={"focus": Focus(NS, workload="cmpt756db")}),
    "zoom_service": Case("unreached", options={"focus": Focus(NS, service="cmpt756s2")}),
    "zoom_service_without_services": Case("canary", services=False, options={"focus": Focus(NS, service="cmpt756s2")}),
    "grpc_messages": Case("streams", options={"rate_grpc": "total", "rate_http": "none"}),
    "grpc_without_answer": Case("streams"),
    "egress_gateway": Case("egress"),
    "mtls": Case("mtls"),
    "waypoints": Case("waypoint"),
    "waypoints_off": Case("waypoint", options={"waypoints": False}),
    "reporters_that_disagree": Case("disagreeing", options={"include_idle_edges": True}),
}


def cluster(state: str) -> Cluster:
    """The project's objects, and for the invented namespaces what belongs there."""
    objects = list(fake_kubernetes.objects(state if state in world.STATES else "canary"))
    for who in (SHOP, BANK):
        made = deployment(who.workload, who.namespace, {"app": who.app, "version": who.version})
        objects += [namespace(who.namespace), made, pod(made, sidecar=who is not BANK)]
    waypoint = deployment("waypoint", NS, {"app": "waypoint", "gateway.istio.io/managed": "istio.io-mesh-controller"})
    objects += [waypoint, pod(waypoint, sidecar=False, gateway=True)] if state == "waypoint" else []
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
    objects = cluster(case.traffic)
    asked = pipeline.plan(options, objects)
    rows = {text: promql.answer(text, TRAFFIC[case.traffic]) for text in asked.texts()}
    result, advice = pipeline.traffic_map(asked, rows, objects)
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


def nodes(case: Case, **replaced: Any) -> dict[str, dict[str, Any]]:
    """Nodes by their short names; `replaced`: fields of the cluster."""
    objects = replace(cluster(case.traffic), **replaced)
    asked = pipeline.plan(options_of(case), objects)
    rows = {text: promql.answer(text, TRAFFIC[case.traffic]) for text in asked.texts()}
    result, _ = pipeline.traffic_map(asked, rows, objects)
    found = [one["data"] for one in pipeline.to_json(options_of(case), result)["elements"]["nodes"]]
    return {
        f"{one['nodeType']} {next(one[key] for key in ('workload', 'service', 'app') if one.get(key))}": one
        for one in found
        if one["nodeType"] != "box"
    }


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


def test_a_zoomed_graph_has_the_traffic_of_its_node_only() -> None:
    """db is asked by everybody; in the zoom on v1 it is v1's requests that count."""
    found = edges(Case("canary", options={"focus": Focus(NS, app="cmpt756s2", version="v1")}))
    assert found["app cmpt756s2-v1", "service cmpt756db"]["http"] == "4.50"
    assert found["service cmpt756db", "app cmpt756db"]["http"] == "4.50"  # 6.03 in the whole graph
    # v2's errors are none of v1's: in the whole graph the gateway's edge to the service has them.
    assert "httpPercentErr" not in found["app istio-ingressgateway", "service cmpt756s2"]
    assert not any("v2" in end or "cmpt756s1" in end for pair in found for end in pair)


def test_a_service_can_be_zoomed_without_service_nodes() -> None:
    found = edges(CASES["zoom_service_without_services"])
    assert found["app istio-ingressgateway", "app cmpt756s2-v1"]["http"] == "4.50"
    assert found["app istio-ingressgateway", "app cmpt756s2-v2"]["http5xx"] == "0.25"
    assert len(found) == 4  # and Prometheus, which asks both


def test_a_zoomed_service_shows_what_never_reached_a_workload() -> None:
    found = edges(CASES["zoom_service"])
    assert found["app istio-ingressgateway", "service cmpt756s2"]["http5xx"] == "0.50"


def test_percentages_in_the_service_graph_are_of_the_edges_that_it_has() -> None:
    found = edges(Case("canary", "service"))
    shares: dict[str, float] = {}
    for (source, _), rates in found.items():
        if "http" in rates:
            shares[source] = shares.get(source, 0.0) + float(rates["httpPercentReq"])
    assert shares == pytest.approx(dict.fromkeys(shares, 100.0), abs=0.1)
    assert "unknown unknown" in shares  # Prometheus asks workloads of services that the graph merges


def test_messages_of_grpc_are_counted_though_they_have_neither_code_nor_protocol() -> None:
    found = edges(CASES["grpc_messages"])
    assert found["service cmpt756db", "app cmpt756db"]["grpc"] == "12.00"  # 3/s, 1 request and 3 response messages
    assert "grpcErr" not in found["app cmpt756s1", "service cmpt756db"]


def test_calls_without_an_answer_have_a_rate_of_their_own() -> None:
    rates = edges(CASES["grpc_without_answer"])["app cmpt756s1", "service cmpt756db"]
    assert (rates["grpcNoResponse"], rates.get("grpcErr"), rates["grpcPercentErr"]) == ("0.50", None, "14.3")


def test_the_hop_to_an_egress_gateway_leads_to_its_workload() -> None:
    found = edges(CASES["egress_gateway"])
    assert ("service istio-egressgateway", "app istio-egressgateway") in found
    assert not any("svc.cluster.local" in end for pair in found for end in pair)


def test_mutual_tls_and_principals_of_edges() -> None:
    graph = graph_of(CASES["mtls"])
    found = {edge["data"]["id"]: edge["data"] for edge in graph["elements"]["edges"]}
    into = next(data for name, data in found.items() if "ingressgateway" in name)
    assert (into["isMTLS"], into["sourcePrincipal"]) == ("75", "spiffe://gateway")
    shared = next(data for name, data in found.items() if name.startswith("service:c756ns:cmpt756db"))
    assert (shared["isMTLS"], shared["destPrincipal"]) == ("80", "spiffe://c756")
    assert not any("isMTLS" in data for name, data in found.items() if name.startswith("unknown"))


def test_service_nodes_in_between_are_injected_and_those_of_no_known_namespace_are_closed() -> None:
    found = nodes(Case("outside", namespaces=("istio-system",)))
    assert found["service unknown"]["isInaccessible"] is True
    assert "isInjected" not in found["service unknown"]  # the request ended there
    assert nodes(Case("canary"))["service cmpt756s2"]["isInjected"] is True
    nowhere = http(S1, NOBODY, 1.0, host="refunds.example", service_namespace="unknown", reporters=("source",))
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(TRAFFIC, "nowhere", [replace(nowhere, service_name="refunds")])
        assert nodes(Case("nowhere"))["service refunds"]["isInaccessible"] is True


def test_any_route_is_request_routing() -> None:
    """Kiali's badge does not ask for conditions."""
    target = {"destination": {"host": "cmpt756db"}}
    service = {
        "metadata": {"name": "db", "namespace": NS},
        "spec": {"hosts": ["cmpt756db"], "http": [{"route": [target]}]},
    }
    found = nodes(Case("canary"), virtual_services=(service,))
    assert found["service cmpt756db"]["hasRequestRouting"] is True
    assert "hasTrafficShifting" not in found["service cmpt756db"]
    assert "hasRequestRouting" not in found["service cmpt756s2"]


def test_hosts_of_a_service_entry_without_traffic_are_idle_nodes() -> None:
    found = nodes(Case("canary", options={"appenders": BASE | {"idleNode"}}))
    assert found["service a.example.com"]["isIdle"] is True
    assert "service a.example.com" not in nodes(Case("canary"))


def test_a_gateway_answers_for_what_it_sends() -> None:
    """6 requests/s, of which v2 fails 0.25: they came in from outside, where nobody counts."""
    found = nodes(Case("canary"))["app istio-ingressgateway"]["healthData"]["status"]
    assert (found["status"], found["errorRatio"]) == ("Degraded", 4.2)


def test_reporters_that_name_the_cluster_differently_are_not_added_up() -> None:
    found = edges(CASES["reporters_that_disagree"])
    assert found["app cmpt756s1", "service cmpt756db"]["http"] == "3.00"
    assert set(found) == {("app cmpt756s1", "service cmpt756db"), ("service cmpt756db", "app cmpt756db")}


def test_waypoints_are_shown_or_left_out() -> None:
    assert ("app cmpt756s1", "workload waypoint") in edges(CASES["waypoints"])
    assert ("workload waypoint", "app cmpt756s1") not in edges(CASES["waypoints"])  # part of the edge to it
    assert set(edges(CASES["waypoints_off"])) == {
        ("app cmpt756s1", "service cmpt756s2"),
        ("service cmpt756s2", "app cmpt756s2-v1"),
    }


def test_the_host_unknown_stays_in_the_responses() -> None:
    graph = graph_of(Case("outside", namespaces=("istio-system",)))
    found = [edge["data"]["traffic"]["responses"] for edge in graph["elements"]["edges"]]
    assert [one["404"]["hosts"] for one in found if "404" in one] == [{"unknown": "100.0"}]


def test_a_young_namespace_is_asked_about_for_as_long_as_it_exists() -> None:
    options = replace(options_of(Case("canary")), duration=600)
    objects = replace(cluster("canary"), created={NS: "2023-11-14T22:11:20Z"})  # two minutes before query_time
    assert all("[120s]" in text for text in pipeline.plan(options, objects).texts())
    assert all("[600s]" in text for text in pipeline.plan(options).texts())


def test_an_ambient_namespace_is_asked_about_by_its_senders_first() -> None:
    objects = replace(cluster("canary"), namespaces={NS: {"istio.io/dataplane-mode": "ambient"}})
    asked = pipeline.plan(options_of(Case("canary")), objects).texts()
    found = [text for text in asked if text not in pipeline.plan(options_of(Case("canary"))).texts()]
    assert len(found) == 1
    assert f'reporter="source", source_workload_namespace!="{NS}", destination_workload_namespace="{NS}"' in found[0]


def test_without_appenders_there_is_the_traffic_only() -> None:
    graph = graph_of(Case("canary", options={"appenders": frozenset()}))
    marks = {name for node in graph["elements"]["nodes"] for name in node["data"]}
    assert not marks & {"hasVS", "isGateway", "isServiceEntry", "isIdle"}
    assert {"isRoot", "isOutside"} <= marks
    assert not any("responseTime" in edge["data"] for edge in graph["elements"]["edges"])


def test_finalizers_come_last() -> None:
    kinds = [appender.finalizer for appender in order.ORDER]
    assert kinds == sorted(kinds)
    assert {one.name for one in order.ORDER} == APPENDERS | {"outsider", "trafficGenerator"}


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
