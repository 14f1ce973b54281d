"""The certificate really serves TLS to a client that trusts the authority, and nobody else can read the key."""

import socket
import ssl
import threading
from pathlib import Path

from pocket.tls import ensure_certificate, ensure_token


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
        client = ssl.create_default_context(cafile=str(authority))
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
