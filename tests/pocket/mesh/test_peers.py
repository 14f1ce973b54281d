"""Who calls proves who it is: PeerAuthentications on paper, and certificates between real Envoys."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509

from pocket.mesh.clusters import outbound_clusters
from pocket.mesh.destination_rules import DestinationRules
from pocket.mesh.identities import Identities, Secrets
from pocket.mesh.model import GatewayPort, Inbound, PodEndpoint, Proxy
from pocket.mesh.peers import AUTHORITIES, CERTIFICATE, PROMETHEUS, PeerAuthentications
from pocket.mesh.registry import registry
from pocket.mesh.translate import translate
from pocket.objects import Obj
from tests.pocket.mesh.kit import (
    NS,
    Mesh,
    client,
    destination_rule,
    free_ports,
    gateway,
    gateway_proxy,
    mesh,
    metrics,
    pod,
    service,
    sidecar,
    snapshot,
    upstream,
    virtual_service,
)

BOB = "spiffe://cluster.local/ns/music/sa/bob"
S2 = "spiffe://cluster.local/ns/music/sa/default"


def policy(mode: str | None = None, *, name: str = "p", namespace: str = NS, born: str = "1", **spec: Any) -> Obj:
    mtls = {"mtls": {"mode": mode}} if mode else {}
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": born},
        "spec": {**mtls, **spec},
    }


SELECT: dict[str, Any] = {"selector": {"matchLabels": {"app": "s2"}}}
ROOT: dict[str, Any] = {"namespace": "istio-system"}


@pytest.mark.parametrize(
    ("policies", "mode"),
    [
        ([], "PERMISSIVE"),
        ([policy("STRICT", **ROOT)], "STRICT"),
        ([policy("STRICT", **ROOT), policy("DISABLE")], "DISABLE"),
        ([policy("STRICT", **ROOT), policy("UNSET")], "STRICT"),
        ([policy("STRICT", **ROOT), policy()], "STRICT"),
        ([policy("STRICT", namespace="other")], "PERMISSIVE"),
        ([policy("STRICT"), policy("DISABLE", name="w", **SELECT)], "DISABLE"),
        ([policy("STRICT"), policy("UNSET", name="w", **SELECT)], "STRICT"),
        ([policy("STRICT", selector={"matchLabels": {"app": "other"}})], "PERMISSIVE"),
        ([policy("STRICT", **ROOT, **SELECT)], "PERMISSIVE"),  # what selects in the root namespace is for it alone
        ([policy("STRICT", name="new", born="2"), policy("DISABLE", name="old", born="1")], "DISABLE"),
        ([policy("STRICT", **SELECT, portLevelMtls={"8000": {"mode": "DISABLE"}})], "DISABLE"),
        ([policy("STRICT", **SELECT, portLevelMtls={"8001": {"mode": "DISABLE"}})], "STRICT"),
        ([policy("STRICT", **SELECT, portLevelMtls={"8000": {"mode": "UNSET"}})], "STRICT"),
        ([policy("DISABLE"), policy(**SELECT, name="w", portLevelMtls={"8000": {"mode": "STRICT"}})], "STRICT"),
    ],
)
def test_which_policy_holds(policies: list[Obj], mode: str) -> None:
    assert PeerAuthentications(policies).mode(NS, {"app": "s2"}, 8000) == mode


def test_certificates_name_their_owner_and_are_kept_until_half_of_their_time_is_over(tmp_path: Path) -> None:
    now = 1_800_000_000.0
    identities = Identities(tmp_path, lifetime=100, clock=lambda: now)
    proxy = sidecar(service_account="bob")
    first = identities.secrets(proxy)
    text = first[CERTIFICATE]["tls_certificate"]["certificate_chain"]["inline_string"]
    certificate = x509.load_pem_x509_certificate(text.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert (names.critical, names.value.get_values_for_type(x509.UniformResourceIdentifier)) == (True, [BOB])
    assert certificate.not_valid_after_utc == datetime.fromtimestamp(now + 100, UTC)
    root = first[AUTHORITIES]["validation_context"]["trusted_ca"]["inline_string"]
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(root.encode()))
    assert identities.due() == 50
    now += 49
    assert identities.secrets(proxy) is first
    now += 1
    assert identities.due() == 0
    second = identities.secrets(proxy)
    assert second[CERTIFICATE] != first[CERTIFICATE]
    assert second[AUTHORITIES] == first[AUTHORITIES] == Identities(tmp_path).secrets(proxy)[AUTHORITIES]
    assert (tmp_path / "mesh-ca.key").stat().st_mode & 0o777 == 0o600
    identities.keep({})
    assert identities.due() is None
    assert identities.secrets(sidecar(mode="plain")) == {}


def tls_of(rule: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    """What the cluster of s2 says about TLS."""
    rules = [destination_rule(subsets=(), trafficPolicy=rule or {})]
    state = snapshot(service(), *rules, pod(service_account="bob", has_sidecar=True), pod(port=31002))
    found = DestinationRules(state.destination_rules)
    proxy = sidecar(**more)
    services = registry(state, NS)
    made = {c["name"]: c for c in outbound_clusters(proxy, services, lambda one: found.find(one, proxy))}
    return made["outbound|30001||s2.music.svc.cluster.local"]


def test_a_destination_rule_decides_over_automatic_mutual_tls() -> None:
    automatic = tls_of(None)
    names = [one["name"] for one in automatic["transport_socket_matches"]]
    assert names == ["tlsMode-istio", "tlsMode-disabled"]
    context = automatic["transport_socket_matches"][0]["transport_socket"]["typed_config"]
    assert context["sni"] == "outbound_.30001_._.s2.music.svc.cluster.local"
    check = context["common_tls_context"]["combined_validation_context"]["default_validation_context"]
    assert [one["matcher"]["exact"] for one in check["match_typed_subject_alt_names"]] == [BOB, S2]
    tagged = [
        one["metadata"]["filter_metadata"].get("envoy.transport_socket_match")
        for one in automatic["load_assignment"]["endpoints"][0]["lb_endpoints"]
    ]
    assert tagged == [{"tlsMode": "istio"}, None]
    always = tls_of({"tls": {"mode": "ISTIO_MUTUAL"}})
    assert "transport_socket_matches" not in always
    assert always["transport_socket"]["name"] == "envoy.transport_sockets.tls"
    for tls in ({"mode": "DISABLE"}, {}):
        assert not tls_of({"tls": tls}).keys() & {"transport_socket", "transport_socket_matches"}
    assert "transport_socket_matches" in tls_of({"connectionPool": {}})
    assert not tls_of(None, mode="plain").keys() & {"transport_socket", "transport_socket_matches"}


@dataclass
class World:
    """s1 calls s2, both with sidecars; so does a gateway; and somebody without."""

    live: Mesh
    s1: Proxy
    s2: Proxy
    gateway: Proxy
    pods: tuple[PodEndpoint, ...]
    http: aiohttp.ClientSession

    @property
    def objects(self) -> list[Obj | PodEndpoint]:
        everything = virtual_service(hosts=["*"], gateways=["gw"], http=[{"route": [{"destination": {"host": "s2"}}]}])
        return [service(), gateway(), everything, *self.pods]

    async def apply(self, *more: Obj) -> None:
        await self.live.apply(*self.objects, *more)

    async def inside(self) -> int:
        proxy = f"http://127.0.0.1:{self.s1.outbound_port}"
        async with self.http.get("http://s2:30001/x", proxy=proxy) as answer:
            return answer.status

    async def outside(self) -> int:
        async with self.http.get(f"http://127.0.0.1:{self.gateway.gateway_ports[0].listen_port}/x") as answer:
            return answer.status

    async def stranger(self) -> int:
        """Somebody without a sidecar; 0 where no answer comes."""
        try:
            async with self.http.get(f"http://127.0.0.1:{self.s2.inbound[0].listen_port}/x") as answer:
                return answer.status
        except aiohttp.ClientError:
            return 0


@contextlib.asynccontextmanager
async def world(root: Path, *, lifetime: float = 3600, account: str = "default") -> AsyncIterator[World]:
    """`account`: whom the cluster takes s2's pod for."""
    async with upstream("s2") as app, client() as http:
        listen, port = free_ports(2)
        with mesh(root) as live:
            live.delivery.identities = Identities(root / "tls", lifetime)
            s1 = live.proxy(sidecar, "s1", service_account="bob")
            s2 = live.proxy(
                sidecar, "s2", app="s2", workload="s2", labels={"app": "s2", "version": "v1"},
                inbound=(Inbound(30001, listen, app),),
            )  # fmt: skip
            door = live.proxy(gateway_proxy, "gateway", gateway_ports=(GatewayPort(80, port),))
            found = World(live, s1, s2, door, (pod(port=listen, service_account=account, has_sidecar=True),), http)
            await live.start(*found.objects)
            yield found


def test_mutual_tls_by_itself_and_the_metrics_say_who(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path) as w:
            assert (await w.inside(), await w.outside(), await w.stranger()) == (200, 200, 200)
            async with asyncio.timeout(10):
                while len(seen := {
                    (labels["connection_security_policy"], labels["source_principal"], labels["destination_principal"])
                    for name, labels, _ in await metrics(w.s2) if name == "istio_requests_total"
                }) < 3:  # fmt: skip
                    await asyncio.sleep(0.1)
            door = "spiffe://cluster.local/ns/istio-system/sa/default"
            assert seen == {
                ("mutual_tls", BOB, S2), ("mutual_tls", door, S2), ("none", "unknown", "unknown")
            }  # fmt: skip
            mine = [labels for name, labels, _ in await metrics(w.s1) if name == "istio_requests_total"]
            assert [(one["source_principal"], one["destination_principal"]) for one in mine] == [(BOB, S2)]
            assert mine[0]["connection_security_policy"] == "unknown"  # as Istio's: the callee says it

    asyncio.run(run())


def test_modes(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path) as w:
            await w.apply(policy("STRICT"))
            assert (await w.inside(), await w.outside(), await w.stranger()) == (200, 200, 0)
            await w.apply(policy("DISABLE"))
            assert (await w.inside(), await w.outside(), await w.stranger()) == (200, 200, 200)
            await w.apply(policy("STRICT"), policy(name="w", **SELECT, portLevelMtls={"30001": {"mode": "PERMISSIVE"}}))
            assert (await w.inside(), await w.outside(), await w.stranger()) == (200, 200, 200)
            await w.apply(policy("STRICT"), destination_rule(subsets=(), trafficPolicy={"tls": {"mode": "DISABLE"}}))
            assert (await w.inside(), await w.stranger()) == (503, 0)
            rule = destination_rule(subsets=(), trafficPolicy={"tls": {"mode": "ISTIO_MUTUAL"}})
            await w.apply(policy("STRICT"), rule)
            assert (await w.inside(), await w.outside()) == (200, 200)

    asyncio.run(run())


def test_a_wrong_or_missing_certificate_is_refused(tmp_path: Path) -> None:
    async def attempt(w: World, identities: Identities | None) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["istio"])
        if identities is not None:
            secret = identities.secrets(w.s1)[CERTIFICATE]["tls_certificate"]
            for kind in ("certificate_chain", "private_key"):
                (tmp_path / kind).write_text(secret[kind]["inline_string"])
            context.load_cert_chain(tmp_path / "certificate_chain", tmp_path / "private_key")
        try:
            async with w.http.get(f"https://127.0.0.1:{w.s2.inbound[0].listen_port}/x", ssl=context) as answer:
                return answer.status
        except (aiohttp.ClientError, ssl.SSLError):
            return 0

    async def run() -> None:
        async with world(tmp_path) as w:
            for mode in ("STRICT", "PERMISSIVE"):
                await w.apply(policy(mode))
                assert await attempt(w, w.live.delivery.identities) == 200
                assert await attempt(w, None) == 0
                assert await attempt(w, Identities(None)) == 0
                assert await attempt(w, Identities(tmp_path / "tls", lifetime=-60)) == 0  # it has ended

    asyncio.run(run())


def test_only_prometheus_reads_what_a_proxy_counts(tmp_path: Path) -> None:
    """At its port; at its socket, which other users cannot open, whoever can."""

    def context(secrets: Secrets | None) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
        if secrets is not None:
            for kind in ("certificate_chain", "private_key"):
                (tmp_path / kind).write_text(secrets[CERTIFICATE]["tls_certificate"][kind]["inline_string"])
            made.load_cert_chain(tmp_path / "certificate_chain", tmp_path / "private_key")
        return made

    async def run() -> None:
        async with world(tmp_path) as w:
            identities = w.live.delivery.identities

            async def read(proxy: Proxy, secrets: Secrets | None, scheme: str = "https") -> int:
                url = f"{scheme}://127.0.0.1:{proxy.metrics_port}/stats/prometheus"
                try:
                    async with w.http.get(url, ssl=context(secrets)) as answer:
                        assert "envoy_server" in await answer.text()
                        return answer.status
                except (aiohttp.ClientError, ssl.SSLError):
                    return 0

            for proxy in (w.s1, w.gateway):
                assert await read(proxy, identities.issue(PROMETHEUS)) == 200
                assert await read(proxy, identities.secrets(proxy)) == 0
                assert await read(proxy, Identities(None).issue(PROMETHEUS)) == 0  # of another authority
                assert await read(proxy, None) == 0
                assert await read(proxy, None, "http") == 0
                assert (Path(proxy.directory) / "stats.sock").stat().st_mode & 0o777 == 0o600

    asyncio.run(run())


def test_who_answers_must_be_who_the_cluster_says(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path, account="mallory") as w:
            assert (await w.inside(), await w.outside()) == (503, 503)

    asyncio.run(run())


def test_no_request_is_lost_while_modes_change_and_certificates_are_renewed(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path, lifetime=4) as w:
            answers: list[Any] = []
            going = True

            async def load(fresh: bool) -> None:
                connector = aiohttp.TCPConnector(force_close=fresh)
                async with aiohttp.ClientSession(connector=connector) as session:
                    mine = World(w.live, w.s1, w.s2, w.gateway, w.pods, session)
                    while going:
                        try:
                            answers.append(await mine.inside())
                            answers.append(await mine.outside())
                        except aiohttp.ClientError as error:
                            answers.append(error)

            certificates = set()

            async def renew() -> None:
                """As MeshSync does when one is due."""
                while going:
                    await asyncio.sleep(w.live.delivery.identities.due() or 0)
                    for proxy in w.live.proxies:
                        w.live.delivery.write(proxy, translate(w.live.snapshot, proxy))
                    secret = w.live.delivery.identities.secrets(w.s1)[CERTIFICATE]
                    certificates.add(secret["tls_certificate"]["certificate_chain"]["inline_string"])

            tasks = [asyncio.create_task(load(fresh)) for fresh in (True, False) * 2] + [asyncio.create_task(renew())]
            for mode in ("STRICT", "PERMISSIVE", "STRICT", "DISABLE", "PERMISSIVE", "STRICT"):
                await w.apply(policy(mode))
                count, renewed = len(answers), len(certificates)
                async with asyncio.timeout(60):
                    while len(answers) < count + 50 or len(certificates) == renewed:
                        await asyncio.sleep(0.01)
            going = False
            await asyncio.gather(*tasks)
            assert Counter(map(str, answers)) == {"200": len(answers)}
            assert len(certificates) >= 6

    asyncio.run(run())
