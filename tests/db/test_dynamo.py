from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError

from db.dynamo import dynamo_errors
from servicekit.errors import ServiceError

CODES = {
    "ConditionalCheckFailedException": 404,
    "ResourceNotFoundException": 503,
    "ProvisionedThroughputExceededException": 503,
    "ThrottlingException": 503,
    "InternalServerError": 503,
    "503": 503,
    "AccessDeniedException": 503,
    "ExpiredTokenException": 503,
    "UnrecognizedClientException": 503,
    "ValidationException": 400,
    "SerializationException": 502,
    "": 502,
}


def status(error: Exception) -> int:
    with pytest.raises(ServiceError) as raised, dynamo_errors("Music-x"):
        raise error
    return raised.value.status


@pytest.mark.parametrize("code", CODES)
def test_status_of_each_code(code: str) -> None:
    assert status(ClientError({"Error": {"Code": code, "Message": "m"}}, "GetItem")) == CODES[code]


@pytest.mark.parametrize(
    "message",
    ["Item size has exceeded the maximum allowed size", "Item size to update has exceeded the maximum allowed size"],
)
def test_too_large_items_are_413(message: str) -> None:
    assert status(ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "PutItem")) == 413


def test_the_way_to_dynamodb() -> None:
    assert status(EndpointConnectionError(endpoint_url="http://x")) == 503
    assert status(ReadTimeoutError(endpoint_url="http://x")) == 504
    assert status(NoCredentialsError()) == 503


def test_other_errors_are_not_hidden() -> None:
    with pytest.raises(KeyError), dynamo_errors("Music-x"):
        raise KeyError("a mistake of ours")
