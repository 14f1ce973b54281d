"""Tokens of ServiceAccounts: signed statements of who somebody is (RFC 7519), as Kubernetes' TokenRequest issues them.

https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
The key lies beside the API server's certificate, readable by its owner alone.
"""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from pocket.files import write_private

AUDIENCE = ISSUER = "https://kubernetes.default.svc.cluster.local"
LONG = 365 * 24 * 3600
"""Seconds that the token in a pod holds: a year, as a real API server extends those that nobody renews."""

_HALF = 32  # bytes of each of the two numbers of a signature (RFC 7518, 3.4)


class TokenError(Exception):
    """The token is none of ours, or no longer good."""


@dataclass(frozen=True)
class Claims:
    """What a token says."""

    namespace: str
    account: str
    uid: str  # of the ServiceAccount
    audiences: tuple[str, ...]
    expires: int  # seconds since 1970
    pod: tuple[str, str] | None = None  # name and uid of the pod that it was made for


class Tokens:
    """Makes and reads them; `path` is the key, made first if it is not there or damaged: its tokens are worth nothing
    then, and pods have new ones when they are restarted."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        key = _key(path)
        if key is None:
            key = ec.generate_private_key(ec.SECP256R1())
            pem = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            write_private(path, pem)
        self._key = key

    def issue(
        self,
        account: dict[str, Any],
        seconds: int,
        audiences: Sequence[str] = (AUDIENCE,),
        pod: tuple[str, str] | None = None,
    ) -> tuple[str, int]:
        """A token for the ServiceAccount, and when it ends (seconds since 1970)."""
        meta, begin = account["metadata"], int(self._clock())
        about: dict[str, Any] = {
            "namespace": meta["namespace"],
            "serviceaccount": {"name": meta["name"], "uid": meta["uid"]},
        }
        if pod is not None:
            about["pod"] = {"name": pod[0], "uid": pod[1]}
        claims = {
            "aud": list(audiences), "exp": begin + seconds, "iat": begin, "nbf": begin, "iss": ISSUER,
            "jti": str(uuid.uuid4()), "sub": f"system:serviceaccount:{meta['namespace']}:{meta['name']}",
            "kubernetes.io": about,
        }  # fmt: skip
        head = {"alg": "ES256", "typ": "JWT"}
        text = f"{_pack(json.dumps(head).encode())}.{_pack(json.dumps(claims).encode())}"
        r, s = decode_dss_signature(self._key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_pack(r.to_bytes(_HALF) + s.to_bytes(_HALF))}", begin + seconds

    def read(self, token: str) -> Claims:
        """What it says. Raises TokenError."""
        try:
            signed, _, signature = token.rpartition(".")
            raw = _unpack(signature)
            pair = encode_dss_signature(int.from_bytes(raw[:_HALF]), int.from_bytes(raw[_HALF:]))
            self._key.public_key().verify(pair, signed.encode(), ec.ECDSA(hashes.SHA256()))
            claims = json.loads(_unpack(signed.partition(".")[2]))
            about = claims["kubernetes.io"]
            pod = about.get("pod")
            found = Claims(
                about["namespace"], about["serviceaccount"]["name"], about["serviceaccount"]["uid"],
                tuple(claims["aud"]), int(claims["exp"]), (pod["name"], pod["uid"]) if pod else None,
            )  # fmt: skip
        except (InvalidSignature, ValueError, KeyError, TypeError, AttributeError) as error:
            raise TokenError("the token is none that this API server has signed") from error
        if found.expires <= self._clock():
            raise TokenError("the token has expired")
        return found


def _pack(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unpack(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _key(path: Path) -> ec.EllipticCurvePrivateKey | None:
    """The key in that file; None where there is none that could be used."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None
