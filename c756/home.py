"""Where the DynamoDB tables of the current cluster are: the question before anything is made or deleted there.

AWS is an answer, never a default: it is given only where a cluster has answered that it has no emulator.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from queue import Empty, SimpleQueue
from threading import Thread

from c756 import kubectl
from c756.trouble import Trouble

NAMESPACE, KEY_SECRET = "dynamodb", "dynamodb-key"
EMULATOR_IN_CLUSTER = "http://dynamodb.dynamodb:8000"
"""cluster/dynamodb-emulator.yaml, as pods see it."""
KEY = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
"""The variables in which clients of AWS look for what they sign with."""
_FORWARDING = re.compile(r"Forwarding from (127\.0\.0\.1:[0-9]+) ")
_PATIENCE = 60.0  # seconds


class Home(Enum):
    """Whose DynamoDB it is."""

    POCKET = "pocket"
    """The emulator that pocket runs beside its cluster."""
    EMULATOR = "emulator"
    """An emulator in the cluster (make -f k8s.mak emulator)."""
    AWS = "aws"


def find() -> Home:
    """Raises Trouble where there is no context, or no cluster that answers: nothing may be touched then."""
    if kubectl.context() == kubectl.POCKET:
        return Home.POCKET
    found = kubectl.ask("-n", "dynamodb", "get", "service", "dynamodb", "--ignore-not-found", "-o", "name")
    return Home.EMULATOR if found.strip() else Home.AWS


@contextmanager
def way(home: Home) -> Iterator[dict[str, str]]:
    """The environment by which this machine reaches the tables, for as long as the context lasts; at AWS: its own.

    Raises Trouble where an emulator cannot be reached.
    """
    if home is Home.POCKET:
        yield pockets()
    elif home is Home.EMULATOR:
        with _forwarded() as url:
            yield {**key(), "DYNAMODB_URL": url}
    else:
        # What this is in the environment belongs to another cluster.
        yield {"DYNAMODB_URL": ""}


def key() -> dict[str, str]:
    """What the emulator in the cluster wants requests to be signed with. Raises Trouble."""
    text = kubectl.ask("-n", NAMESPACE, "get", "secret", KEY_SECRET, "--ignore-not-found", "-o", "json")
    if not text.strip():
        raise Trouble("the emulator in the cluster has no key yet", "Bring it up to date: make -f k8s.mak emulator")
    return {name: base64.b64decode(json.loads(text)["data"][name]).decode() for name in KEY}


def pockets() -> dict[str, str]:
    """Where pocket's emulator is, and its key. Raises Trouble."""
    done = subprocess.run(
        [sys.executable, "-m", "pocket", "env"], cwd=kubectl.ROOT, text=True, capture_output=True, check=False
    )
    found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    wanted = ("DYNAMODB_URL", *KEY)
    if done.returncode != 0 or not found.keys() >= set(wanted):
        raise Trouble(f"pocket does not say where its emulator is: {done.stderr.strip()}")
    return {name: found[name] for name in wanted}


@contextmanager
def _forwarded() -> Iterator[str]:
    limit = f"--timeout={os.environ.get('WAIT') or 180}s"
    kubectl.ask("-n", "dynamodb", "rollout", "status", "deployment/dynamodb", limit)
    command = ("kubectl", "-n", "dynamodb", "port-forward", "service/dynamodb", ":8000")
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE) as forwarding:
        try:
            yield f"http://{_listens(forwarding)}"
        finally:
            forwarding.terminate()


def _listens(forwarding: subprocess.Popen[str]) -> str:
    """kubectl says where it listens once it does, or ends with its reason on standard error."""
    lines: SimpleQueue[str] = SimpleQueue()

    def pass_on() -> None:
        # To the end: kubectl says a line for each connection, and must never wait for a reader.
        for line in forwarding.stdout or ():
            lines.put(line)
        lines.put("")

    Thread(target=pass_on, daemon=True).start()
    with suppress(Empty):
        while line := lines.get(timeout=_PATIENCE):
            if found := _FORWARDING.match(line):
                return found[1]
    raise Trouble("kubectl port-forward does not reach the emulator", "See: kubectl -n dynamodb get pods")
