"""Bodies and parameters: requests' are read strictly, and refused with the name of the field that is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, NoReturn

from flask import Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from servicekit.errors import ServiceError

MAX_TEXT = 1024  # characters in one field of a user or a song
MAX_ID = 255  # characters; ids made here are UUIDs (36), DynamoDB's own limit is 2048 bytes
_VISIBLE = re.compile(r"[^ \t\n\r\f\v]")  # the OpenAPI documents say the same


def json_object() -> dict[str, Any]:
    """The JSON object in the body of this request.

    Raises ServiceError: 415 where it is not declared as JSON, 413 where it is too large, 400 where it is not one JSON
    object (NaN, Infinity, repeated keys and lone surrogates are not JSON either).
    """
    if request.mimetype != "application/json" and not re.fullmatch(r"application/[\w.+-]+\+json", request.mimetype):
        raise ServiceError(415, "the body must be JSON: send Content-Type: application/json")
    value = parse_object(_raw_body())
    if not isinstance(value, dict):
        raise ServiceError(400, "the body must be a JSON object")
    return value


def json_response(content: bytes) -> Response:
    """JSON that is written already, as the answer to this request."""
    return Response(content, mimetype="application/json")


def _raw_body() -> bytes:
    try:
        raw = request.get_data(cache=False)
        # werkzeug cuts a body that comes in chunks at MAX_CONTENT_LENGTH and says nothing: is there more?
        cut = request.content_length is None and len(raw) == request.max_content_length
        if cut and request.environ["wsgi.input"].read(1):
            raise RequestEntityTooLarge
        return raw
    except RequestEntityTooLarge:
        raise
    except Exception as error:  # gunicorn's parser reports broken chunks here, with types of its own
        raise ServiceError(400, "the body could not be read: its chunks or its length are wrong") from error


def parse_object(raw: bytes) -> Any:
    """`raw` as JSON; raises ServiceError 400 with the reason."""
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_unique_keys)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise ServiceError(400, "the body is nested too deeply") from None
    except UnicodeEncodeError:
        raise ServiceError(400, "the body contains half a surrogate pair, which is not a character") from None
    except UnicodeDecodeError:
        raise ServiceError(400, "the body is not UTF-8") from None
    except ValueError as error:  # JSONDecodeError, _refuse_constant, _unique_keys, an int of over 4300 digits
        raise ServiceError(400, f"the body is not valid JSON: {error}") from None
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return result


def text_fields(body: dict[str, Any], names: Iterable[str]) -> dict[str, str]:
    """The fields `names` of `body`: strings with at least one visible character. Other fields are left out.

    Raises ServiceError 400 naming every field that is missing or wrong.
    """
    problems = [problem for name in names if (problem := _text_problem(body, name))]
    if problems:
        raise ServiceError(400, "; ".join(problems))
    return {name: body[name] for name in names}


def _text_problem(body: dict[str, Any], name: str) -> str:
    if name not in body:
        return f"missing field {name!r}"
    value = body[name]
    if not isinstance(value, str):
        return f"field {name!r} must be a string"
    if not _VISIBLE.search(value):
        return f"field {name!r} must not be blank"
    if len(value) > MAX_TEXT:
        return f"field {name!r} has more than {MAX_TEXT} characters"
    return ""


def identifier(value: str, what: str) -> str:
    """`value` where it can be an id; raises ServiceError 400 otherwise."""
    if not value or len(value) > MAX_ID:
        raise ServiceError(400, f"{what} must have 1 to {MAX_ID} characters")
    return value


def argument(name: str, default: str | None = None) -> str:
    """The query parameter `name`; raises ServiceError 400 where it is missing without default, empty or repeated."""
    values = request.args.getlist(name)
    if not values and default is not None:
        return default
    if len(values) != 1 or not values[0]:
        raise ServiceError(400, f"query parameter {name!r} must be given once, and not empty")
    return values[0]


def integer_argument(name: str, default: int, low: int, high: int) -> int:
    """The whole number in query parameter `name`, from `low` to `high`; raises ServiceError 400."""
    raw = argument(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", raw) or not low <= int(raw) <= high:
        raise ServiceError(400, f"query parameter {name!r} must be a whole number from {low} to {high}")
    return int(raw)
