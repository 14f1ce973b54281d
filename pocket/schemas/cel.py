"""The rules of a structural schema (`x-kubernetes-validations`), in CEL.

https://kubernetes.io/docs/reference/using-api/cel/

The language is the library's (common-expression-language, in Rust: a third of a millisecond for a rule, where
cel-python takes twenty and compiles for seconds); here are Kubernetes' own functions, and which values a rule sees.
A rule with something that the library does not know is passed over, and the log says so.
"""

from __future__ import annotations

import functools
import importlib.util
import ipaddress
import logging
import re
import sys
import threading
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from pocket.objects import FieldError, Obj
from pocket.schemas.model import Json

_LOADING = threading.Lock()
_LOG = logging.getLogger(__name__)
_RULES = "x-kubernetes-validations"
_UNKNOWN = ("Undefined variable or function", "unsupported", "Unsupported", "No such overload", "no such overload")


def check(obj: Obj, old: Obj | None, schema: Json) -> list[FieldError]:
    """What the rules refuse in a new object, or in the change of an old one."""
    found: list[FieldError] = []
    _walk(obj, old, schema, "", found)
    return found


def _walk(value: Any, old: Any, schema: Json, path: str, found: list[FieldError]) -> None:
    if not _has_rules(schema):
        return
    for rule in schema.get(_RULES) or ():
        if error := _broken(rule, value, old, path):
            found.append(error)
    if isinstance(value, dict):
        properties, others = schema.get("properties") or {}, schema.get("additionalProperties")
        before = old if isinstance(old, dict) else {}
        for name, entry in value.items():
            if name in properties:
                _walk(entry, before.get(name), properties[name], f"{path}.{name}" if path else name, found)
            elif isinstance(others, Mapping):
                _walk(entry, before.get(name), others, f"{path}[{name}]", found)
    elif isinstance(value, list) and "items" in schema:
        keys = schema.get("x-kubernetes-list-map-keys") or ()
        for index, entry in enumerate(value):
            _walk(entry, _same(old, entry, keys), schema["items"], f"{path}[{index}]", found)


def _same(old: Any, entry: Any, keys: Sequence[str]) -> Any:
    """The element of the old list that this one was: only lists with keys can tell."""
    if not keys or not isinstance(old, list) or not isinstance(entry, dict):
        return None
    return next((other for other in old if all(other.get(key) == entry.get(key) for key in keys)), None)


def _has_rules(schema: Json) -> bool:
    known = schema.get(_MARK)
    if known is None:
        below = [*(schema.get("properties") or {}).values(), schema.get("items"), schema.get("additionalProperties")]
        known = _RULES in schema or any(_has_rules(entry) for entry in below if isinstance(entry, dict))
        if isinstance(schema, dict):
            schema[_MARK] = known  # the schema is the catalog's own copy
    return bool(known)


_MARK = "x-pocket-has-rules"


def _broken(rule: Json, value: Any, old: Any, path: str) -> FieldError | None:
    text = str(rule["rule"])
    if "oldSelf" in text and old is None and not rule.get("optionalOldSelf"):
        return None  # a rule about a change
    program = _program(text)
    if program is None:
        return None
    try:
        holds = program({"self": value, "oldSelf": old})
    except Exception as error:
        if any(sign in str(error) for sign in _UNKNOWN):
            _LOG.warning("a rule of a schema is passed over (%s): %s", str(error).split("\n")[0], text)
            return None
        return FieldError(_place(path, rule), f"Invalid value: {_shown(value)}: rule evaluation error: {error}")
    if holds is not False:
        return None
    message = str(rule.get("message") or f"failed rule: {' '.join(text.split())}").strip()
    if expression := rule.get("messageExpression"):
        told = _program(str(expression))
        try:
            message = str(told({"self": value, "oldSelf": old})) if told else message
        except Exception as error:
            _LOG.warning("the message of a rule cannot be made (%s): %s", error, expression)
    match rule.get("reason"):
        case "FieldValueForbidden":
            return FieldError(_place(path, rule), f"Forbidden: {message}")
        case "FieldValueRequired":
            return FieldError(_place(path, rule), f"Required value: {message}")
        case "FieldValueDuplicate":
            return FieldError(_place(path, rule), f"Duplicate value: {_shown(value)}: {message}")
    return FieldError(_place(path, rule), f"Invalid value: {_shown(value)}: {message}")


def _place(path: str, rule: Json) -> str:
    return f"{path}{rule.get('fieldPath', '')}".lstrip(".")


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return '"object"'
    if isinstance(value, list):
        return '"array"'
    return f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def problems(schema: Json, path: str, *, embedded: bool = True) -> list[FieldError]:
    """The rules in a schema that are no CEL, or name a field that it does not have.

    `embedded`: it is that of a whole object, whose `apiVersion`, `kind` and `metadata` need no mention.
    """
    found = []
    embedded = embedded or bool(schema.get("x-kubernetes-embedded-resource"))
    for index, rule in enumerate(schema.get(_RULES) or ()):
        text = str(rule.get("rule", ""))
        if why := syntax(text) or _undefined(text, schema, embedded):
            here = f"{path}.{_RULES}[{index}].rule"
            found.append(FieldError(here, f'Invalid value: "{rule.get("rule", "")}": compilation failed: {why}'))
    for name, below in (schema.get("properties") or {}).items():
        found += problems(below, f"{path}.properties[{name}]", embedded=False)
    for field in ("items", "additionalProperties"):
        if isinstance(schema.get(field), dict):
            found += problems(schema[field], f"{path}.{field}", embedded=False)
    return found


_QUOTED = re.compile(r"""[rR]?("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')""")
_SELECTION = re.compile(r"(?<![\w.])(?:self|oldSelf)((?:\.\w+\b(?!\s*\())+)")


def _undefined(text: str, schema: Json, embedded: bool) -> str:
    """What is wrong with the fields that a rule selects from `self`, as far as the schema names fields."""
    for match in _SELECTION.finditer(_QUOTED.sub("''", text)):
        place: Json = schema
        for name in match.group(1).split(".")[1:]:
            known = place.get("properties")
            if not known or "__" in name or place.get("x-kubernetes-preserve-unknown-fields"):
                break  # a map, a name in its escaped form, or more than is named
            if embedded and place is schema and name in ("apiVersion", "kind", "metadata"):
                break
            if name not in known:
                return f"undefined field '{name}'"
            place = known[name]
    return ""


# -- the library -------------------------------------------------------------------------------------------------------


def _library() -> Any:
    """The compiled part of the package, the same for all threads; None where it is not installed."""
    with _LOADING:
        return _loaded()


@functools.cache
def _loaded() -> Any:
    """The compiled part of the package alone: the rest of it is a program for the command line, of 25 MB.

    None where it is not installed: then no rule is looked at. It can be loaded once only, and Envoy's messages import
    `cel.expr`, which another package puts into the same folder: so it has its own name, and the folder is a package
    without the program.
    """
    if "cel.cel" in sys.modules:
        return sys.modules["cel.cel"]
    package = importlib.util.find_spec("cel")
    for folder in package.submodule_search_locations or () if package else ():
        for suffix in EXTENSION_SUFFIXES:
            path = Path(folder) / f"cel{suffix}"
            if path.exists():
                loader = ExtensionFileLoader("cel.cel", str(path))
                spec = importlib.util.spec_from_file_location("cel.cel", path, loader=loader)
                if package is not None and spec is not None and spec.loader is not None:
                    bare = ModuleType("cel")
                    bare.__path__ = list(package.submodule_search_locations or ())
                    bare.__spec__ = package
                    sys.modules.setdefault("cel", bare)
                    module = importlib.util.module_from_spec(spec)
                    sys.modules["cel.cel"] = module
                    spec.loader.exec_module(module)
                    return module
    _LOG.error("common-expression-language is not installed: rules of schemas are not looked at. Run `make setup`.")
    return None


def evaluate(text: str, variables: dict[str, Any]) -> Any:
    """What an expression is. Raises ValueError where it cannot be read, and what the library raises for the rest."""
    program = _program(text)
    if program is None:
        raise ValueError(f"cannot be read: {text}")
    return program(variables)


def syntax(text: str) -> str:
    """Why a rule cannot be read; "" if it can."""
    library = _library()
    if library is None or ".?" in text or "[?" in text:
        return ""
    try:
        library.compile(text)
    except ValueError as error:
        return str(error)
    return ""


@functools.lru_cache(maxsize=1024)
def _program(text: str) -> Callable[[dict[str, Any]], Any] | None:
    """What a rule says of its variables; None for one that cannot be read."""
    library = _library()
    if library is None:
        return None
    try:
        compiled = library.compile(text)
    except ValueError as error:
        _LOG.warning("a rule of a schema is passed over (%s): %s", str(error).split("\n")[0], text)
        return None

    def run(variables: dict[str, Any]) -> Any:
        return compiled.execute(library.Context(variables=variables, functions=FUNCTIONS))

    return run


def _url(text: str) -> str:
    if not urllib.parse.urlsplit(text).scheme and not text.startswith("/"):
        raise ValueError(f"URL parse error during conversion from string: {text}")
    return text


def _is_url(text: str) -> bool:
    parts = urllib.parse.urlsplit(text)
    return bool(parts.scheme and parts.netloc) or text.startswith("/")


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_cidr(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text


def _find(text: str, pattern: str) -> str:
    match = re.search(pattern, text)
    return match.group() if match else ""


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "url": _url,
    "isURL": _is_url,
    "getScheme": lambda text: urllib.parse.urlsplit(text).scheme,
    "getHost": lambda text: urllib.parse.urlsplit(text).netloc.rpartition("@")[2],
    "getHostname": lambda text: urllib.parse.urlsplit(text).hostname or "",
    "getPort": lambda text: str(urllib.parse.urlsplit(text).port or ""),
    "getEscapedPath": lambda text: urllib.parse.urlsplit(text).path,
    "isIP": _is_ip,
    "isCIDR": _is_cidr,
    "split": lambda text, separator, *limit: text.split(separator, *(count - 1 for count in limit)),
    "find": _find,
    "findAll": lambda text, pattern, *_: re.findall(pattern, text),
    "lowerAscii": str.lower,
    "upperAscii": str.upper,
    "trim": str.strip,
    "replace": lambda text, old, new, *count: text.replace(old, new, *count),
    "substring": lambda text, start, *end: text[start : end[0] if end else None],
    "indexOf": lambda text, part: (
        text.find(part) if isinstance(text, str) else (text.index(part) if part in text else -1)
    ),
    "lastIndexOf": lambda text, part: text.rfind(part),
    "join": lambda parts, *separator: (separator[0] if separator else "").join(parts),
    "isSorted": lambda entries: list(entries) == sorted(entries),
    "sum": sum,
}
"""Kubernetes' own functions (https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-cel-libraries)."""
