"""The Secrets of the application, made at deploy time. No value is ever written to a file or put on a command line.

c756-auth       the key that signs tokens and the loader's credential: JWT_SECRET and LOADER_TOKEN from the
                environment, else random. Made once and then left alone, so that tokens stay valid; c756.rotation
                changes the key.
c756-aws        what the datastore signs its requests to DynamoDB with: from the usual AWS sources (environment,
                profile, role). Brought up to date each time; absent where there are no credentials, or where the
                datastore has a role of its own (DB_ROLE in config.mak, EKS), which its service account is told here.
                Of an emulator its own key, and the address of the one in the cluster.
dynamodb-key    that key, in the emulator's namespace: made once. Pocket's emulator has its key from pocket.
grafana-admin   the password of Grafana's administrator, for tools/addons.py
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
from collections.abc import Mapping

from c756 import home, kubectl
from c756.home import EMULATOR_IN_CLUSTER, Home
from c756.kubectl import NAMESPACE
from c756.trouble import Trouble

_BYTES = 48  # of randomness
_SHORTEST = 32  # RFC 7518 3.2: a key for HS256 has at least 256 bits


def manifest(name: str, values: Mapping[str, str], namespace: str = NAMESPACE) -> str:
    """A Secret, by default of the application's namespace, as JSON."""
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return json.dumps(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "data": data}
    )


def auth(environ: Mapping[str, str]) -> dict[str, str]:
    """What c756-auth holds. Raises Trouble for a key that is too short to sign with."""
    values = {}
    for key, variable in (("jwt-secret", "JWT_SECRET"), ("loader-token", "LOADER_TOKEN")):
        values[key] = environ.get(variable) or secrets.token_urlsafe(_BYTES)
        if len(values[key]) < _SHORTEST:
            raise Trouble(f"{variable} in the environment has fewer than {_SHORTEST} characters")
    return values


def aws() -> dict[str, str]:
    """What c756-aws holds: the credentials that boto3 finds, empty if it finds none."""
    import boto3

    found = boto3.Session().get_credentials()
    if found is None:
        return {}
    frozen = found.get_frozen_credentials()
    values = {
        "AWS_ACCESS_KEY_ID": frozen.access_key,
        "AWS_SECRET_ACCESS_KEY": frozen.secret_key,
        "AWS_SESSION_TOKEN": frozen.token,
    }
    return {key: value for key, value in values.items() if value}


def emulator() -> dict[str, str]:
    """What c756-aws holds for the emulator in the cluster. Raises Trouble where that has no key."""
    return {**home.key(), "DYNAMODB_URL": EMULATOR_IN_CLUSTER}


def pocket() -> dict[str, str]:
    """What c756-aws holds for pocket's emulator: its clients know where it is. Raises Trouble."""
    return {name: value for name, value in home.pockets().items() if name in home.KEY}


def ensure_emulator_key() -> None:
    """Make the key of the emulator in the cluster, where there is none. Raises Trouble."""
    found = kubectl.ask("-n", home.NAMESPACE, "get", "secret", home.KEY_SECRET, "-o", "name", "--ignore-not-found")
    if not found.strip():
        values = dict(zip(home.KEY, ("emulator", secrets.token_urlsafe(_BYTES)), strict=True))
        piped = manifest(home.KEY_SECRET, values, home.NAMESPACE)
        print(kubectl.ask("create", "-f", "-", piped=piped), end="")


def grafana() -> dict[str, str]:
    """What grafana-admin holds: the names that cluster/addons/monitoring.yaml gives."""
    return {"admin-user": "admin", "admin-password": secrets.token_urlsafe(_BYTES)}


def deploy() -> None:
    """Makes what is missing in the current cluster, and brings the rest up to date. Raises Trouble."""
    where = home.find()
    if not kubectl.ask("-n", NAMESPACE, "get", "secret", "c756-auth", "-o", "name", "--ignore-not-found").strip():
        print(kubectl.ask("create", "-f", "-", piped=manifest("c756-auth", auth(os.environ))), end="")
    role = os.environ.get("DB_ROLE")
    if role and where is Home.AWS:
        _give_role(role)
        return
    values = {Home.POCKET: pocket, Home.EMULATOR: emulator, Home.AWS: aws}[where]()
    if values:
        kubectl.ask("apply", "--server-side", "--force-conflicts", "-f", "-", piped=manifest("c756-aws", values))
    else:
        print(
            "no AWS credentials found: the datastore needs a role of its own (DB_ROLE in config.mak, on EKS), or run "
            "this again with AWS_PROFILE set; without an AWS account: make -f k8s.mak emulator"
        )


def _give_role(role: str) -> None:
    """https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html"""
    if subprocess.run(("tools/apply.sh", "cluster/service-accounts.yaml"), cwd=kubectl.ROOT).returncode != 0:
        raise Trouble("the datastore has no service account (see above)")
    annotation = f"eks.amazonaws.com/role-arn={role}"
    annotate = ("annotate", "--overwrite", "serviceaccount", "cmpt756db", annotation)
    print(kubectl.ask("-n", NAMESPACE, *annotate), end="")
    # Keys would be preferred to the role.
    print(kubectl.ask("-n", NAMESPACE, "delete", "secret", "c756-aws", "--ignore-not-found"), end="")
