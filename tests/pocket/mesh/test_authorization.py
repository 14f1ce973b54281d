# ruff: noqa: E501 - rules as they would stand in YAML
"""AuthorizationPolicies and RequestAuthentications: a real Envoy answers each request of the matrix.

The cases marked so are Istio's documented examples (https://istio.io/latest/docs/tasks/security/), as printed.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from pocket.mesh.admission import check
from pocket.mesh.authorization import Place, filters
from pocket.mesh.model import GatewayPort, Inbound, PodEndpoint, Proxy
from pocket.objects import Obj
from tests.pocket.mesh.kit import (
    Mesh,
    client,
    free_ports,
    gateway,
    gateway_proxy,
    mesh,
    pod,
    service,
    sidecar,
    upstream,
    virtual_service,
)

KEY = rsa.generate_private_key(65537, 2048)
OTHER = rsa.generate_private_key(65537, 2048)
ISSUER = "testing@secure.istio.io"


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int) -> str:
    return _b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


NUMBERS = KEY.public_key().public_numbers()
JWKS = json.dumps({"keys": [{"kty": "RSA", "alg": "RS256", "kid": "k", "n": _number(NUMBERS.n), "e": _number(NUMBERS.e)}]})


def token(key: rsa.RSAPrivateKey = KEY, **claims: Any) -> str:
    whole = {"iss": ISSUER, "sub": ISSUER, "exp": int(time.time()) + 3600, **claims}
    head = _b64(json.dumps({"alg": "RS256", "kid": "k", "typ": "JWT"}).encode())
    said = f"{head}.{_b64(json.dumps(whole).encode())}"
    return f"{said}.{_b64(key.sign(said.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def objects(text: str) -> list[Obj]:
    found = [dict(one) for one in yaml.safe_load_all(text) if one]
    for obj in found:
        assert check(obj) == [], obj["metadata"]["name"]
    return found


@dataclass(frozen=True)
class Ask:
    """A request and the answer's status: 200 allowed, 403 refused, 401 a wrong token; 0 none (TCP)."""

    who: str  # sleep or curl (namespace foo), legacy (without sidecar), outside (the gateway)
    status: int
    method: str = "GET"
    path: str = "/headers"
    headers: Mapping[str, str] = field(default_factory=dict)
    host: str = "httpbin.foo:8000"


def bearer(**claims: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {token(**claims)}"}


POLICY = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: foo}\nspec: "
REQUEST = (
    "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: jwt-example, namespace: foo}\n"
    f"spec: {{selector: {{matchLabels: {{app: httpbin}}}}, jwtRules: [{{issuer: {ISSUER}, jwks: '{JWKS}'}}]}}\n---\n"
)
SLEEP = "cluster.local/ns/foo/sa/sleep"

CASES: dict[str, tuple[str, list[Ask]]] = {
    "none": ("", [Ask("sleep", 200), Ask("legacy", 200), Ask("outside", 200)]),
    # tasks/security/authorization/authz-http
    "allow-nothing": (
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
        "metadata: {name: allow-nothing, namespace: foo}\nspec:\n  {}\n",
        [Ask("sleep", 403), Ask("legacy", 403), Ask("outside", 403)],
    ),
    "productpage-viewer": (
        POLICY + """
  selector:
    matchLabels:
      app: httpbin
  action: ALLOW
  rules:
  - to:
    - operation:
        methods: ["GET"]
""",
        [Ask("sleep", 200), Ask("sleep", 403, "POST"), Ask("legacy", 200), Ask("sleep", 403, "DELETE")],
    ),
    "details-viewer": (
        POLICY + f"""
  action: ALLOW
  rules:
  - from:
    - source:
        principals: ["{SLEEP}"]
    to:
    - operation:
        methods: ["GET"]
""",
        [Ask("sleep", 200), Ask("sleep", 403, "POST"), Ask("curl", 403), Ask("legacy", 403), Ask("outside", 403)],
    ),
    # tasks/security/authorization/authz-deny
    "deny-method-get": (
        POLICY + '{action: DENY, rules: [{to: [{operation: {methods: ["GET"]}}]}]}',
        [Ask("sleep", 403), Ask("sleep", 200, "POST")],
    ),
    "deny-not-admin": (
        POLICY + """
  selector:
    matchLabels:
      app: httpbin
  action: DENY
  rules:
  - to:
    - operation:
        methods: ["GET"]
    when:
    - key: request.headers[x-token]
      notValues: ["admin"]
""",
        [Ask("sleep", 403), Ask("sleep", 200, headers={"x-token": "admin"}), Ask("sleep", 403, headers={"x-token": "guest"}),
         Ask("sleep", 200, "POST")],
    ),
    "allow-path-ip": (
        POLICY + '{action: ALLOW, rules: [{to: [{operation: {paths: ["/ip"]}}]}]}',
        [Ask("sleep", 200, path="/ip"), Ask("sleep", 403), Ask("sleep", 403, path="/ip/"), Ask("sleep", 200, path="/ip?x=1"),
         Ask("sleep", 403, path="/x/..%2fip")],
    ),
    "deny-wins": (
        POLICY + '{action: ALLOW, rules: [{}]}\n---\n'
        + POLICY.replace("name: p", "name: q") + '{action: DENY, rules: [{to: [{operation: {paths: ["/admin*"]}}]}]}',
        [Ask("sleep", 200), Ask("sleep", 403, path="/admin/x"), Ask("sleep", 200, path="/other")],
    ),
    # tasks/security/authentication/authn-policy and authorization/authz-jwt
    "require-jwt": (
        REQUEST + """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: require-jwt
  namespace: foo
spec:
  selector:
    matchLabels:
      app: httpbin
  action: ALLOW
  rules:
  - from:
    - source:
        requestPrincipals: ["testing@secure.istio.io/testing@secure.istio.io"]
""",
        [Ask("sleep", 200, headers=bearer()), Ask("sleep", 403), Ask("sleep", 401, headers={"authorization": "Bearer deadbeef"}),
         Ask("sleep", 401, headers={"authorization": f"Bearer {token(OTHER)}"}), Ask("sleep", 401, headers=bearer(exp=1)),
         Ask("sleep", 403, headers=bearer(sub="someone")), Ask("sleep", 401, headers=bearer(iss="else"))],
    ),
    "jwt-alone": (REQUEST, [Ask("sleep", 200), Ask("sleep", 401, headers={"authorization": "Bearer x.y.z"})]),
    "jwt-groups": (
        REQUEST + """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: require-jwt, namespace: foo}
spec:
  action: ALLOW
  rules:
  - from:
    - source:
       requestPrincipals: ["testing@secure.istio.io/testing@secure.istio.io"]
    when:
    - key: request.auth.claims[groups]
      values: ["group1"]
""",
        [Ask("sleep", 200, headers=bearer(groups=["group1", "group2"])), Ask("sleep", 200, headers=bearer(groups="group1")),
         Ask("sleep", 403, headers=bearer(groups=["group2"])), Ask("sleep", 403, headers=bearer())],
    ),
    "jwt-path": (  # frontend-ingress: a token on one path only
        REQUEST + POLICY + """
  action: DENY
  rules:
  - from:
    - source:
        notRequestPrincipals: ["*"]
    to:
    - operation:
        paths: ["/headers"]
""",
        [Ask("sleep", 403), Ask("sleep", 200, path="/ip"), Ask("sleep", 200, headers=bearer())],
    ),
    "claims": (
        REQUEST + POLICY + """{rules: [{when: [
          {key: 'request.auth.claims[a][b]', values: ["x*"]}, {key: request.auth.audiences, values: [me]},
          {key: request.auth.presenter, notValues: [bad]}, {key: 'request.auth.claims[scope]', values: [read]}]}]}""",
        [Ask("sleep", 200, headers=bearer(a={"b": "xy"}, aud=["you", "me"], azp="good", scope="read write")),
         Ask("sleep", 403, headers=bearer(a={"b": "yx"}, aud=["me"], azp="good", scope="read")),
         Ask("sleep", 403, headers=bearer(a={"b": "x"}, aud="you", azp="good", scope="read")),
         Ask("sleep", 403, headers=bearer(a={"b": "x"}, aud="me", azp="bad", scope="read")),
         Ask("sleep", 403, headers=bearer(a={"b": "x"}, aud="me", azp="good", scope="write"))],
    ),
    "request-principals": (
        REQUEST + POLICY + '{rules: [{from: [{source: {requestPrincipals: ["*/bob", "testing@secure.istio.io/al*", "no*"]}}]}]}',
        [Ask("sleep", 200, headers=bearer(sub="bob")), Ask("sleep", 200, headers=bearer(sub="alice")),
         Ask("sleep", 403, headers=bearer(sub="eve")), Ask("sleep", 403)],
    ),
    # who
    "principals": (
        POLICY + '{rules: [{from: [{source: {principals: ["*/sa/sleep", "cluster.local/ns/istio-system/*"]}}]}]}',
        [Ask("sleep", 200), Ask("curl", 403), Ask("legacy", 403), Ask("outside", 200)],
    ),
    "any-principal": (
        POLICY + '{rules: [{from: [{source: {principals: ["*"]}}]}]}', [Ask("curl", 200), Ask("legacy", 403)]
    ),
    "not-principals": (
        POLICY + f'{{action: DENY, rules: [{{from: [{{source: {{notPrincipals: ["{SLEEP}"]}}}}]}}]}}',
        [Ask("sleep", 200), Ask("curl", 403), Ask("legacy", 403)],
    ),
    "namespaces": (
        POLICY + '{rules: [{from: [{source: {namespaces: ["foo"]}}]}]}',
        [Ask("sleep", 200), Ask("legacy", 403), Ask("outside", 403)],
    ),
    "not-namespaces": (
        POLICY + '{action: DENY, rules: [{from: [{source: {notNamespaces: ["istio-*"]}}]}]}',
        [Ask("sleep", 403), Ask("legacy", 403), Ask("outside", 200)],
    ),
    "service-accounts": (
        POLICY + '{rules: [{from: [{source: {serviceAccounts: ["foo/sleep", "istio-system/door"]}}]}]}',
        [Ask("sleep", 200), Ask("curl", 403), Ask("outside", 200), Ask("legacy", 403)],
    ),
    "trust-domains": (
        POLICY + '{rules: [{from: [{source: {trustDomains: ["other"]}}]}]}', [Ask("sleep", 403)]
    ),
    "ip-blocks": (
        POLICY + '{rules: [{from: [{source: {ipBlocks: ["127.0.0.0/8"], notIpBlocks: ["10.0.0.1"]}}]}]}',
        [Ask("sleep", 200), Ask("legacy", 200)],
    ),
    "remote-ip-blocks": (
        POLICY + '{rules: [{from: [{source: {remoteIpBlocks: ["203.0.113.0/24"]}}]}]}',
        [Ask("sleep", 200, headers={"x-forwarded-for": "203.0.113.9"}), Ask("sleep", 403)],
    ),
    "two-sources": (
        POLICY + '{rules: [{from: [{source: {principals: ["*/sa/sleep"]}}, {source: {namespaces: ["istio-system"]}}]}]}',
        [Ask("sleep", 200), Ask("outside", 200), Ask("curl", 403)],
    ),
    # what
    "hosts": (
        POLICY + '{rules: [{to: [{operation: {hosts: ["HTTPBIN.foo:8000"]}}]}]}',
        [Ask("sleep", 200), Ask("sleep", 403, host="httpbin.foo.svc:8000")],
    ),
    "ports": (
        POLICY + '{rules: [{to: [{operation: {ports: ["80"], methods: ["GET"]}}]}]}',
        [Ask("sleep", 200), Ask("sleep", 403, "POST")],
    ),
    "other-ports": (POLICY + '{rules: [{to: [{operation: {ports: ["8000"]}}]}]}', [Ask("sleep", 403)]),
    "not-ports": (POLICY + '{action: DENY, rules: [{to: [{operation: {notPorts: ["80"]}}]}]}', [Ask("sleep", 200)]),
    "paths": (
        POLICY + '{rules: [{to: [{operation: {paths: ["/a*", "*/z", "/one/{*}/two", "/deep/{**}"], notPaths: ["/a/no"]}}]}]}',
        [Ask("sleep", 200, path="/abc"), Ask("sleep", 200, path="/x/z"), Ask("sleep", 200, path="/one/x/two"),
         Ask("sleep", 403, path="/one/x/y/two"), Ask("sleep", 200, path="/deep/x/y"), Ask("sleep", 403, path="/a/no"),
         Ask("sleep", 403, path="/b")],
    ),
    "methods": (
        POLICY + '{rules: [{to: [{operation: {methods: ["P*"]}}]}]}',
        [Ask("sleep", 200, "POST"), Ask("sleep", 200, "PUT"), Ask("sleep", 403)],
    ),
    "when": (
        POLICY + f"""{{rules: [{{when: [{{key: source.principal, values: ["{SLEEP}"]}},
          {{key: source.namespace, values: [foo]}}, {{key: source.ip, values: [127.0.0.1]}},
          {{key: destination.port, values: ["80"]}}, {{key: 'request.headers[x]', values: ["*"], notValues: [bad]}}]}}]}}""",
        [Ask("sleep", 200, headers={"x": "good"}), Ask("sleep", 403, headers={"x": "bad"}), Ask("sleep", 403),
         Ask("curl", 403, headers={"x": "good"})],
    ),
    # whose
    "root-namespace": (
        POLICY.replace("namespace: foo", "namespace: istio-system")
        + '{selector: {matchLabels: {app: httpbin}}, action: DENY, rules: [{}]}',
        [Ask("sleep", 403), Ask("outside", 403)],
    ),
    "other-namespace": (POLICY.replace("namespace: foo", "namespace: bar") + "{action: DENY, rules: [{}]}", [Ask("sleep", 200)]),
    "other-workload": (
        POLICY + "{selector: {matchLabels: {app: other}}, action: DENY, rules: [{}]}", [Ask("sleep", 200)]
    ),
    "gateway": (  # tasks/security/authorization/authz-ingress, and c756's own
        POLICY.replace("namespace: foo", "namespace: istio-system")
        + """{selector: {matchLabels: {istio: ingressgateway}}, action: DENY, rules: [{to: [{operation: {paths: ["/headers"]}}],
             from: [{source: {ipBlocks: ["127.0.0.1"]}}]}]}""",
        [Ask("outside", 403), Ask("outside", 200, path="/ip"), Ask("sleep", 200)],
    ),
    "audit": (POLICY + "{action: AUDIT, rules: [{}]}", [Ask("sleep", 200)]),
    "strict": (
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: istio-system}\n"
        "spec: {mtls: {mode: STRICT}}\n---\n" + POLICY + '{rules: [{from: [{source: {principals: ["*"]}}]}]}',
        [Ask("sleep", 200), Ask("outside", 200), Ask("legacy", 0)],
    ),
}  # fmt: skip


@dataclass
class World:
    live: Mesh
    callers: Mapping[str, Proxy]
    httpbin: Proxy
    gateway: Proxy
    base: list[Obj | PodEndpoint]
    http: aiohttp.ClientSession

    async def apply(self, *things: Obj | PodEndpoint) -> None:
        """In force, for connections that are open as well: Envoy lets each of them end with one more answer."""
        await self.live.apply(*self.base, *things)
        for who in (*self.callers, "legacy", "outside"):
            for _ in range(2):
                await self.ask(Ask(who, 0, path="/flush"))

    async def ask(self, ask: Ask) -> tuple[int, dict[str, Any]]:
        proxy, url = None, f"http://{ask.host}{ask.path}"
        if ask.who in self.callers:
            proxy = f"http://127.0.0.1:{self.callers[ask.who].outbound_port}"
        else:
            port = self.httpbin.inbound[0].listen_port
            if ask.who == "outside":
                port = self.gateway.gateway_ports[0].listen_port
            url = f"http://127.0.0.1:{port}{ask.path}"
        try:
            async with self.http.request(ask.method, url, proxy=proxy, headers=ask.headers) as answer:
                text = await answer.text()
                if answer.status == 403:
                    assert text in ("RBAC: access denied", "Audiences in Jwt are not allowed")
                return answer.status, json.loads(text) if answer.status == 200 else {"text": text}
        except aiohttp.ClientError:
            return 0, {}


@contextlib.asynccontextmanager
async def world(root: Path, *, port_name: str = "http") -> AsyncIterator[World]:
    async with upstream("httpbin") as app, client() as http:
        listen, port = free_ports(2)
        with mesh(root) as live:
            callers = {
                name: live.proxy(sidecar, name, namespace="foo", service_account=name) for name in ("sleep", "curl")
            }
            httpbin = live.proxy(
                sidecar, "httpbin", namespace="foo", app="httpbin", workload="httpbin", labels={"app": "httpbin"},
                inbound=(Inbound(80, listen, app),),
            )  # fmt: skip
            door = live.proxy(
                gateway_proxy, "gateway", service_account="door", gateway_ports=(GatewayPort(80, port, 8080),)
            )
            everything = virtual_service(
                hosts=["*"], gateways=["gw"],
                http=[{"route": [{"destination": {"host": "httpbin.foo.svc.cluster.local", "port": {"number": 8000}}}]}],
            )  # fmt: skip
            ports = [{"name": port_name, "port": 8000, "targetPort": 80}]
            base: list[Obj | PodEndpoint] = [
                service("httpbin", namespace="foo", ports=ports), gateway(), everything,
                pod("httpbin", port=listen, container_port=80, namespace="foo", has_sidecar=True),
            ]  # fmt: skip
            found = World(live, callers, httpbin, door, base, http)
            await live.start(*base)
            yield found


def test_the_matrix(tmp_path: Path) -> None:
    async def run() -> dict[str, Any]:
        different = {}
        async with world(tmp_path) as w:
            for name, (text, asks) in CASES.items():
                await w.apply(*objects(text))
                for ask in asks:
                    status, said = await w.ask(ask)
                    if status != ask.status:
                        different[f"{name}: {ask}"] = (status, said)
        return different

    assert asyncio.run(run()) == {}


def test_what_a_token_brings(tmp_path: Path) -> None:
    rule = f"""{{issuer: {ISSUER}, audiences: [me], jwks: '{JWKS}', fromHeaders: [{{name: x-jwt, prefix: "Token "}}],
      fromParams: [jwt], fromCookies: [c], %s outputClaimToHeaders: [{{header: x-sub, claim: sub}}], outputPayloadToHeader: x-payload}}"""

    async def run() -> None:
        async with world(tmp_path) as w:
            text = REQUEST.partition("spec:")[0] + "spec: {jwtRules: [" + rule % "" + "]}"
            await w.apply(*objects(text))
            good = token(aud="me", sub="bob")
            for headers, path in (
                ({"x-jwt": f"Token {good}"}, "/a"), ({}, f"/a?jwt={good}"), ({"cookie": f"c={good}"}, "/a"),
            ):  # fmt: skip
                status, said = await w.ask(Ask("sleep", 200, path=path, headers=headers))
                assert (status, said["headers"]["x-sub"]) == (200, "bob")
                assert "x-jwt" not in said["headers"]
                payload = said["headers"]["x-payload"]
                assert json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"] == "bob"
            assert (await w.ask(Ask("sleep", 403, headers={"x-jwt": f"Token {token(aud='you')}"})))[0] == 403
            await w.apply(*objects(text.replace("fromCookies", "forwardOriginalToken: true, fromCookies")))
            _, said = await w.ask(Ask("sleep", 200, headers={"x-jwt": f"Token {good}"}))
            assert said["headers"]["x-jwt"] == f"Token {good}"

    asyncio.run(run())


def test_keys_come_from_an_address_or_from_a_service(tmp_path: Path) -> None:
    async def keys(_: web.Request) -> web.Response:
        return web.Response(text=JWKS)

    async def run() -> None:
        async with world(tmp_path) as w, upstream("keys", keys) as port:
            near: list[Obj | PodEndpoint] = [service("keys", 9000, namespace="foo"), pod("keys", port=port, container_port=9000, namespace="foo")]
            for uri in (f"http://127.0.0.1:{port}/jwks.json", "http://keys.foo:9000/jwks.json"):
                text = REQUEST.partition("spec:")[0] + f"spec: {{jwtRules: [{{issuer: {ISSUER}, jwksUri: '{uri}'}}]}}"
                await w.apply(*near, *objects(text))
                assert (await w.ask(Ask("sleep", 200, headers=bearer())))[0] == 200
                wrong = {"authorization": f"Bearer {token(OTHER)}"}
                assert (await w.ask(Ask("sleep", 401, headers=wrong)))[0] == 401

    asyncio.run(run())


@pytest.mark.parametrize(
    ("spec", "status"),
    [
        ("{rules: [{from: [{source: {principals: ['*']}}]}]}", 200),
        ("{rules: [{from: [{source: {namespaces: [bar]}}]}]}", 0),
        ("{rules: [{to: [{operation: {ports: ['80']}}]}]}", 200),
        ("{rules: [{to: [{operation: {ports: ['81']}}]}]}", 0),
        ("{rules: [{to: [{operation: {methods: [GET]}}]}]}", 0),  # on TCP, what speaks of HTTP allows nothing
        ("{action: DENY, rules: [{to: [{operation: {methods: [POST], ports: ['81']}}]}]}", 200),
        ("{action: DENY, rules: [{to: [{operation: {methods: [POST], ports: ['80']}}]}]}", 0),  # and denies all the more
    ],
)
def test_plain_bytes(spec: str, status: int) -> None:
    """tasks/security/authorization/authz-tcp, decided as the filter would."""
    made = filters(objects(POLICY + spec), Place("foo", {"app": "httpbin"}, 80, http=False))
    text = json.dumps(made)
    assert all(one["name"] == "envoy.filters.network.rbac" for one in made)
    never = '"not_rule": {"any": true}'
    if status == 0:
        denied = '"DENY"' in text and never not in text
        assert denied or never in text or "ns/bar" in text or '"policies": {}' in text
    else:
        assert ('"DENY"' in text) == (never in text)
