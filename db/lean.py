"""DynamoDB's item operations with little work per call: what boto3 does in a GetItem costs as much as all else in db.

The way on which everything goes well is here: botocore's credentials, Signature Version 4, one request, its JSON as it
is. Whatever does not go well is boto3's: a call that was throttled, lost or garbled is handed to its client, which has
the retries, the backoff and the errors. DYNAMODB_CLIENT=boto3 leaves everything to it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import re
import time
import zlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError
from botocore.httpsession import get_cert_path
from botocore.model import Shape
from botocore.parsers import create_parser
from botocore.retries.standard import RetryContext, ThrottledRetryableChecker
from botocore.session import Session

from db.config import DynamoConfig
from servicekit.wire import Answer, Wire, WireError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_CONTENT_TYPE = "application/x-amz-json-1.0"
_CRC32 = re.compile(rb"\r\nx-amz-crc32: *(\d+)", re.IGNORECASE)
# seconds at most before boto3 tries again: its own first delays (botocore.retries.standard.ExponentialBackoff)
BACKOFF = 0.025
THROTTLED_BACKOFF = 1.0


class Signer:
    """AWS Signature Version 4 of DynamoDB's requests: POST to /, of four or five headers.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """

    def __init__(self, host: str, region: str) -> None:
        self._host = host
        self._region = region
        self._key: tuple[tuple[str, str], bytes] = ("", ""), b""

    def headers(self, target: str, body: bytes, credentials: ReadOnlyCredentials, now: float) -> str:
        """The header lines of a request to the operation `target` at `now`, seconds since 1970."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        scope = f"{stamp[:8]}/{self._region}/dynamodb/aws4_request"
        token = f"x-amz-security-token:{credentials.token}\n" if credentials.token else ""
        names = f"content-type;host;x-amz-date;{'x-amz-security-token;' if token else ''}x-amz-target"
        own = f"x-amz-date:{stamp}\n{token}x-amz-target:{target}\n"
        canonical = f"POST\n/\n\ncontent-type:{_CONTENT_TYPE}\nhost:{self._host}\n{own}\n{names}\n{_sha256(body)}"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{_sha256(canonical.encode())}"
        signature = hmac.digest(self._key_of(credentials.secret_key or "", stamp[:8]), text.encode(), "sha256").hex()
        proof = f"Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        lines = f"content-type:{_CONTENT_TYPE}\n{own}authorization:AWS4-HMAC-SHA256 {proof}\n"
        return lines.replace("\n", "\r\n")

    def _key_of(self, secret: str, day: str) -> bytes:
        (made_for, key) = self._key
        if made_for != (secret, day):
            key = f"AWS4{secret}".encode()
            for part in (day, self._region, "dynamodb", "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key = (secret, day), key  # one assignment: threads see both or neither
        return key


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class LeanDynamo:
    """The operations of boto3's client that `Store` uses, with the same arguments, answers and errors.

    Binary values stay in base64. `client` is the boto3 client that helps out, made from `session`.
    """

    def __init__(self, config: DynamoConfig, client: DynamoDBClient, session: Session) -> None:
        self._client = client
        self._credentials = session.get_credentials()  # they renew themselves
        url = client.meta.endpoint_url
        timeouts = config.connect_timeout, config.read_timeout
        # Servers are verified against what boto3 would take.
        authorities = session.get_config_variable("ca_bundle") or get_cert_path(True)
        self._wire = Wire(url, *timeouts, config.pool_size, proxies=not config.endpoint, ca_file=authorities)
        self._signer = Signer(self._wire.host, client.meta.region_name)
        self._parser = create_parser("json")
        self._throttled = ThrottledRetryableChecker()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """get_item and the others, of which each has its name in capitals on the wire: GetItem."""
        return partial(self._call, "".join(map(str.capitalize, name.split("_"))), getattr(self._client, name))

    def _call(self, operation: str, boto3_call: Callable[..., Any], **request: Any) -> Any:
        answer = self._try(operation, request)
        return boto3_call(**request) if answer is None else answer

    def _try(self, operation: str, request: dict[str, Any]) -> dict[str, Any] | None:
        """The answer; None where boto3 is to try it. Raises ClientError where another try would fail as well."""
        if self._credentials is None:
            return None
        body = json.dumps(request).encode()
        target = f"DynamoDB_20120810.{operation}"
        headers = self._signer.headers(target, body, self._credentials.get_frozen_credentials(), time.time())
        try:
            answer = self._wire.call("POST", "/", headers, body)
            if answer.status == 200:
                return _checked(answer)
        except (WireError, ValueError):
            time.sleep(random.random() * BACKOFF)  # noqa: S311  not a secret
            return None
        # Without a shape: no error of DynamoDB's has fields that we read.
        parsed = self._parser.parse(
            {"status_code": answer.status, "headers": {}, "body": answer.body}, cast(Shape, None)
        )
        throttled = self._throttled.is_retryable(RetryContext(1, parsed_response=parsed))
        if not throttled and answer.status < 500:
            raise ClientError(parsed, operation)
        time.sleep(random.random() * (THROTTLED_BACKOFF if throttled else BACKOFF))  # noqa: S311
        return None


def _checked(answer: Answer) -> dict[str, Any]:
    """What `answer` says; raises ValueError where it is not what was sent (DynamoDB's checksum) or not JSON."""
    checksum = _CRC32.search(answer.head)
    if checksum and int(checksum[1]) != zlib.crc32(answer.body):
        raise ValueError("the checksum is wrong")
    content: dict[str, Any] = json.loads(answer.body)
    return content
