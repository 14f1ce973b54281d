"""Where the DynamoDB tables of the current cluster are: the question before anything is made or deleted there.

AWS is an answer, never a default: it is given only where a cluster has answered that it has no emulator.
"""

from __future__ import annotations

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

EMULATOR_IN_CLUSTER = "http://dynamodb.dynamodb:8000"
"""cluster/dynamodb-emulator.yaml, as pods see it."""
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
def way(home: Home) -> Iterator[str]:
    """The URL under which this machine reaches the tables, for as long as the context lasts; empty at AWS.

    Raises Trouble where an emulator cannot be reached.
    """
    if home is Home.POCKET:
        yield _pockets()
    elif home is Home.EMULATOR:
        with _forwarded() as url:
            yield url
    else:
        yield ""


def _pockets() -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pocket", "env"], cwd=kubectl.ROOT, text=True, capture_output=True, check=False
    )
    found = re.search(r"^DYNAMODB_URL=(\S+)$", done.stdout, re.MULTILINE)
    if done.returncode != 0 or found is None:
        raise Trouble(f"pocket does not say where its emulator is: {done.stderr.strip() or done.stdout}")
    return found[1]


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
