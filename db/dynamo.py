"""DynamoDB: a client with a pool, timeouts and bounded retries, and what its errors mean for our callers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, NoCredentialsError, ReadTimeoutError
from botocore.session import Session

from db.config import DynamoConfig
from db.lean import LeanDynamo
from servicekit.errors import ServiceError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_BUSY = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "RequestLimitExceeded",
        "LimitExceededException",
        "ServiceUnavailable",
        "InternalServerError",
        "InternalFailure",
    }
)
_NOT_ALLOWED = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
    }
)


def item_client(config: DynamoConfig) -> LeanDynamo | DynamoDBClient:
    """A client for the operations on items: the lean one, unless boto3 is asked for or there is to be one try only."""
    if config.client == "boto3" or config.attempts == 1:
        return new_client(config)
    session = Session()
    return LeanDynamo(config, new_client(replace(config, attempts=config.attempts - 1), session), session)


def new_client(config: DynamoConfig, session: Session | None = None) -> DynamoDBClient:
    """A client for AWS, or for the emulator at `config.endpoint`."""
    # A session of its own: boto3's module-level one is shared by everybody.
    client: DynamoDBClient = boto3.session.Session(botocore_session=session or Session()).client(
        "dynamodb",
        region_name=config.region,
        endpoint_url=config.endpoint or None,
        config=Config(
            connect_timeout=config.connect_timeout,
            read_timeout=config.read_timeout,
            max_pool_connections=config.pool_size,
            retries={"mode": "standard", "total_max_attempts": config.attempts},
            parameter_validation=False,  # the values are checked before they come here
            tcp_keepalive=True,
            # The emulator stands on this machine's loopback: a sidecar's HTTP proxy must not come between.
            proxies={} if config.endpoint else None,
        ),
    )
    return client


@contextmanager
def dynamo_errors(table: str) -> Iterator[None]:
    """Turns boto3's errors into ServiceErrors: the cause and, where there is one, the cure."""
    try:
        yield
    except ClientError as error:
        raise _client_error(error, table) from error
    except (ReadTimeoutError, ConnectTimeoutError) as error:
        raise ServiceError(504, "DynamoDB did not answer in time") from error
    except NoCredentialsError as error:
        raise ServiceError(503, "no AWS credentials: fill the Secret c756-aws") from error
    except BotoCoreError as error:  # no connection, or an answer that is not DynamoDB's
        raise ServiceError(503, f"DynamoDB is not available: {type(error).__name__}") from error


def _client_error(error: ClientError, table: str) -> ServiceError:
    code = error.response.get("Error", {}).get("Code", "")
    message = error.response.get("Error", {}).get("Message", "")
    if code == "ConditionalCheckFailedException":
        return ServiceError(404, "no such item")
    if code == "ResourceNotFoundException":
        return ServiceError(503, f"there is no table {table}: make it with `make -f k8s.mak dynamodb-init`")
    if code in _BUSY or re.fullmatch(r"5\d\d", code):
        return ServiceError(503, f"DynamoDB is not available: {code}")
    if code in _NOT_ALLOWED:
        return ServiceError(503, f"DynamoDB refuses our credentials: {code}")
    if code == "ItemCollectionSizeLimitExceededException" or re.search("item size", message, re.IGNORECASE):
        return ServiceError(413, f"the item is too large for DynamoDB (400 KB): {message}")
    if code == "ValidationException":
        return ServiceError(400, f"DynamoDB refuses the item: {message}")
    return ServiceError(502, f"DynamoDB failed: {code}")
