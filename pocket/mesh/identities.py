"""The mesh's own authority, and the certificate of each identity: what istiod does as a CA.

A proxy is `spiffe://cluster.local/ns/NAMESPACE/sa/SERVICEACCOUNT`. Its certificate and key live in memory and travel
to its Envoy (SDS) over the channel that only the owner can open; the authority is kept, so that what Envoys hold
stays good when the control process starts again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pocket.files import write_private
from pocket.mesh.model import TRUST_DOMAIN, Proxy, Resource
from pocket.mesh.peers import AUTHORITIES, CERTIFICATE, principal

LIFETIME = 24 * 3600.0
"""Seconds that a certificate holds (SECRET_TTL of Istio's agent)."""

_RENEWED_AFTER = 0.5  # of its lifetime (SECRET_GRACE_PERIOD_RATIO)
_SKEW = timedelta(minutes=2)  # that clocks may differ, as in istiod
_AUTHORITY_YEARS = timedelta(days=3650)  # istiod's self-signed root

Secrets = Mapping[str, Resource]


@dataclass(frozen=True)
class _Issued:
    secrets: Secrets
    renew: float


class Identities:
    """Issues certificates; the same ones for an identity until half of their lifetime is over."""

    def __init__(
        self, folder: Path | None, lifetime: float = LIFETIME, clock: Callable[[], float] = time.time
    ) -> None:
        """`folder`: where the authority is kept; None for one that nobody needs to trust tomorrow."""
        self._folder = folder
        self._lifetime = lifetime
        self._clock = clock
        self._root: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None
        self._issued: dict[str, _Issued] = {}

    def secrets(self, proxy: Proxy) -> Secrets:
        """What the Envoy of `proxy` proves itself with, and whom it trusts; empty outside the mesh. Raises OSError."""
        return {} if proxy.mode == "plain" else self.issue(principal(proxy.namespace, proxy.service_account))

    def issue(self, name: str) -> Secrets:
        """The same for an identity by its name in policies, whoever has it. Raises OSError."""
        found = self._issued.get(name)
        if found is None or found.renew <= self._clock():
            found = self._issued[name] = self._issue(f"spiffe://{name}")
        return found.secrets

    def due(self) -> float | None:
        """Seconds until a certificate is to be renewed; None where there is none."""
        return max(min(one.renew for one in self._issued.values()) - self._clock(), 0) if self._issued else None

    def keep(self, proxies: Mapping[str, Proxy], *others: str) -> None:
        """Forget the identities that neither these proxies nor `others` have any more."""
        names = {*others, *(principal(proxy.namespace, proxy.service_account) for proxy in proxies.values())}
        self._issued = {name: one for name, one in self._issued.items() if name in names}

    def _issue(self, uri: str) -> _Issued:
        authority, signer = self._authority()
        key = ec.generate_private_key(ec.SECP256R1())
        moment = datetime.fromtimestamp(self._clock(), UTC)
        certificate = (
            _builder(x509.Name([]), authority.subject, key)
            .not_valid_before(moment - _SKEW)
            .not_valid_after(moment + timedelta(seconds=self._lifetime))
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .sign(signer, hashes.SHA256())
        )
        secrets = {
            CERTIFICATE: {
                "name": CERTIFICATE,
                "tls_certificate": {
                    "certificate_chain": {"inline_string": _pem(certificate)},
                    "private_key": {"inline_string": _key_pem(key).decode()},
                },
            },
            AUTHORITIES: {
                "name": AUTHORITIES,
                "validation_context": {"trusted_ca": {"inline_string": _pem(authority)}},
            },
        }
        return _Issued(secrets, self._clock() + self._lifetime * _RENEWED_AFTER)

    def _authority(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        if self._root is None:
            if self._folder is None:
                self._root = _new_authority()
            else:
                self._root = _kept_authority(self._folder / "mesh-ca.crt", self._folder / "mesh-ca.key")
        return self._root


@cache
def sample() -> Secrets:
    """Secrets of nobody, for asking an Envoy about a configuration that names some."""
    return Identities(None).secrets(Proxy("sample", "sample", "", "", 0))


def _kept_authority(certificate: Path, key: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    if not (certificate.exists() and key.exists()):
        made, signer = _new_authority()
        write_private(key, _key_pem(signer))
        write_private(certificate, _pem(made).encode())
        return made, signer
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise OSError(f"{key}: no key of pocket's: remove it, and {certificate}")
    return x509.load_pem_x509_certificate(certificate.read_bytes()), loaded


def _new_authority() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, TRUST_DOMAIN)])
    moment = datetime.now(UTC)
    usage = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "crl_sign", "encipher_only", "decipher_only"), False
    )  # fmt: skip
    certificate = (
        _builder(name, name, key)
        .not_valid_before(moment - _SKEW)
        .not_valid_after(moment + _AUTHORITY_YEARS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(key_cert_sign=True, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return builder.serial_number(x509.random_serial_number())


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
