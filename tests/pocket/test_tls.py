"""The certificate really serves TLS to a client that trusts the authority, and nobody else can read the key."""

import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pocket.lifecycle import PocketError, _answers
from pocket.parts import Part
from pocket.tls import ensure_certificate, ensure_token, is_whole


def strict(authority: Path) -> ssl.SSLContext:
    """As Python 3.13 and newer make them, on every Python."""
    context = ssl.create_default_context(cafile=str(authority))
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def test_a_client_that_trusts_the_authority_connects(tmp_path: Path) -> None:
    authority, certificate, key = ensure_certificate(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with server.wrap_socket(connection, server_side=True) as secured:
                secured.sendall(b"hello")

        thread = threading.Thread(target=answer)
        thread.start()
        client = strict(authority)
        with (
            socket.create_connection(listener.getsockname()) as connection,
            client.wrap_socket(connection, server_hostname="127.0.0.1") as secured,
        ):
            assert secured.recv(5) == b"hello"
        thread.join()


def test_made_once_and_private(tmp_path: Path) -> None:
    first = [path.read_bytes() for path in ensure_certificate(tmp_path)]
    assert [path.read_bytes() for path in ensure_certificate(tmp_path)] == first
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    token = ensure_token(tmp_path / "token")
    assert len(token) >= 32
    assert ensure_token(tmp_path / "token") == token


def test_what_an_earlier_pocket_made_is_made_anew(tmp_path: Path) -> None:
    """An authority without KeyUsage, which strict clients refuse, though it is valid for long."""
    authority, _, key = ensure_certificate(tmp_path)
    kept = key.read_bytes()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pocket authority")])
    secret = ec.generate_private_key(ec.SECP256R1())
    loaded = x509.load_pem_x509_certificate(authority.read_bytes())
    old = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(secret.public_key())
        .serial_number(1)
        .not_valid_before(loaded.not_valid_before_utc)
        .not_valid_after(loaded.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(secret, hashes.SHA256())
    )
    authority.write_bytes(old.public_bytes(serialization.Encoding.PEM))
    ensure_certificate(tmp_path)
    assert key.read_bytes() != kept
    made = x509.load_pem_x509_certificate(authority.read_bytes())
    assert made.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


class Quiet(HTTPServer):
    def handle_error(self, *_: object) -> None:
        """The client goes away in the middle of the handshake, as it should."""


def test_a_certificate_of_another_authority_is_called_that(tmp_path: Path) -> None:
    """And not an API server that does not answer."""
    _, certificate, key = ensure_certificate(tmp_path / "one")
    other, _, _ = ensure_certificate(tmp_path / "other")
    server = Quiet(("127.0.0.1", 0), BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.handle_request, daemon=True).start()
    url = f"https://127.0.0.1:{server.server_address[1]}/readyz"
    with pytest.raises(PocketError, match=r"answers at .*, with a certificate that this Python refuses: .*make down"):
        _answers(Part("control", [], tmp_path, {}, url, ""), "API server", other)
    server.server_close()


@pytest.mark.parametrize("content", [b"", b"\n", b"short"])
def test_a_token_that_is_none_is_made_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    token = ensure_token(path)
    assert len(token) >= 32
    assert ensure_token(path) == token


@pytest.mark.parametrize("name", ["ca.crt", "server.crt", "server.key"])
def test_what_is_damaged_is_made_anew(tmp_path: Path, name: str) -> None:
    token = tmp_path / "token"
    ensure_token(token)
    ensure_certificate(tmp_path)
    assert is_whole(tmp_path, token)
    for junk in (b"", b"junk", ensure_certificate(tmp_path / "other")[0].with_name(name).read_bytes()):
        (tmp_path / name).write_bytes(junk)
        assert not is_whole(tmp_path, token)
        _, certificate, key = ensure_certificate(tmp_path)
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        assert is_whole(tmp_path, token)
