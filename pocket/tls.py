"""The API server's certificate and token.

kubectl sends credentials over TLS only, and without credentials every user of the machine, and every page in a
browser on it, could start processes here through the API. So pocket makes itself an authority, a certificate and a
token, readable by their owner alone.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from pocket.files import write_private

_LIFETIME = timedelta(days=365)
_RENEW = timedelta(days=30)
_TOKEN = 32  # random bytes of a token, which has more characters than that
# Without these OpenSSL's strict checks refuse a certificate; since 3.13 they are Python's default.
# https://docs.python.org/3/library/ssl.html#ssl.create_default_context, RFC 5280 4.2
_NEEDED = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
}


def ensure_token(path: Path) -> str:
    """The bearer token in that file, made first if it is not there, or is none: nobody can know an empty one."""
    if not _is_token(path):
        write_private(path, secrets.token_urlsafe(_TOKEN).encode())
    return path.read_text()


def _is_token(path: Path) -> bool:
    return path.exists() and re.fullmatch(rb"[A-Za-z0-9_-]{%d,}" % _TOKEN, path.read_bytes()) is not None


def is_whole(folder: Path, token: Path) -> bool:
    """Are token and certificates what `ensure_token` and `ensure_certificate` would leave as they are?"""
    return _is_token(token) and _still_good(folder)


def ensure_certificate(folder: Path) -> tuple[Path, Path, Path]:
    """Paths of the authority's certificate, the server's certificate and its key. Made anew 30 days before
    the end, where an earlier pocket has made less than strict clients ask for, and where one of them is damaged.
    """
    authority, certificate, key = _paths(folder)
    if not _still_good(folder):
        _make(authority, certificate, key)
    return authority, certificate, key


def _paths(folder: Path) -> tuple[Path, Path, Path]:
    return folder / "ca.crt", folder / "server.crt", folder / "server.key"


def _still_good(folder: Path) -> bool:
    """Valid for long enough, with all that a strict client asks for, and with the key that belongs to it."""
    authority, server, key = _paths(folder)
    try:
        loaded = [x509.load_pem_x509_certificate(path.read_bytes()) for path in (authority, server)]
        secret = serialization.load_pem_private_key(key.read_bytes(), None)
        loaded[1].verify_directly_issued_by(loaded[0])
    except (FileNotFoundError, ValueError, TypeError, InvalidSignature):
        return False
    return loaded[1].public_key() == secret.public_key() and all(
        certificate.not_valid_after_utc - datetime.now(UTC) > _RENEW
        and {extension.oid for extension in certificate.extensions} >= _NEEDED
        for certificate in loaded
    )


def _may(*, sign: bool) -> x509.KeyUsage:
    """RFC 5280 4.2.1.3: an authority signs certificates and lists of revoked ones, a server its part of a handshake."""
    return x509.KeyUsage(
        digital_signature=not sign, key_cert_sign=sign, crl_sign=sign, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _make(authority: Path, certificate: Path, key: Path) -> None:
    start = datetime.now(UTC) - timedelta(minutes=5)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pocket authority")])
    authority_certificate = (
        x509.CertificateBuilder()
        .subject_name(authority_name)
        .issuer_name(authority_name)
        .public_key(authority_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_may(sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    server_key = ec.generate_private_key(ec.SECP256R1())
    server_certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pocket")]))
        .issuer_name(authority_name)
        .public_key(server_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _LIFETIME)
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_may(sign=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(server_key.public_key()), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    write_private(
        key,
        server_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
    write_private(certificate, server_certificate.public_bytes(serialization.Encoding.PEM))
    # The authority's key is used once and kept nowhere.
    write_private(authority, authority_certificate.public_bytes(serialization.Encoding.PEM))
