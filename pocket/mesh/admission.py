"""May an object of the mesh come in? Strict as a real API server, and honest about what pocket does not do.

`check` knows the object alone: its fields (supported.py) and their rules (rules.py). `warnings` looks at the cluster.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

from pocket.mesh.authorization import CONDITIONS
from pocket.mesh.names import seconds
from pocket.mesh.regexes import re2_error
from pocket.mesh.routes import GRPC_STATUS
from pocket.mesh.rules import HEADER_NAME, RULES, is_address
from pocket.mesh.supported import PROTOCOLS, SPECS, Field
from pocket.mesh.telemetry import PEER_HEADER
from pocket.mesh.warn import warnings
from pocket.objects import FieldError, Obj, kind_of

__all__ = ["check", "warnings"]

_JSON_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object", list: "array"}

_LABEL = r"[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?"
_HOST = re.compile(rf"(?:\*|\*-?{_LABEL}|{_LABEL})(?:\.{_LABEL})*\.?")
_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?")
_SUBSET = re.compile(r"[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?")
_PROMETHEUS = re.compile(r"0|(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")

_STATUS_CODES = frozenset(status.value for status in HTTPStatus)

RETRY_ON = frozenset(
    (
        "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "envoy-ratelimited",
        "retriable-4xx", "refused-stream", "retriable-status-codes", "retriable-headers", "http3-post-connect-failure",
        "cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable",
    )
)  # fmt: skip
"""Envoy's retry conditions for HTTP and gRPC; numbers are status codes."""


def check(obj: Obj) -> list[FieldError]:
    """Everything that is wrong with an object of one of the kinds in SPECS; none means it may come in.

    An unknown field has the message `unknown field`; the rules between fields are looked at only when every field is
    right for itself.
    """
    spec = SPECS[kind_of(obj)]
    if "spec" not in obj:
        return [FieldError("spec", "Required value")]
    errors = list(_walk(obj["spec"], spec, "spec"))
    return errors or list(RULES[kind_of(obj)](obj))


def _walk(value: Any, field: Field, path: str) -> Iterator[FieldError]:
    if field.status == "refused":
        yield FieldError(path, f"not supported by pocket: {field.note}")
    elif field.many:
        if not isinstance(value, list):
            yield _type_error(value, "array", path)
            return
        if field.required and not value:
            yield FieldError(path, "Required value: it must not be empty")
        one = Field(**{**field.__dict__, "many": False})
        for index, item in enumerate(value):
            yield from _walk(item, one, f"{path}[{index}]")
    elif field.type in ("object", "map"):
        yield from _walk_object(value, field, path)
    else:
        yield from _leaf(value, field, path)


def _walk_object(value: Any, field: Field, path: str) -> Iterator[FieldError]:
    if not isinstance(value, dict):
        yield _type_error(value, "object", path)
        return
    if field.type == "map":
        assert field.values is not None  # noqa: S101 - supported.py gives every map its values
        for key, item in value.items():
            yield from _walk(item, field.values, f"{path}[{key}]")
        return
    for key, item in value.items():
        known = field.fields.get(key)
        if known is None:
            yield FieldError(f"{path}.{key}", "unknown field")
        elif item is not None:
            yield from _walk(item, known, f"{path}.{key}")
    for key, known in field.fields.items():
        if known.required and value.get(key) is None:
            yield FieldError(f"{path}.{key}", "Required value")


def _leaf(value: Any, field: Field, path: str) -> Iterator[FieldError]:
    fits: dict[str, Callable[[Any], bool]] = {
        "string": lambda v: isinstance(v, str),
        "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
        "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
        "boolean": lambda v: isinstance(v, bool),
        "any": lambda _: True,
    }
    if not fits[field.type](value):
        yield _type_error(value, field.type, path)
        return
    if field.enum and value not in field.enum:
        allowed = ", ".join(f'"{one}"' for one in field.enum if one not in field.refused_values)
        yield FieldError(path, f'Unsupported value: "{value}": supported values: {allowed}')
    elif value in field.refused_values if isinstance(value, str) else False:
        yield FieldError(path, f'not supported by pocket: "{value}": {field.refused_values[value]}')
    if field.type in ("integer", "number"):
        if field.low is not None and value < field.low:
            yield _invalid(value, f"must be greater than or equal to {field.low:g}", path)
        elif field.high is not None and value > field.high:
            yield _invalid(value, f"must be less than or equal to {field.high:g}", path)
    if field.format and (problem := FORMATS[field.format](value)):
        yield _invalid(value, problem, path)


def _type_error(value: Any, wanted: str, path: str) -> FieldError:
    found = _JSON_TYPES.get(type(value), "null")
    return FieldError(path, f'Invalid value: "{found}": {path} in body must be of type {wanted}: "{found}"')


def _invalid(value: Any, problem: str, path: str) -> FieldError:
    shown = f'"{value}"' if isinstance(value, str) else value
    return FieldError(path, f"Invalid value: {shown}: {problem}")


# -- formats ----------------------------------------------------------------------------------------------------------
# Each takes a value of the right type and says what is wrong with it, or None.


def _duration(value: str) -> str | None:
    try:
        length = seconds(value)
    except ValueError:
        return "must be a duration such as 10s, 1.5s, 100ms or 1h30m"
    return None if length >= 0.001 else "must be at least 1ms"


def _duration_or_zero(value: str) -> str | None:
    return None if value in ("0", "0s") else _duration(value)


def _prometheus_duration(value: str) -> str | None:
    good = value and _PROMETHEUS.fullmatch(value)
    return None if good else "must be a Prometheus duration such as 30s, 1m or 1m30s"


def _host(value: str) -> str | None:
    if is_address(value):
        return None
    if not _HOST.fullmatch(value) or len(value) > 255:
        return "must be a host name such as reviews, reviews.prod.svc.cluster.local or *.example.com"
    return None


def _gateway_host(value: str) -> str | None:
    namespace, slash, host = value.rpartition("/")
    if slash and namespace not in ("*", ".") and not _NAME.fullmatch(namespace):
        return 'the part before "/" must be a namespace, "." or "*"'
    return _host(host)


def _gateway(value: str) -> str | None:
    namespace, slash, name = value.rpartition("/")
    if not _NAME.fullmatch(name) or (slash and namespace != "." and not _NAME.fullmatch(namespace)):
        return 'must be "mesh", the name of a Gateway, or NAMESPACE/NAME'
    return None


def _export(value: str) -> str | None:
    if value in ("*", ".", "~") or _NAME.fullmatch(value):
        return None
    return 'must be "*", "." or the name of a namespace'


def _address(value: str) -> str | None:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        return "must be an IP address or a range such as 10.0.0.0/24"
    return None


def _endpoint_address(value: str) -> str | None:
    if value.startswith("unix://"):
        return "not supported by pocket: Unix sockets as endpoints"
    return None if is_address(value) or ("*" not in value and not _host(value)) else "must be an IP address or a host"


def _header_name(value: str) -> str | None:
    if value.lower() == PEER_HEADER:
        return "pocket's sidecars use this header between themselves"
    if value.startswith(":") or value.lower() == "host":
        return "this header cannot be removed"
    return None if HEADER_NAME.fullmatch(value) else "must be the name of an HTTP header"


def _header_value(value: str) -> str | None:
    """Envoy reads `%NAME%` and `%NAME(ARGUMENT)%` as commands and `%%` as a per cent sign."""
    rest = re.sub(r"%[^%(]*(?:\([^)]*\) *)?%", "", value.replace("%%", ""))
    if "%" in rest:
        return 'a per cent sign must be doubled ("%%"), or enclose a command of Envoy such as %REQ(:path)%'
    return "must not contain control characters" if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value) else None


def _retry_on(value: str) -> str | None:
    for part in value.split(",") if value else ():
        if not (part in RETRY_ON or (part.isdigit() and int(part) in _STATUS_CODES)):
            return f'"{part}" is neither a retry condition of Envoy nor a status code'
    return None


def _grpc_status(value: str) -> str | None:
    return None if value in GRPC_STATUS else f"must be one of {', '.join(GRPC_STATUS)}"


def _label(value: str) -> str | None:
    return None if _SUBSET.fullmatch(value) else "must be letters, digits and dashes, at most 63"


def _base64(value: str) -> str | None:
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return "must be base64"
    return None


def _protocol(value: str) -> str | None:
    return None if value.upper() in PROTOCOLS else f"must be one of {', '.join(PROTOCOLS)}"


def _prime(value: int) -> str | None:
    divisors = range(2, int(value**0.5) + 1)
    return None if value > 1 and all(value % divisor for divisor in divisors) else "must be a prime number"


def _int_or_string(value: Any) -> str | None:
    good = isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536)
    return None if good else "must be a port number or the name of a port"


def _pattern(value: str) -> str | None:
    if not value:
        return "must not be empty"
    return 'may have "*" at one end only, or be "*"' if "*" in value.strip("*") or value.count("*") > 1 else None


def _path_pattern(value: str) -> str | None:
    if "{" not in value and "}" not in value:
        return _pattern(value)
    parts = value.split("/")
    good = value.startswith("/") and all(
        part in ("{*}", "{**}") or not set(part) & set("{}*") for part in parts
    ) and parts.count("{**}") <= 1
    after = "{**}" in parts and "{*}" in parts[parts.index("{**}") :]
    return None if good and not after else "{*} and one {**}, the last of them, stand for whole parts of a path"


def _policy_port(value: str) -> str | None:
    return None if value.isdigit() and 1 <= int(value) <= 65535 else "must be a port between 1 and 65535"


def _condition(value: str) -> str | None:
    known = any(value == one or ("[" in one and value.startswith(one) and value.endswith("]")) for one in CONDITIONS)
    return None if known else f"must be one of {', '.join(one.replace('[', '[...]') for one in CONDITIONS)}"


FORMATS: dict[str, Callable[[Any], str | None]] = {
    "duration": _duration,
    "duration-or-zero": _duration_or_zero,
    "prometheus-duration": _prometheus_duration,
    "host": _host,
    "gateway-host": _gateway_host,
    "gateway": _gateway,
    "export": _export,
    "address": _address,
    "endpoint-address": _endpoint_address,
    "header-name": _header_name,
    "header-value": _header_value,
    "retry-on": _retry_on,
    "grpc-status": _grpc_status,
    "label": _label,
    "base64": _base64,
    "protocol": _protocol,
    "prime": _prime,
    "int-or-string": _int_or_string,
    "regex": re2_error,
    "pattern": _pattern,
    "path-pattern": _path_pattern,
    "port": _policy_port,
    "condition": _condition,
}
"""What a `Field.format` means."""
