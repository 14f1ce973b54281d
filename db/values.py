"""JSON values to DynamoDB's typed values and back. Pure.

Attribute names and values are data: names go to DynamoDB as placeholders, values as typed values, never as text.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from servicekit.errors import ServiceError

MAX_ATTRIBUTES = 100  # keeps an update far below DynamoDB's 4 KB of expression
MAX_NAME = 255  # characters
MAX_DEPTH = 30  # DynamoDB takes 32 levels
# DynamoDB keeps 38 digits, from 1E-130 to 1E+126. Within these two bounds every integer and every float fits.
MAX_NUMBER = 10**37
MIN_NUMBER = 1e-100

Item = dict[str, Any]


def attributes(body: Mapping[str, Any]) -> dict[str, Item]:
    """The attributes in `body`, typed; raises ServiceError 400."""
    if not 1 <= len(body) <= MAX_ATTRIBUTES:
        raise ServiceError(400, f"there must be 1 to {MAX_ATTRIBUTES} attributes, there are {len(body)}")
    if not all(1 <= len(name) <= MAX_NAME for name in body):
        raise ServiceError(400, f"an attribute's name must have 1 to {MAX_NAME} characters")
    return {name: to_dynamo(value, name) for name, value in body.items()}


def to_dynamo(value: Any, name: str, depth: int = 0) -> Item:
    """`value` as DynamoDB's typed value; raises ServiceError 400 naming the attribute `name`.

    Example: `to_dynamo({"a": [1, None]}, "x")` gives `{"M": {"a": {"L": [{"N": "1"}, {"NULL": True}]}}}`.
    """
    if depth > MAX_DEPTH:
        raise ServiceError(400, f"attribute {name!r} is nested too deeply")
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int() | float():
            return {"N": _number(value, name)}
        case list():
            return {"L": [to_dynamo(v, name, depth + 1) for v in value]}
        case dict():
            return {"M": {k: to_dynamo(v, name, depth + 1) for k, v in value.items()}}
    raise ServiceError(400, f"attribute {name!r} is not a JSON value")


def _number(value: float, name: str) -> str:
    if value and not MIN_NUMBER <= abs(value) <= MAX_NUMBER:  # neither is NaN within them
        raise ServiceError(400, f"attribute {name!r} is a number beyond what is kept: 0, or from 1E-100 to 1E+37")
    return str(Decimal(str(value)))


def from_dynamo(value: Item) -> Any:
    """The JSON value of a typed value. Sets become lists, binary values stay in base64.

    Example: `from_dynamo({"N": "1.50"})` gives 1.5.
    """
    (kind, inner), *_ = value.items()
    match kind:
        case "NULL":
            return None
        case "N":
            return _from_number(inner)
        case "L":
            return [from_dynamo(v) for v in inner]
        case "M":
            return {k: from_dynamo(v) for k, v in inner.items()}
        case "NS":
            return [_from_number(n) for n in inner]
        case "B":
            return _base64(inner)
        case "BS":
            return [_base64(b) for b in inner]
    return inner  # S, BOOL, SS


def _from_number(text: str) -> int | float:
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else float(number)


def _base64(raw: bytes | str) -> str:
    return raw if isinstance(raw, str) else base64.b64encode(raw).decode("ascii")  # boto3 decodes it, db.lean does not


def item_from_dynamo(item: Mapping[str, Any]) -> dict[str, Any]:
    """A whole item as a JSON object."""
    return {name: from_dynamo(value) for name, value in item.items()}
