"""Small things that the handlers share: JSON answers, query parameters, content negotiation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web

from pocket.api import errors
from pocket.api.registry import WriteOptions
from pocket.objects import Obj

TRUE = ("1", "t", "T", "true", "TRUE", "True")
FALSE = ("0", "f", "F", "false", "FALSE", "False", "")


def encode(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def answer(value: Any, status: int = 200, warnings: Iterable[str] = ()) -> web.Response:
    """A JSON response, with its warnings as headers (RFC 7234, 5.5: kubectl prints them)."""
    response = web.Response(body=encode(value), status=status, content_type="application/json")
    for warning in dict.fromkeys(warnings):
        response.headers.add("Warning", f'299 - "{_quoted(warning)}"')
    return response


def _quoted(text: str) -> str:
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return printable.replace("\\", "\\\\").replace('"', '\\"')


def flag(request: web.Request, name: str) -> bool:
    """A boolean query parameter. Raises ApiError 400."""
    value = request.query.get(name, "")
    if value in TRUE:
        return True
    if value in FALSE:
        return False
    raise errors.bad_request(f'the query parameter {name} must be true or false, not "{value}"')


def number(request: web.Request, name: str) -> int | None:
    """A whole number not below zero among the query parameters; None if it is absent. Raises ApiError 400."""
    value = request.query.get(name)
    if value is None or value == "":
        return None
    if not value.isascii() or not value.isdigit() or len(value) > 18:
        raise errors.bad_request(f'the query parameter {name} must be a whole number not below 0, not "{value}"')
    return int(value)


_GO_DURATION = re.compile(r"[+-]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)")


def refuse_timeout(request: web.Request) -> None:
    """Raises ApiError 400 where the time that the client gives the request is none."""
    value = request.query.get("timeout")
    if value and not _GO_DURATION.fullmatch(value):
        why = f'invalid timeout specified in the request URL - time: invalid duration "{value}"'
        raise errors.bad_request(why)


def dry_run(values: Iterable[str]) -> bool:
    """`dryRun=All`, and nothing else. Raises ApiError 400."""
    given = [value for value in values if value]
    if any(value != "All" for value in given):
        raise errors.bad_request(f'dryRun: Unsupported value: "{given[0]}": supported values: "All"')
    return bool(given)


def write_options(request: web.Request) -> WriteOptions:
    """Dry run, field manager, field validation, force. Raises ApiError 400."""
    validation = request.query.get("fieldValidation") or "Warn"
    if validation not in ("Strict", "Warn", "Ignore"):
        raise errors.bad_request(
            f'fieldValidation: Unsupported value: "{validation}": supported values: "Ignore", "Strict", "Warn"'
        )
    strictness: Literal["Strict", "Warn", "Ignore"] = validation  # type: ignore[assignment]
    # Without a name the client is called by the first word of its User-Agent, as the real server does.
    agent = request.headers.get("User-Agent", "").partition("/")[0] or "unknown"
    return WriteOptions(
        dry_run=dry_run(request.query.getall("dryRun", [])),
        manager=(request.query.get("fieldManager") or agent)[:128],
        validation=strictness,
        force=flag(request, "force"),
    )


@dataclass(frozen=True)
class Accept:
    """What the client wants to read."""

    form: Literal["json", "table", "partial", "discovery"] = "json"
    version: str = "v1"  # of the form: tables are the same in v1beta1, which old clients ask for


def accept(request: web.Request) -> Accept:
    """The first form in the Accept header that we can give; JSON if it names none.

    `application/json;as=Table;v=v1;g=meta.k8s.io, application/json`
    (https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables)
    """
    for entry in request.headers.get("Accept", "").split(","):
        media, *parameters = (part.strip() for part in entry.split(";"))
        if media not in _JSON:
            continue
        values = dict(part.partition("=")[::2] for part in parameters)
        match values.get("as"), values.get("v"):
            case None, _:
                return Accept()
            case "Table", ("v1" | "v1beta1") as version:
                return Accept("table", version)
            case ("PartialObjectMetadata" | "PartialObjectMetadataList"), "v1":
                return Accept("partial")
            case "APIGroupDiscoveryList", "v2":
                return Accept("discovery")
    return Accept()


def refuse_unreadable(request: web.Request) -> None:
    """Raises ApiError 406 where the client reads none of what is given here: JSON."""
    asked = [entry.partition(";")[0].strip() for entry in request.headers.get("Accept", "").split(",")]
    if any(asked) and not set(asked) & set(_JSON):
        message = "only the following media types are accepted: application/json"
        raise errors.ApiError(406, "NotAcceptable", message)


_JSON = ("application/json", "*/*", "application/*")


def status_of(error: Exception) -> Obj:
    """A Status for what nobody expected."""
    return errors.ApiError(500, "InternalError", f"Internal error occurred: {type(error).__name__}: {error}").status()
