"""Clusters: one for each service, port and subset, and for each port of the application behind a sidecar.

The endpoints of Services travel apart from their clusters (EDS): pods come and go without a change of the cluster. A
cluster that finds them itself (DNS) has them in it.

All subsets' clusters always exist, with no endpoint where no pod has the labels, so that a change of weights changes
routes and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pocket.mesh import certificates, jwt, peers, policy, telemetry
from pocket.mesh.authorization import applicable
from pocket.mesh.certificates import Credential
from pocket.mesh.destination_rules import DestinationRule
from pocket.mesh.model import ADS, LOCALHOST, Proxy, Resource, Snapshot, Substitute
from pocket.mesh.names import (
    BLACK_HOLE,
    PASSTHROUGH,
    PASSTHROUGH_TCP,
    cluster_name,
    config_path,
    external_cluster_name,
    host_matches,
    inbound_cluster_name,
    typed,
)
from pocket.mesh.registry import (
    Address,
    MeshService,
    Port,
    Protocol,
    peer_authentications,
    protocol_of,
    services_of,
    target_port,
)
from pocket.objects import Obj, matches

DNS_REFRESH = "60s"  # Istio's default
LOCAL_CONNECT_TIMEOUT = "1s"  # to the application next door


def outbound_clusters(
    proxy: Proxy,
    services: Iterable[MeshService],
    rule: Callable[[MeshService], DestinationRule | None],
    secrets: Sequence[Obj] = (),
) -> list[Resource]:
    """What a sidecar or a gateway can send to; `rule` gives the DestinationRule of a service."""
    clusters: list[Resource] = []

    def secret(found: DestinationRule | None, rules: policy.Policy) -> Credential | None:
        """A gateway's, or a sidecar's where the rule says by `workloadSelector` whom it trusts with it."""
        name = (rules.get("tls") or {}).get("credentialName")
        if not name or found is None or (proxy.mode != "gateway" and found.spec.get("workloadSelector") is None):
            return None
        return certificates.credential(secrets, proxy.namespace, name)

    for service in services:
        if service.alias_of is not None:
            clusters += [_external(service, port) for port in service.ports if service.resolves_itself]
            continue
        found = rule(service)
        spec = found.spec if found else {}
        first = len(clusters)
        for port in service.ports:
            whole = policy.merge(None, spec.get("trafficPolicy"), port.number)
            clusters.append(_outbound(proxy, service, port, "", whole, port.addresses, secret(found, whole)))
            for subset in spec.get("subsets") or ():
                addresses = [a for a in port.addresses if _has(a, subset.get("labels") or {})]
                narrowed = policy.merge(whole, subset.get("trafficPolicy"), port.number)
                credential = secret(found, narrowed)
                clusters.append(_outbound(proxy, service, port, subset["name"], narrowed, addresses, credential))
        if found:
            for cluster in clusters[first:]:
                istio = cluster["metadata"]["filter_metadata"]["istio"]
                istio["config"] = config_path("destination-rule", found.namespace, found.names[0])
    if proxy.mode != "gateway":
        clusters += [passthrough(proxy), passthrough(proxy, tcp=True)]
    clusters.append({"name": BLACK_HOLE, "type": "STATIC", "connect_timeout": LOCAL_CONNECT_TIMEOUT})
    return clusters


def inbound_clusters(snapshot: Snapshot, proxy: Proxy) -> list[Resource]:
    """The application's own ports."""
    clusters = []
    for inbound in proxy.inbound:
        service, protocol = inbound_service(snapshot, proxy, inbound.container_port)
        http = protocol not in ("tcp", "tls")
        cluster: Resource = {
            "name": inbound_cluster_name(inbound.container_port),
            "type": "STATIC",
            **policy.apply({}, http=http, http2=protocol in ("http2", "grpc")),
            "connect_timeout": LOCAL_CONNECT_TIMEOUT,
            "load_assignment": _assignment(
                inbound_cluster_name(inbound.container_port),
                [Address(inbound.socket, 0) if inbound.socket else Address(LOCALHOST, inbound.app_port)],
            ),
        }
        if service:
            cluster["metadata"] = telemetry.cluster_metadata(service, protocol)
        if not http:
            mode = peer_authentications(snapshot).mode(proxy.namespace, proxy.labels, inbound.container_port)
            cluster["alt_stat_name"] = telemetry.tcp_stat_name(proxy, "destination", service, mode=mode)
        clusters.append(cluster)
    return clusters


def token_rules(snapshot: Snapshot, proxy: Proxy) -> list[Mapping[str, Any]]:
    """The `jwtRules` that hold at a proxy."""
    return jwt.rules_of(applicable(snapshot.request_authentications, proxy.namespace, proxy.labels))


def key_clusters(snapshot: Snapshot, proxy: Proxy, services: Sequence[MeshService]) -> list[Resource]:
    """Where a proxy fetches keys for tokens from, but for services of the mesh."""
    clusters = []
    for name, (host, port, tls) in jwt.clusters(token_rules(snapshot, proxy), services).items():
        cluster: Resource = {
            "name": name,
            **policy.apply({}, http=True, http2=False),
            "cluster_type": _dns(one_address=False),
            "load_assignment": _assignment(name, [Address(host, port)]),
            "wait_for_warm_on_init": False,
        }
        if tls:
            simple = {"mode": "SIMPLE", "sni": host, "subjectAltNames": [host]}
            cluster["transport_socket"] = certificates.client_socket(simple, (), None, http2=False)
        clusters.append(cluster)
    return clusters


def inbound_service(snapshot: Snapshot, proxy: Proxy, container_port: int) -> tuple[MeshService | None, Protocol]:
    """The Service (the first by name) that leads to a port of the pod, and the port's protocol."""
    names = {inbound.name: inbound.container_port for inbound in proxy.inbound if inbound.name}
    for pod in snapshot.endpoints:
        if (pod.namespace, pod.name) == (proxy.namespace, proxy.name):
            names |= pod.port_names
    for obj in services_of(snapshot, proxy.labels, proxy.namespace):
        for port in obj["spec"].get("ports") or ():
            if target_port(port, names) == container_port:
                name = obj["metadata"]["name"]
                found = MeshService(f"{name}.{proxy.namespace}.svc.cluster.local", name, proxy.namespace, ())
                return found, protocol_of(port.get("name"), port.get("appProtocol"))
    return None, "auto"


def substitute_name(substitute: Substitute) -> str:
    """`substitute|443||dynamodb.us-west-2.amazonaws.com`."""
    return f"substitute|{substitute.port}||{substitute.host}"


def substitute_clusters(proxy: Proxy, services: Sequence[MeshService]) -> list[Resource]:
    """What stands for external hosts; the bytes count for the ServiceEntry of the host, or as passed through."""
    clusters = []
    for substitute in proxy.substitutes:
        service = next((s for s in services if s.port(substitute.port) and host_matches(s.host, substitute.host)), None)
        clusters.append(
            {
                "name": substitute_name(substitute),
                "type": "STATIC",
                **policy.apply({}, http=False, http2=False),
                "alt_stat_name": telemetry.tcp_stat_name(proxy, "source", service),
                "load_assignment": _assignment(
                    substitute_name(substitute), [Address(substitute.target_address, substitute.target_port)]
                ),
            }
        )
    return clusters


def passthrough(proxy: Proxy, *, tcp: bool = False) -> Resource:
    """The cluster for hosts that the mesh does not know: it resolves whatever the request names."""
    cluster = {
        "name": PASSTHROUGH_TCP if tcp else PASSTHROUGH,
        **_dynamic(policy.apply({}, http=not tcp, http2=False)),
        "metadata": telemetry.passthrough_metadata(),
    }
    if tcp:
        cluster["alt_stat_name"] = telemetry.tcp_stat_name(proxy, "source", None)
    return cluster


def dns_cache() -> dict[str, Any]:
    """The DNS cache that dynamic clusters and the HTTP filter before them share."""
    return {"name": "dynamic", "dns_lookup_family": "V4_PREFERRED", "dns_refresh_rate": DNS_REFRESH}


def _dns(*, one_address: bool) -> Resource:
    """A cluster whose hosts are resolved all the time; `one_address`: only the first address is used at a time."""
    config = typed(
        "envoy.extensions.clusters.dns.v3.DnsCluster",
        dns_lookup_family="V4_PREFERRED",
        dns_refresh_rate=DNS_REFRESH,
        respect_dns_ttl=True,
        all_addresses_in_single_endpoint=one_address,
    )
    return {"name": "envoy.cluster.dns", "typed_config": config}


def _dynamic(cluster: Resource) -> Resource:
    """`cluster` as one that resolves the host of each request."""
    for field in ("ring_hash_lb_config", "maglev_lb_config", "least_request_lb_config", "round_robin_lb_config"):
        cluster.pop(field, None)
    for options in cluster.get("typed_extension_protocol_options", {}).values():
        # Envoy insists on it for dynamic clusters, should one ever speak TLS.
        options["upstream_http_protocol_options"] = {"auto_sni": True, "auto_san_validation": True}
    return {
        **cluster,
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {
            "name": "envoy.clusters.dynamic_forward_proxy",
            "typed_config": typed(
                "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig", dns_cache_config=dns_cache()
            ),
        },
    }


def _outbound(
    proxy: Proxy,
    service: MeshService,
    port: Port,
    subset: str,
    rules: policy.Policy,
    addresses: Sequence[Address],
    secret: Credential | None,
) -> Resource:
    name = cluster_name(port.number, subset, service.host)
    cluster: Resource = {
        "name": name,
        "metadata": telemetry.cluster_metadata(service, port.protocol),
        **policy.apply(rules, http=port.is_http, http2=port.is_http2, client=port.protocol == "auto"),
    }
    if service.resolution == "dynamic":
        cluster = _dynamic(cluster)
    else:
        cluster["load_assignment"] = _assignment(name, addresses)
        if service.resolution in ("dns", "logical-dns"):
            cluster["cluster_type"] = _dns(one_address=service.resolution == "logical-dns")
            cluster["wait_for_warm_on_init"] = False  # a host that does not resolve must not hold up the others
        else:
            cluster |= {"type": "EDS", "eds_cluster_config": {"eds_config": ADS}}
    if not port.is_http:
        cluster["alt_stat_name"] = telemetry.tcp_stat_name(proxy, "source", service, addresses)
    tls = rules.get("tls")
    if proxy.mode != "plain" and not service.external and service.resolution in ("pods", "static"):
        sni = f"outbound_.{port.number}_.{subset}_.{service.host}"
        names = (tls or {}).get("subjectAltNames") or ()
        mode = None if tls is None else tls.get("mode") or "DISABLE"
        cluster |= peers.client(mode, service.principals, names, (tls or {}).get("sni") or sni)
    asked_for = next((address.pod.authorization for address in addresses if address.pod), "")
    return _with_authorization(_with_tls(cluster, service, port, rules, secret), asked_for)


def _with_authorization(cluster: Resource, header: str) -> Resource:
    """The cluster saying who calls, where its endpoints ask for it: whoever has this cluster may call them."""
    for options in cluster.get("typed_extension_protocol_options", {}).values() if header else ():
        append = {
            "header": {"key": "authorization", "value": header},
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        }
        options["http_filters"] = [
            {
                "name": "authorization",
                "typed_config": typed(
                    "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
                    mutations={"request_mutations": [{"append": append}]},
                ),
            },
            {
                "name": "envoy.filters.http.upstream_codec",
                "typed_config": typed("envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"),
            },
        ]
    return cluster


def _with_tls(
    cluster: Resource, service: MeshService, port: Port, rules: policy.Policy, secret: Credential | None
) -> Resource:
    """The cluster beginning TLS, where its policy says so."""
    tls = rules.get("tls") or {}
    if tls.get("mode") not in ("SIMPLE", "MUTUAL") or (tls.get("credentialName") and secret is None):
        return cluster
    options = cluster.setdefault("typed_extension_protocol_options", {}).setdefault(
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions", policy.http_options(http2=False)
    )
    options |= certificates.client_options(tls, service.subject_names)
    socket = certificates.client_socket(tls, service.subject_names, secret, http2=port.is_http2)
    return {**cluster, "transport_socket": socket}


def split(clusters: Iterable[Resource]) -> tuple[list[Resource], dict[str, Resource]]:
    """The clusters without those endpoints that travel apart, and these by the cluster's name."""
    whole, endpoints = [], {}
    for cluster in clusters:
        if "eds_cluster_config" in cluster:
            endpoints[str(cluster["name"])] = cluster["load_assignment"]
            cluster = {key: value for key, value in cluster.items() if key != "load_assignment"}
        whole.append(cluster)
    return whole, endpoints


def _external(service: MeshService, port: Port) -> Resource:
    """Where an ExternalName leads that is no service of the mesh: resolved as cluster DNS would, without any rules."""
    name = external_cluster_name(port.number, str(service.alias_of))
    return {
        "name": name,
        **policy.apply({}, http=port.is_http, http2=port.is_http2),
        "metadata": telemetry.passthrough_metadata(),
        "load_assignment": _assignment(name, port.addresses),
        "cluster_type": _dns(one_address=False),
        "wait_for_warm_on_init": False,
    }


def _has(address: Address, labels: Mapping[str, str]) -> bool:
    return not labels or matches(labels, address.labels)


def _assignment(name: str, addresses: Sequence[Address]) -> Resource:
    endpoints = []
    for address in addresses:
        place: Resource = {"socket_address": {"address": address.host, "port_value": address.port}}
        endpoint: Resource = {"endpoint": {"address": place if address.port else {"pipe": {"path": address.host}}}}
        if address.pod:
            endpoint["metadata"] = telemetry.endpoint_metadata(address.pod)
        if address.mutual:
            endpoint["metadata"]["filter_metadata"] |= peers.endpoint_metadata()
        if address.weight != 1:
            endpoint["load_balancing_weight"] = address.weight
        endpoints.append(endpoint)
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}] if endpoints else []}
