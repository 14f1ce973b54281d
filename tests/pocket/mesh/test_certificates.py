# ruff: noqa: E501 - rules as they would stand in YAML
"""TLS at gateways and to outside: real certificates, real Envoys, real handshakes."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pocket.mesh.admission import warnings
from pocket.mesh.certificates import client_options, credential
from pocket.mesh.model import GatewayPort, PodEndpoint
from pocket.mesh.translate import translate
from pocket.objects import Obj
from tests.pocket.mesh.kit import (
    NS,
    destination_rule,
    free_ports,
    gateway_proxy,
    mesh,
    pod,
    service,
    service_entry,
    sidecar,
    snapshot,
    upstream,
    virtual_service,
)

ROOT = "istio-system"


@dataclass(frozen=True)
class Signed:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, *form).decode()

    def files(self, folder: Path, name: str) -> tuple[Path, Path]:
        certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
        certificate.write_text(self.pem)
        key.write_text(self.key_pem)
        return certificate, key


def signed(name: str, by: Signed | None = None) -> Signed:
    """A certificate for a name; without `by` an authority. With what strict clients ask for, as Python 3.13 is."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if by is None:
        signs = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        builder = builder.add_extension(signs, critical=True)
    else:
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key())
        builder = builder.add_extension(authority, critical=False)
    return Signed(builder.sign(by.key if by else key, hashes.SHA256()), key)


def secret(name: str, namespace: str = ROOT, **entries: str) -> Obj:
    data = {key.replace("_", "."): base64.b64encode(text.encode()).decode() for key, text in entries.items()}
    return {"kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "data": data}


def server(name: str, hosts: list[str], protocol: str = "HTTPS", **tls: Any) -> dict[str, Any]:
    return {"port": {"number": 443, "name": name, "protocol": protocol}, "hosts": hosts, "tls": tls}


def gateway(*servers: dict[str, Any]) -> Obj:
    spec = {"selector": {"istio": "ingressgateway"}, "servers": list(servers)}
    return {"kind": "Gateway", "metadata": {"name": "gw", "namespace": NS}, "spec": spec}


TO_S2 = virtual_service(hosts=["*"], gateways=["gw"], http=[{"route": [{"destination": {"host": "s2"}}]}])


def listener(*things: Any) -> dict[str, Any] | None:
    proxy = gateway_proxy(gateway_ports=(GatewayPort(443, 31993, 8443),))
    return dict(translate(snapshot(service(), *things), proxy).listeners).get("gateway_443")


def test_a_secret_in_both_of_istios_forms() -> None:
    kubernetes = secret("a", tls_crt="C", tls_key="K", ca_crt="A")
    found = credential([kubernetes], ROOT, "a")
    assert found
    assert (found.certificate, found.key, found.authority) == ("C", "K", "A")
    generic = [secret("b", cert="C", key="K"), secret("b-cacert", cacert="A")]
    found = credential(generic, ROOT, "b")
    assert found
    assert (found.certificate, found.key, found.authority) == ("C", "K", "A")
    assert credential([kubernetes], "elsewhere", "a") is None


def test_without_its_secret_nobody_can_connect_and_a_warning_says_so() -> None:
    made = gateway(server("https", ["*"], mode="SIMPLE", credentialName="c"))
    assert listener(made, TO_S2) is None
    proxy = gateway_proxy(gateway_ports=(GatewayPort(443, 31993, 8443),))
    assert not translate(snapshot(service(), made, TO_S2), proxy).routes, "Envoy would never ask for them"
    there = pod(labels={"istio": "ingressgateway"}, namespace=ROOT)
    said = "\n".join(warnings(made, snapshot(there)))
    assert 'spec.servers[0].tls: Secret "c" is not in the namespace istio-system' in said
    assert "lacks tls.crt or tls.key" in "\n".join(warnings(made, snapshot(there, secret("c", ca_crt="A"))))
    mutual = gateway(server("https", ["*"], mode="MUTUAL", credentialName="c"))
    assert "lacks ca.crt" in "\n".join(warnings(mutual, snapshot(there, secret("c", tls_crt="C", tls_key="K"))))


def test_plain_http_and_tls_do_not_share_a_port() -> None:
    plain = {"port": {"number": 443, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
    tls = server("https", ["*"], mode="SIMPLE", credentialName="c")
    made = listener(gateway(plain, tls), TO_S2, secret("c", tls_crt="C", tls_key="K"))
    assert made
    (chain,) = made["filter_chains"]
    assert "transport_socket" not in chain, "the first server says which it is"


@pytest.mark.parametrize(
    ("tls", "options"),
    [
        ({"mode": "SIMPLE"}, {"auto_sni": True, "auto_san_validation": True}),
        ({"mode": "SIMPLE", "insecureSkipVerify": True}, {"auto_sni": True, "auto_san_validation": False}),
        ({"mode": "SIMPLE", "subjectAltNames": ["a"]}, {"auto_sni": True, "auto_san_validation": False}),
        ({"mode": "SIMPLE", "sni": "a"}, None),
    ],
)
def test_whom_a_server_outside_has_to_be(tls: dict[str, Any], options: dict[str, Any] | None) -> None:
    assert client_options(tls, ()).get("upstream_http_protocol_options") == options


# -- live -----------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def tls_upstream(name: str, certificate: tuple[Path, Path]) -> AsyncIterator[int]:
    """A server that ends TLS itself, and answers with its name and the host that was asked for."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"name": name, "host": request.host})

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    (port,) = free_ports(1)
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    try:
        yield port
    finally:
        await runner.cleanup()


class Loopback(aiohttp.abc.AbstractResolver):
    """Every name is this machine."""

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[Any]:
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": family, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        """Nothing is open."""


async def ask(host: str, port: int, context: ssl.SSLContext) -> tuple[int, dict[str, Any]]:
    connector = aiohttp.TCPConnector(resolver=Loopback(), ssl=context)
    timeout = aiohttp.ClientTimeout(total=20)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
        session.get(f"https://{host}:{port}/") as answer,
    ):
        body = await answer.json() if answer.content_type == "application/json" else {}
        return answer.status, body


def trusting(authority: Signed) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.pem)


def test_a_gateway_ends_tls_by_name_and_lets_it_pass(tmp_path: Path) -> None:
    async def run() -> None:
        ours, theirs = signed("our authority"), signed("clients' authority")
        a, b, through = (signed(f"{name}.example.com", ours) for name in ("a", "b", "through"))
        client = signed("client.example.com", theirs)
        async with (
            upstream("s2") as plain,
            tls_upstream("through", through.files(tmp_path, "through")) as encrypted,
        ):
            (port,) = free_ports(1)
            with mesh(tmp_path) as live:
                live.proxy(gateway_proxy, "gateway", gateway_ports=(GatewayPort(443, port, 8443),))
                passed = virtual_service(
                    "passed", hosts=["through.example.com"], gateways=["gw"],
                    tls=[{"match": [{"sniHosts": ["through.example.com"]}], "route": [{"destination": {"host": "tls", "port": {"number": 443}}}]}],
                )  # fmt: skip
                listed: list[Obj | PodEndpoint] = [
                    gateway(
                        server("a", ["a.example.com"], mode="SIMPLE", credentialName="a"),
                        server("b", ["b.example.com"], mode="MUTUAL", credentialName="b"),
                        server("c", ["through.example.com"], "TLS", mode="PASSTHROUGH"),
                    ),
                    service(), pod(port=plain), TO_S2, passed,
                    service("tls", 443, port_name="tls"), pod("tls", port=encrypted, container_port=443),
                    secret("a", tls_crt=a.pem, tls_key=a.key_pem),
                    secret("b", tls_crt=b.pem, tls_key=b.key_pem), secret("b-cacert", cacert=theirs.pem),
                ]  # fmt: skip
                await live.start(*listed)
                status, body = await ask("a.example.com", port, trusting(ours))
                assert (status, body["name"]) == (200, "s2")
                assert body["headers"]["x-forwarded-proto"] == "https"
                with pytest.raises(aiohttp.ClientError):  # no certificate of its own
                    await ask("b.example.com", port, trusting(ours))
                known = trusting(ours)
                known.load_cert_chain(*client.files(tmp_path, "client"))
                assert (await ask("b.example.com", port, known))[0] == 200
                assert (await ask("through.example.com", port, trusting(ours)))[1]["name"] == "through"
                with pytest.raises(aiohttp.ClientError):  # a name that no server has
                    await ask("other.example.com", port, trusting(ours))

                renewed = signed("a.example.com", theirs)
                await live.apply(*listed, secret("a", tls_crt=renewed.pem, tls_key=renewed.key_pem))
                assert (await ask("a.example.com", port, trusting(theirs)))[0] == 200, "the Secret's new certificate"

    asyncio.run(run())


def test_tls_begins_at_a_gateway_or_sidecar(tmp_path: Path) -> None:
    """An application speaks plain HTTP, and its Envoy HTTPS with the world outside."""

    async def run() -> None:
        ours = signed("our authority")
        outside = signed("api.example.com", ours)
        async with tls_upstream("outside", outside.files(tmp_path, "outside")) as port, aiohttp.ClientSession() as http:
            with mesh(tmp_path) as live:
                one = live.proxy(sidecar, "s1", namespace=ROOT)
                entry = service_entry(
                    "api.example.com", number=80, protocol="HTTP",
                    resolution="STATIC", endpoints=[{"address": "127.0.0.1", "ports": {"http": port}}],
                )  # fmt: skip

                def begins(**tls: Any) -> Obj:
                    rule = destination_rule("api.example.com", subsets=(), trafficPolicy={"tls": tls})
                    rule["metadata"]["namespace"] = ROOT
                    rule["spec"]["workloadSelector"] = {"matchLabels": {"app": "s1"}}
                    return rule

                async def status() -> int:
                    proxy = f"http://127.0.0.1:{one.outbound_port}"
                    async with http.get("http://api.example.com/", proxy=proxy) as answer:
                        return answer.status

                await live.start(entry, begins(mode="SIMPLE", insecureSkipVerify=True))
                assert await status() == 200
                await live.apply(entry, begins(mode="SIMPLE"))
                assert await status() == 503, "no authority of this machine's signed it"
                authority = secret("api", ca_crt=ours.pem)
                await live.apply(entry, authority, begins(mode="SIMPLE", credentialName="api"))
                assert await status() == 200, "that of the Secret did, and the name is right"
                await live.apply(
                    entry, authority, begins(mode="SIMPLE", credentialName="api", subjectAltNames=["b.com"])
                )
                assert await status() == 503, "the certificate is for somebody else"

    asyncio.run(run())
