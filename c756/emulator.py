"""DynamoDB without AWS: the emulator in the current cluster, its tables, and what the datastore has to know of it.

Run again, it changes what differs and makes the tables that are missing.
"""

from __future__ import annotations

import subprocess

from c756 import home, kubectl, secret, tables
from c756.home import Home
from c756.trouble import Trouble


def main() -> int:
    """The exit code. Raises Trouble."""
    before = home.find()
    if before is Home.POCKET:
        print("pocket has its emulator already; make -f k8s.mak dynamodb-init makes its tables")
        return 0
    for command in (("tools/image.sh", "build", "dynamodb"), ("tools/apply.sh", "cluster/dynamodb-emulator.yaml")):
        if code := subprocess.run(command, cwd=kubectl.ROOT).returncode:
            return code
    if home.find() is not Home.EMULATOR:
        raise Trouble("the emulator was applied, and the cluster does not have it: kubectl -n dynamodb get all")
    secret.ensure_emulator_key()  # its pod waits for it
    if code := tables.main("init"):
        return code
    secret.deploy()
    running = kubectl.ask("-n", kubectl.NAMESPACE, "get", "deployment", "cmpt756db", "--ignore-not-found", "-o", "name")
    if running.strip() and before is not Home.EMULATOR:
        print("The datastore runs with what it was started with: make -f k8s.mak rollout-db lets it see the emulator")
    return 0
