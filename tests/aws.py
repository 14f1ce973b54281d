"""A stand-in for AWS: STS and DynamoDB, as far as tables are asked for, made and deleted; it notes every call.

With the states of kubectl in which nobody knows which cluster is meant: then AWS is not touched.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ACCOUNT = "123456789012"
IDENTITY = f"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::{ACCOUNT}:user/u</Arn><UserId>u</UserId><Account>{ACCOUNT}</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>"""

KUBECONFIG = """apiVersion: v1
kind: Config
current-context: {current}
contexts: [{{name: aws756, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: "https://127.0.0.1:9"}}}}]
users: [{{name: u, user: {{token: t}}}}]
"""
BROKEN = {
    "no context": (KUBECONFIG.format(current='""'), "kubectl has no current context"),
    "no kubeconfig": (None, "kubectl has no current context"),
    "unreachable": (KUBECONFIG.format(current="aws756"), 'the cluster of context "aws756" cannot be asked'),
    "unknown context": (KUBECONFIG.format(current="gone"), 'the cluster of context "gone" cannot be asked'),
    "malformed": ("current-context: [\n", "kubectl cannot read its kubeconfig"),
}
"""What kubectl may be set to that leads to no cluster: the kubeconfig, none if None, and what is said of it."""


@dataclass
class Aws:
    """Answers for STS and DynamoDB; every call is noted by its operation."""

    url: str = ""
    calls: list[str] = field(default_factory=list)
    logged_in: bool = True
    tables: dict[str, str] = field(default_factory=dict)

    def answer(self, operation: str, body: bytes) -> tuple[int, str]:
        self.calls.append(operation)
        if "GetCallerIdentity" in operation:
            return (200, IDENTITY) if self.logged_in else (403, "<ErrorResponse/>")
        name = json.loads(body).get("TableName", "")
        if operation == "DeleteTable":
            self.tables.pop(name)
        elif operation == "ListTables":
            return 200, json.dumps({"TableNames": sorted(self.tables)})
        if name in self.tables:
            return 200, json.dumps({"Table": {"TableName": name, "TableStatus": self.tables[name]}})
        if operation == "DeleteTable":
            return 200, "{}"
        return 400, json.dumps({"__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"})


@contextmanager
def serving() -> Iterator[Aws]:
    """It listens as long as the context lasts."""
    made = Aws(tables={"Music-someone": "ACTIVE", "User-someone": "ACTIVE", "Music-other": "ACTIVE"})

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            target = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
            status, text = made.answer(target or body.decode(), body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield made
    server.shutdown()
    server.server_close()
