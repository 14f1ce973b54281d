"""`exec` and `attach` over SPDY: what kubectl before 1.31 speaks, and the present one when it is told to."""

from __future__ import annotations

import fcntl
import os
import socket
import ssl
import struct
import subprocess
import termios
import threading
import urllib.parse

import pytest

from pocket.api import spdy
from tests.pocket.api.live import TOKEN, Cluster
from tests.pocket.api.running import running

SPDY = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false"}


def run(cluster: Cluster, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command, env = cluster.command(*arguments), {**os.environ, **SPDY}
    return subprocess.run(command, input=stdin, capture_output=True, env=env, timeout=60, check=False)


def test_both_outputs_the_input_and_its_end(cluster: Cluster) -> None:
    cluster.run_pod("web")
    done = run(cluster, "exec", "web", "--", "sh", "-c", "echo out; echo err >&2")
    assert (done.returncode, done.stdout) == (0, b"out\n"), done.stderr
    assert b"err\n" in done.stderr
    big = b"x" * 1_000_000
    assert run(cluster, "exec", "-i", "web", "--", "wc", "-c", stdin=big).stdout.split() == [b"1000000"]
    assert run(cluster, "exec", "-i", "web", "--", "cat", stdin=big).stdout == big


def test_it_tells_exit_codes(cluster: Cluster) -> None:
    cluster.run_pod("web")
    assert run(cluster, "exec", "web", "--", "sh", "-c", "exit 7").returncode == 7
    assert b"executable file not found in $PATH" in run(cluster, "exec", "web", "--", "nonexistent").stderr
    assert b"container nope is not valid" in run(cluster, "exec", "web", "-c", "nope", "--", "true").stderr


def test_a_terminal_and_its_size(cluster: Cluster) -> None:
    cluster.run_pod("web")
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 17, 71, 0, 0))
    command = cluster.command("exec", "-it", "web", "--", "sh", "-c", "until stty size | grep 17; do :; done; exit 5")
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, **SPDY})
    os.close(theirs)
    seen = b""
    try:
        while b"17 71" not in seen:
            seen += os.read(ours, 4096)
        assert process.wait(60) == 5
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_attach(cluster: Cluster) -> None:
    cluster.run_pod("web")
    log = cluster.runtime.folder("web", "web") / "current.log"
    log.write_text("before\n")
    seen = threading.Event()

    def write() -> None:  # again and again: nobody tells when the server has found the log's end
        while not seen.wait(0.05):
            with log.open("a") as file:
                file.write("after\n")

    with running(cluster, "attach", "web", env=SPDY) as process:
        writer = threading.Thread(target=write)
        writer.start()
        try:
            while process.line() != "after":
                pass
        finally:
            seen.set()
            writer.join()
        cluster.call(cluster.store.delete, "Pod", "default", "web")
        assert process.wait() == 0


def upgraded(cluster: Cluster, protocol: str, query: str) -> tuple[ssl.SSLSocket, bytes]:
    """A connection, and what the server answered to the wish to speak SPDY."""
    url = urllib.parse.urlsplit(cluster.url)
    context = ssl._create_unverified_context()  # another test checks the certificate
    connection = context.wrap_socket(socket.create_connection((url.hostname or "", url.port or 0), timeout=20))
    connection.sendall(
        f"POST /api/v1/namespaces/default/pods/web/exec?{query} HTTP/1.1\r\nHost: {url.netloc}\r\n"
        f"Authorization: Bearer {TOKEN}\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
        f"X-Stream-Protocol-Version: {protocol}\r\nContent-Length: 0\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(1)
        assert piece, head
        head += piece
    return connection, head


def test_the_protocol_itself(cluster: Cluster) -> None:
    cluster.run_pod("web")
    connection, head = upgraded(cluster, "v5.channel.k8s.io, v4.channel.k8s.io", "command=cat&stdin=1&stdout=1")
    assert b"101 Switching Protocols" in head
    assert b"X-Stream-Protocol-Version: v4.channel.k8s.io" in head
    encoder, decoder = spdy.Encoder(), spdy.Decoder()
    with connection:
        for number, kind in ((1, "error"), (3, "stdin"), (5, "nonsense"), (7, "stdout")):
            connection.sendall(encoder.encode(spdy.SynStream(number, {"streamtype": kind})))
        connection.sendall(encoder.encode(spdy.Ping(9)) + encoder.encode(spdy.Data(3, b"hello", fin=True)))
        seen: list[spdy.Frame] = []
        while spdy.Data(7, b"", fin=True) not in seen:
            data = connection.recv(65536)
            assert data, seen
            seen += decoder.feed(data)
    assert spdy.Reset(5, spdy.PROTOCOL_ERROR) in seen
    assert spdy.Ping(9) in seen
    assert spdy.Data(7, b"hello") in seen
    assert any(isinstance(frame, spdy.Data) and frame.stream == 1 and b'"Success"' in frame.data for frame in seen)


@pytest.mark.parametrize("protocol", ["channel.k8s.io", "v3.channel.k8s.io"])
def test_older_protocols_are_refused(cluster: Cluster, protocol: str) -> None:
    cluster.run_pod("web")
    connection, head = upgraded(cluster, protocol, "command=id&stdout=1")
    with connection:
        assert b" 403 " in head
