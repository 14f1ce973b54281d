"""The DynamoDB tables of the current cluster: `python -m c756 tables init|clean|list`.

What they are and how they are made is db/tables.py's; here it is decided where. Deleting them at AWS asks first.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from c756 import home, kubectl, question
from c756.home import Home
from c756.trouble import Trouble

ACTIONS = ("init", "clean", "list")


def main(action: str) -> int:
    """Does it where the tables are; the exit code. Raises Trouble where nobody knows where that is."""
    where = home.find()
    env = {**os.environ, "AWS_REGION": _set("REGION"), "TABLE_SUFFIX": _set("TABLE_SUFFIX")}
    if action == "clean" and where is Home.AWS and not _confirmed(env):
        print("nothing was deleted", file=sys.stderr)
        return 2
    with home.way(where) as found:
        env |= found
        # Whoever types dynamodb-clean means an emulator's tables; those at AWS were asked for.
        words = [action, "--yes"] if action == "clean" else [action]
        return subprocess.run([sys.executable, "-m", "db.tables", *words], cwd=kubectl.ROOT, env=env).returncode


def _set(name: str) -> str:
    if not os.environ.get(name):
        raise Trouble(f"{name} is not set", "It stands in config.mak: call this through make -f k8s.mak")
    return os.environ[name]


def _confirmed(env: Mapping[str, str]) -> bool:
    from db.objtypes import OBJTYPES

    names = ", ".join(kind.table(env["TABLE_SUFFIX"]) for kind in OBJTYPES.values())
    print(f"AWS account {account(env['AWS_REGION'])}, region {env['AWS_REGION']}: tables {names}", flush=True)
    return question.confirmed("Delete them, with all that they contain?", env)


def account(region: str) -> str:
    """Whose tables they are. Raises Trouble where AWS does not say: then nothing is deleted."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return str(boto3.session.Session().client("sts", region_name=region).get_caller_identity()["Account"])
    except (BotoCoreError, ClientError) as error:
        raise Trouble(
            f"AWS does not say whose account this is: {error}", "Log in: aws configure, or aws sso login"
        ) from error
