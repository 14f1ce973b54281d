# ruff: noqa: E501 - YAML flows
"""Every kind of thing that translation can produce, before the judge: `envoy --mode validate`."""

from __future__ import annotations

import asyncio
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pocket.mesh.admin import validate
from pocket.mesh.admission import check
from pocket.mesh.bootstrap import complete
from pocket.mesh.model import EnvoyConfig, Inbound, Proxy, Substitute
from pocket.mesh.supported import SPECS
from pocket.mesh.translate import Translation, translate
from pocket.objects import Obj, kind_of
from pocket.programs import envoy
from tests.pocket.mesh.kit import (
    destination_rule,
    gateway,
    gateway_proxy,
    objects,
    pod,
    service,
    service_entry,
    sidecar,
    snapshot,
    virtual_service,
)

CLUSTER = Path(__file__).parents[3] / "cluster"

SERVICES = """
kind: Service
metadata: {name: s2}
spec: {selector: {app: s2}, ports: [{name: http, port: 30001}], clusterIP: 10.96.0.1}
---
kind: Service
metadata: {name: s3}
spec: {selector: {app: s3}, ports: [{name: grpc, port: 5000}, {name: tcp, port: 5001}, {name: what, port: 80}]}
---
kind: Service
metadata: {name: outside}
spec: {type: ExternalName, externalName: example.com, ports: [{port: 80}]}
---
kind: Service
metadata: {name: manual}
spec: {ports: [{name: http, port: 9090}]}
---
kind: Endpoints
metadata: {name: manual}
subsets: [{addresses: [{ip: 127.0.0.1}], ports: [{name: http, port: 20002}]}]
---
kind: Gateway
metadata: {name: gw}
spec:
  selector: {istio: ingressgateway}
  servers:
    - {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*", "music/*.example.com"], tls: {httpsRedirect: false}}
"""

ROUTES = """
kind: VirtualService
metadata: {name: everything}
spec:
  hosts: [s2, "*.example.com"]
  gateways: [mesh, gw]
  http:
    - name: matches
      match:
        - {name: a, uri: {exact: /a}, ignoreUriCase: true, method: {exact: GET}, scheme: {exact: http}}
        - {uri: {regex: "/b[0-9]+"}, authority: {prefix: s2}, headers: {x: {exact: y}, z: {}, w: {regex: "a.*"}}}
        - {uri: {prefix: /c}, queryParams: {q: {exact: "1"}, r: {regex: "\\\\d+"}, s: {}}, withoutHeaders: {n: {}, m: {exact: "1"}}}
        - {uri: {prefix: /d}, port: 30001, sourceLabels: {app: s1}, sourceNamespace: music}
        - {uri: {prefix: /e}, gateways: [gw]}
      route:
        - {destination: {host: s2, subset: v1}, weight: 90, headers: {request: {set: {a: "%REQ(:path)%"}, remove: [b]}}}
        - {destination: {host: s2, subset: v2}, weight: 10, headers: {response: {add: {c: "100%%"}}}}
      headers: {request: {set: {Host: other}, add: {d: e}}, response: {set: {f: g}, remove: [server]}}
      timeout: 2.5s
      retries: {attempts: 3, perTryTimeout: 100ms, retryOn: "5xx,409", retryRemoteLocalities: true, backoff: 30ms}
      mirror: {host: s3, port: {number: 5000}}
      mirrorPercentage: {value: 12.5}
      fault:
        delay: {fixedDelay: 2s, percentage: {value: 0.001}}
        abort: {grpcStatus: UNAVAILABLE, percentage: {value: 50}}
      corsPolicy:
        allowOrigins: [{exact: "https://a"}, {prefix: "https://b"}, {regex: ".*"}]
        allowMethods: [GET]
        allowHeaders: [x]
        exposeHeaders: [y]
        maxAge: 1h
        allowCredentials: true
        unmatchedPreflights: IGNORE
    - match: [{uri: {prefix: /f}}]
      rewrite: {uri: /g, authority: h}
      route: [{destination: {host: s2}}]
      retries: {attempts: 0}
      mirrors: [{destination: {host: s2}, percentage: {value: 1}}, {destination: {host: s3, port: {number: 80}}}]
    - match: [{uri: {prefix: /i}}]
      rewrite: {uriRegexRewrite: {match: "^/i/(.*)$", rewrite: "/j/\\\\1"}}
      route: [{destination: {host: nowhere, subset: none}}]
    - match: [{uri: {prefix: /k}}]
      redirect: {uri: /l, authority: m, scheme: https, port: 8443, redirectCode: 307}
    - match: [{uri: {prefix: /n}}]
      redirect: {authority: m, derivePort: FROM_REQUEST_PORT}
    - match: [{uri: {prefix: /nn}}]
      redirect: {prefixRewrite: /mm}
    - match: [{uri: {prefix: /o}}]
      directResponse: {status: 503, body: {string: "no"}}
    - match: [{uri: {prefix: /p}}]
      directResponse: {status: 200, body: {bytes: aGVsbG8=}}
    - route: [{destination: {host: s2}}]
      fault: {abort: {httpStatus: 500, percentage: {value: 0}}}
"""

RULES = """
kind: DestinationRule
metadata: {name: s2}
spec:
  host: s2
  trafficPolicy:
    loadBalancer: {consistentHash: {httpCookie: {name: c, path: /, ttl: 10s, attributes: [{name: SameSite, value: Strict}]}, ringHash: {minimumRingSize: 10}}}
    connectionPool:
      tcp: {maxConnections: 1, connectTimeout: 30ms, maxConnectionDuration: 1h, tcpKeepalive: {probes: 3, time: 1m, interval: 5s}}
      http: {http1MaxPendingRequests: 1, http2MaxRequests: 1, maxRequestsPerConnection: 1, maxRetries: 1, idleTimeout: 9s, useClientProtocol: true, maxConcurrentStreams: 5}
    retryBudget: {percent: 25, budgetInterval: 10s}
    outlierDetection:
      {outlierDetectionHttpErrorCodes: [429, 503], consecutive5xxErrors: 1, consecutiveGatewayErrors: 1, interval: 1s, baseEjectionTime: 1s, maxEjectionPercent: 100,
       minHealthPercent: 50, splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 1}
    portLevelSettings: [{port: {number: 9}, loadBalancer: {simple: RANDOM}}]
  subsets:
    - {name: v1, labels: {version: v1}, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 10s, minimumPercent: 5, aggression: 2}}}}
    - {name: v2, labels: {version: v2}, trafficPolicy: {loadBalancer: {simple: LEAST_REQUEST, warmupDurationSecs: 10s}, connectionPool: {http: {h2UpgradePolicy: UPGRADE, http2KeepAlive: {interval: 30s, timeout: 5s}}}}}
    - {name: v3, labels: {version: v3}, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 101}}}}}
    - {name: v4, trafficPolicy: {loadBalancer: {consistentHash: {httpQueryParameterName: q}}, tls: {mode: DISABLE}}}
"""

OUTSIDE = """
kind: ServiceEntry
metadata: {name: a}
spec: {hosts: [dynamo.example.com], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS}
---
kind: ServiceEntry
metadata: {name: b}
spec:
  hosts: [static.example.com]
  addresses: [10.9.9.9]
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]
  resolution: STATIC
  location: MESH_INTERNAL
  endpoints: [{address: 10.0.0.1, labels: {version: v1}, weight: 5}, {address: 10.0.0.2, ports: {http: 81}}]
---
kind: ServiceEntry
metadata: {name: c}
spec: {hosts: ["*.wild.com", any.example.com], ports: [{number: 80, name: http, protocol: HTTP}, {number: 443, name: tls, protocol: TLS}]}
---
kind: ServiceEntry
metadata: {name: d}
spec: {hosts: [rr.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS_ROUND_ROBIN}
---
kind: ServiceEntry
metadata: {name: e}
spec: {hosts: ["*.dyn.com"], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DYNAMIC_DNS}
---
kind: DestinationRule
metadata: {name: dyn}
spec: {host: "*.dyn.com", trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}}}
---
kind: VirtualService
metadata: {name: tls}
spec:
  hosts: [dynamo.example.com, "*.wild.com"]
  tls:
    - match: [{port: 443, sniHosts: [dynamo.example.com]}]
      route: [{destination: {host: dynamo.example.com}, weight: 1}, {destination: {host: any.example.com}, weight: 1}]
    - match: [{sniHosts: [a.wild.com, "*.wild.com"]}]
      route: [{destination: {host: any.example.com, port: {number: 443}}}]
---
kind: VirtualService
metadata: {name: tcp}
spec:
  hosts: [s3]
  tcp: [{match: [{port: 5001}], route: [{destination: {host: s2}}]}]
"""

GALLERY = {
    "nothing": "",
    "services": SERVICES,
    "routes": SERVICES + "---" + ROUTES,
    "rules": SERVICES + "---" + ROUTES + "---" + RULES,
    "outside": SERVICES + "---" + OUTSIDE,
}

PODS = (
    pod(port=31001),
    pod(version="v2", port=31002),
    pod("s3", port=31003, container_port=5000),
    pod("s1", port=31000, container_port=30000),
)
PROXIES: tuple[Proxy, ...] = (
    sidecar(
        inbound=(Inbound(30000, 31000, 32000),), substitutes=(Substitute("dynamo.example.com", 443, 31100, 20001),)
    ),
    sidecar("s3", inbound=(Inbound(5000, 31003, 32003), Inbound(5001, 31004, 32004), Inbound(80, 31005, 32005))),
    gateway_proxy(),
    sidecar("alone", mode="plain"),
)


@pytest.mark.parametrize("name", GALLERY)
@pytest.mark.parametrize("proxy", PROXIES, ids=lambda proxy: proxy.name)
def test_envoy_accepts_it(name: str, proxy: Proxy, tmp_path: Path) -> None:
    things = objects(GALLERY[name])
    for obj in things:
        if kind_of(obj) in SPECS:
            assert check(obj) == []
    proxy = replace(proxy, directory=str(tmp_path))
    config = translate(snapshot(*things, *PODS), proxy)
    assert asyncio.run(validate(proxy, config)) is None
    assert deprecations(proxy, config, tmp_path) == ""


def deprecations(proxy: Proxy, config: EnvoyConfig, directory: Path) -> str:
    """What Envoy warns of: fields that it is about to drop."""
    path = directory / "envoy.json"
    path.write_text(json.dumps(complete(proxy, config)))
    argv = [str(envoy()), "--mode", "validate", "-c", str(path), "--log-level", "warning"]
    done = subprocess.run(argv, cwd=directory, capture_output=True, text=True, check=True)
    return done.stderr


@pytest.mark.parametrize("proxy", [PROXIES[0], *PROXIES[2:]], ids=lambda proxy: proxy.name)
def test_envoy_accepts_the_clusters_own_objects(proxy: Proxy, tmp_path: Path) -> None:
    proxy = replace(proxy, directory=str(tmp_path))
    config = translate(snapshot(*own_objects(), *PODS), proxy)
    assert asyncio.run(validate(proxy, config)) is None


def test_admission_takes_the_clusters_own_objects() -> None:
    found = [obj for obj in own_objects() if kind_of(obj) in SPECS]
    assert {kind_of(obj) for obj in found} == set(SPECS) - {"RequestAuthentication"}
    assert {str(error) for obj in found for error in check(obj)} == set()


def test_the_same_state_gives_the_same_configuration_in_any_order() -> None:
    things = objects(GALLERY["rules"])
    one = translate(snapshot(*things, *PODS), PROXIES[0])
    other = translate(snapshot(*reversed(things), *reversed(PODS)), PROXIES[0])
    assert json.dumps([one.clusters, one.routes, one.listeners]) == json.dumps(
        [other.clusters, other.routes, other.listeners]
    )


def test_objects_are_left_as_they_are() -> None:
    things = objects(GALLERY["rules"])
    before = json.dumps(things)
    translate(snapshot(*things, *PODS), PROXIES[0])
    assert json.dumps(things) == before


def own_objects() -> list[Obj]:
    """The Services and Istio objects of cluster/, one version of each."""
    found: dict[tuple[str, str], Any] = {}
    for path in sorted(CLUSTER.glob("*.yaml")):
        for obj in objects(re_region(path.read_text())):
            if kind_of(obj) in (*SPECS, "Service"):
                found[(kind_of(obj), obj["metadata"]["name"])] = obj
    return list(found.values())


def re_region(text: str) -> str:
    return text.replace("${REGION}", "us-west-2")


def test_what_proxies_share_is_what_each_would_get_alone() -> None:
    """The first proxy that is asked about must not colour what the others get."""
    for_tests = virtual_service(
        http=[
            {"match": [{"sourceLabels": {"tester": "yes"}}], "route": [{"destination": {"host": "s2", "subset": "v2"}}]},
            {"route": [{"destination": {"host": "s2", "subset": "v1"}}]},
        ]
    )
    tcp = service("cache", 6379, port_name="tcp")
    picky = destination_rule("cache", subsets=(), trafficPolicy={"connectionPool": {"tcp": {"maxConnections": 7}}})
    picky["spec"]["workloadSelector"] = {"matchLabels": {"tier": "gold"}}
    state = snapshot(
        service(), destination_rule(), for_tests, tcp, picky, service_entry(), gateway(), pod(), pod("cache", port=2),
        virtual_service("gw", hosts=["*"], gateways=["gw"], http=[{"route": [{"destination": {"host": "s2"}}]}]),
    )  # fmt: skip
    proxies = [
        sidecar("s1"),
        sidecar("s1", name="s1-2", outbound_port=5, metrics_port=6, inbound=(Inbound(30000, 7, 8),)),
        sidecar("other", workload="other-v2"),
        sidecar("t", labels={"app": "t", "tester": "yes"}),
        sidecar("g", labels={"app": "g", "tier": "gold"}),
        sidecar("far", namespace="far"),
        sidecar("p", mode="plain"),
        sidecar("d", substitutes=(Substitute("dynamo.example.com", 443, 9, 10),)),
        gateway_proxy(),
        gateway_proxy(labels={"istio": "none"}),
    ]
    alone = [translate(state, proxy) for proxy in proxies]
    for order in (proxies, proxies[::-1]):
        together = Translation(state)
        made = {id(proxy): together.of(proxy) for proxy in order}
        assert [made[id(proxy)] for proxy in proxies] == alone
    together = Translation(state)
    assert together.of(proxies[0]).routes is together.of(proxies[2]).routes
    assert len({json.dumps(config.routes, sort_keys=True) for config in alone}) == 6
