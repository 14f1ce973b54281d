"""The syntax of names, labels and annotations
(https://kubernetes.io/docs/concepts/overview/working-with-objects/names/)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pocket.objects import FieldError

_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_LABEL_1035 = re.compile(r"^[a-z]([-a-z0-9]*[a-z0-9])?\Z")
_QUALIFIED = re.compile(r"^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]\Z")
_ENVIRONMENT = re.compile(r"^[!-<>-~][ -<>-~]*\Z")
_CONFIG_KEY = re.compile(r"^[-._a-zA-Z0-9]+\Z")
_PORT_NAME = re.compile(r"^(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")

_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_QUALIFIED_TEXT = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


def invalid(path: str, value: object, why: str) -> FieldError:
    """The real server's form: `Invalid value: "x": why`."""
    return FieldError(path, f"Invalid value: {_shown(value)}: {why}")


def required(path: str, why: str = "") -> FieldError:
    return FieldError(path, f"Required value: {why}" if why else "Required value")


def duplicate(path: str, value: object) -> FieldError:
    return FieldError(path, f"Duplicate value: {_shown(value)}")


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def unsupported(path: str, value: object, supported: tuple[str, ...]) -> FieldError:
    listed = ", ".join(f'"{entry}"' for entry in supported)
    return FieldError(path, f'Unsupported value: "{value}": supported values: {listed}')


def label_1123(path: str, value: str) -> list[FieldError]:
    """At most 63 of `a-z0-9-`: namespaces, containers, ports."""
    if len(value) > 63:
        return [invalid(path, value, "must be no more than 63 characters")]
    return [] if _LABEL.match(value) else [invalid(path, value, _LABEL_TEXT)]


def label_1035(path: str, value: str) -> list[FieldError]:
    """As label_1123, beginning with a letter: Services."""
    if len(value) > 63:
        return [invalid(path, value, "must be no more than 63 characters")]
    return [] if _LABEL_1035.match(value) else [invalid(path, value, _LABEL_1035_TEXT)]


def subdomain(path: str, value: str) -> list[FieldError]:
    """At most 253, labels joined by dots: most kinds."""
    if len(value) > 253:
        return [invalid(path, value, "must be no more than 253 characters")]
    return [] if _SUBDOMAIN.match(value) else [invalid(path, value, _SUBDOMAIN_TEXT)]


def port_name(path: str, value: str) -> list[FieldError]:
    """IANA service name: at most 15 of `a-z0-9-`, with a letter."""
    if len(value) > 15:
        return [invalid(path, value, "must be no more than 15 characters")]
    why = "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-), and at least one letter (a-z)"
    return [] if _PORT_NAME.match(value) else [invalid(path, value, why)]


def qualified(path: str, key: str) -> list[FieldError]:
    """The key of a label or an annotation: an optional DNS prefix and a name."""
    prefix, slash, name = key.rpartition("/")
    if slash and (not _SUBDOMAIN.match(prefix) or len(prefix) > 253):
        return [invalid(path, key, f"prefix part {_SUBDOMAIN_TEXT}")]
    if not name:
        return [invalid(path, key, "name part must be non-empty")]
    if len(name) > 63:
        return [invalid(path, key, "name part must be no more than 63 characters")]
    return [] if _QUALIFIED.match(name) else [invalid(path, key, f"name part {_QUALIFIED_TEXT}")]


def label_entries(path: str, entries: Mapping[str, str] | None) -> list[FieldError]:
    """Keys and values of a set of labels."""
    found = []
    for key, value in (entries or {}).items():
        found += qualified(path, key)
        if len(value) > 63:
            found.append(invalid(path, value, "must be no more than 63 characters"))
        elif value and not _QUALIFIED.match(value):
            found.append(invalid(path, value, _VALUE_TEXT))
    return found


def annotation_entries(path: str, entries: Mapping[str, str] | None) -> list[FieldError]:
    """Keys of annotations, and their size together (256 KiB)."""
    found = [error for key in entries or {} for error in qualified(path, key.lower())]
    size = sum(len(key.encode()) + len(value.encode()) for key, value in (entries or {}).items())
    if size > 256 * 1024:
        found.append(FieldError(path, f"Too long: may not be more than {256 * 1024} bytes"))
    return found


def descending_path(path: str, value: str) -> list[FieldError]:
    """A relative path without `..` (validateLocalDescendingPath)."""
    found = [invalid(path, value, "must be a relative path")] if value.startswith("/") else []
    return found + ([invalid(path, value, "must not contain '..'")] if ".." in value.split("/") else [])


def local_path(path: str, value: str) -> list[FieldError]:
    """As descending_path, and no name that a volume keeps for itself (ValidateLocalNonReservedPath)."""
    found = descending_path(path, value)
    if value.startswith("..") and not value.startswith("../"):
        found.append(invalid(path, value, "must not start with '..'"))
    return found


def is_environment_name(name: str) -> bool:
    return bool(_ENVIRONMENT.match(name))


def is_config_key(key: str) -> bool:
    """A key of a Secret or a ConfigMap."""
    return bool(_CONFIG_KEY.match(key)) and len(key) <= 253 and key not in (".", "..") and not key.startswith("..")


def config_keys(data: Mapping[str, object], path: str) -> list[FieldError]:
    """The keys of a Secret or a ConfigMap."""
    why = (
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
        "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
    )
    return [invalid(f"{path}[{key}]", key, why) for key in data if not is_config_key(key)]
