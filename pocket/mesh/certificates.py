"""TLS of the mesh: what servers of Gateways and DestinationRules say, and the Secrets that they name, for Envoy.

A Secret is looked for in the namespace of the proxy, as in Istio, and has `tls.crt`, `tls.key` and `ca.crt`, or `cert`,
`key` and `cacert`; the authority for clients may stand in a Secret of its own, NAME-cacert
(https://istio.io/latest/docs/tasks/traffic-management/ingress/secure-ingress/#key-formats).
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pocket.mesh.model import Resource
from pocket.mesh.names import typed
from pocket.objects import Obj, name_of

SYSTEM_AUTHORITIES = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
"""Whom a machine trusts."""

_TERMINATING = ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL")
_VERSIONS = {"TLSV1_0": "TLSv1_0", "TLSV1_1": "TLSv1_1", "TLSV1_2": "TLSv1_2", "TLSV1_3": "TLSv1_3"}


@dataclass(frozen=True)
class Credential:
    """What a Secret holds, as PEM; an empty string for what it lacks."""

    certificate: str = ""
    key: str = ""
    authority: str = ""
    revoked: str = ""


def credential(secrets: Iterable[Obj], namespace: str, name: str) -> Credential | None:
    """The Secret `name`, with the authority of NAME-cacert where it has none itself; None where there is neither.

    A Gateway of the Gateway API names it as `namespace/name`.
    """
    elsewhere, _, name = name.rpartition("/")
    namespace = elsewhere or namespace
    found = {name_of(obj): obj for obj in secrets if obj["metadata"].get("namespace") == namespace}
    secret, authority = found.get(name), found.get(f"{name}-cacert")
    if secret is None and authority is None:
        return None
    return Credential(
        certificate=_entry(secret, "tls.crt", "cert"),
        key=_entry(secret, "tls.key", "key"),
        authority=_entry(secret, "ca.crt", "cacert") or _entry(authority, "ca.crt", "cacert"),
        revoked=_entry(secret, "ca.crl", "crl"),
    )


def terminates(tls: Mapping[str, Any] | None) -> bool:
    """Does the gateway end TLS itself? Otherwise it passes through, by the name that the client asks for."""
    return bool(tls) and (tls or {}).get("mode") in _TERMINATING


def problem(tls: Mapping[str, Any], secrets: Iterable[Obj], namespace: str) -> str | None:
    """Why a terminating server cannot answer, or None."""
    listed = list(secrets)
    for name in credential_names(tls):
        found = credential(listed, namespace, name)
        if found is None:
            return f'Secret "{name}" is not in the namespace {namespace} of the gateway'
        if not found.certificate or not found.key:
            return f'Secret "{name}" in {namespace} lacks tls.crt or tls.key'
        if tls.get("mode") in ("MUTUAL", "OPTIONAL_MUTUAL") and not found.authority:
            return f'Secret "{name}" in {namespace} lacks ca.crt, which mode {tls["mode"]} needs'
    return None


def credential_names(tls: Mapping[str, Any]) -> list[str]:
    """The Secrets of a server."""
    return list(tls.get("credentialNames") or ([tls["credentialName"]] if tls.get("credentialName") else []))


def server_socket(tls: Mapping[str, Any], secrets: Iterable[Obj], namespace: str, *, http: bool) -> Resource:
    """The transport socket of a terminating server without a `problem`."""
    listed = list(secrets)
    found = [one for name in credential_names(tls) if (one := credential(listed, namespace, name))]
    common: Resource = {"tls_certificates": [_certificate(one) for one in found]}
    parameters: Resource = {"tls_minimum_protocol_version": _version(tls.get("minProtocolVersion"), "TLSv1_2")}
    if tls.get("maxProtocolVersion"):
        parameters["tls_maximum_protocol_version"] = _version(tls["maxProtocolVersion"], "TLS_AUTO")
    if tls.get("cipherSuites"):
        parameters["cipher_suites"] = list(tls["cipherSuites"])
    common["tls_params"] = parameters
    if http:
        common["alpn_protocols"] = ["h2", "http/1.1"]
    context: Resource = {"require_client_certificate": tls.get("mode") == "MUTUAL"}
    if tls.get("mode") in ("MUTUAL", "OPTIONAL_MUTUAL"):
        check: Resource = {"trusted_ca": {"inline_string": found[0].authority}}
        if found[0].revoked:
            check["crl"] = {"inline_string": found[0].revoked}
        if tls.get("subjectAltNames"):
            check["match_typed_subject_alt_names"] = _names(tls["subjectAltNames"])
        for theirs, ours in (
            ("verifyCertificateSpki", "verify_certificate_spki"),
            ("verifyCertificateHash", "verify_certificate_hash"),
        ):
            if tls.get(theirs):
                check[ours] = list(tls[theirs])
        common["validation_context"] = check
    kind = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": typed(kind, common_tls_context=common, **context),
    }


def client_socket(tls: Mapping[str, Any], names: Iterable[str], secret: Credential | None, *, http2: bool) -> Resource:
    """The transport socket by which a cluster begins TLS; `names`: those of the ServiceEntry, where it has some."""
    common: Resource = {}
    if http2:
        common["alpn_protocols"] = ["h2"]
    if secret and secret.certificate and tls.get("mode") == "MUTUAL":
        common["tls_certificates"] = [_certificate(secret)]
    if not tls.get("insecureSkipVerify"):
        trusted = {"inline_string": secret.authority} if secret and secret.authority else None
        check: Resource = {"trusted_ca": trusted or {"filename": SYSTEM_AUTHORITIES}}
        if wanted := list(tls.get("subjectAltNames") or names):
            check["match_typed_subject_alt_names"] = _names(wanted)
        common["validation_context"] = check
    kind = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
    more = {"sni": tls["sni"]} if tls.get("sni") else {}
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": typed(kind, common_tls_context=common, **more),
    }


def client_options(tls: Mapping[str, Any], names: Iterable[str]) -> Resource:
    """The HTTP options beside it: without `sni`, the server is to be the one that the request names."""
    if tls.get("sni"):
        return {}
    checked = bool(tls.get("subjectAltNames") or list(names) or tls.get("insecureSkipVerify"))
    return {"upstream_http_protocol_options": {"auto_sni": True, "auto_san_validation": not checked}}


def _certificate(found: Credential) -> Resource:
    return {
        "certificate_chain": {"inline_string": found.certificate},
        "private_key": {"inline_string": found.key},
    }


def _names(names: Iterable[str]) -> list[Resource]:
    return [{"san_type": "URI" if "://" in name else "DNS", "matcher": {"exact": name}} for name in names]


def _version(name: str | None, default: str) -> str:
    return _VERSIONS.get(name or "", default)


def _entry(secret: Obj | None, *keys: str) -> str:
    data = (secret or {}).get("data") or {}
    for key in keys:
        if data.get(key):
            return base64.b64decode(data[key]).decode(errors="replace")
    return ""
