"""Writes a Secret as a manifest to standard output, to be piped into kubectl.

    tools/secret.py auth | aws | emulator [URL] | grafana

A pipe, so that values appear neither in a file nor in a list of arguments that others on the machine can read.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
from collections.abc import Mapping

NAMESPACE = "c756ns"
_BYTES = 48  # of randomness
_SHORTEST = 32  # RFC 7518 3.2: a key for HS256 has at least 256 bits


def manifest(name: str, values: Mapping[str, str], namespace: str = NAMESPACE) -> str:
    """A Secret, by default of the application's namespace, as JSON."""
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return json.dumps(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "data": data}
    )


def auth(environ: Mapping[str, str]) -> dict[str, str]:
    """What c756-auth holds. Raises ValueError for a key that is too short to sign with."""
    values = {}
    for key, variable in (("jwt-secret", "JWT_SECRET"), ("loader-token", "LOADER_TOKEN")):
        values[key] = environ.get(variable) or secrets.token_urlsafe(_BYTES)
        if len(values[key]) < _SHORTEST:
            raise ValueError(f"{variable} in the environment has fewer than {_SHORTEST} characters")
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


def emulator(url: str = "") -> dict[str, str]:
    """What c756-aws holds for an emulator of DynamoDB, at this URL unless its clients know where it is."""
    values = {"AWS_ACCESS_KEY_ID": "emulator", "AWS_SECRET_ACCESS_KEY": "emulator"}
    return {**values, "DYNAMODB_URL": url} if url else values


def grafana() -> dict[str, str]:
    """What grafana-admin holds: the names that cluster/addons/monitoring.yaml gives."""
    return {"admin-user": "admin", "admin-password": secrets.token_urlsafe(_BYTES)}


def main(arguments: list[str]) -> int:
    """Print the Secret that is asked for; nothing if there is nothing to keep. Returns the exit code."""
    try:
        if arguments == ["auth"]:
            print(manifest("c756-auth", auth(os.environ)))
        elif arguments == ["aws"]:
            if values := aws():
                print(manifest("c756-aws", values))
        elif arguments[:1] == ["emulator"] and len(arguments) <= 2:
            print(manifest("c756-aws", emulator(*arguments[1:])))
        elif arguments == ["grafana"]:
            print(manifest("grafana-admin", grafana(), namespace="istio-system"))
        else:
            print("usage: tools/secret.py auth|aws|emulator [URL]|grafana", file=sys.stderr)
            return 2
    except ValueError as error:
        print(f"secret.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
