"""What MutatingWebhookConfiguration and ValidatingWebhookConfiguration share: defaults, rules and columns.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from datetime import datetime
from urllib.parse import urlsplit

from pocket.api.names import duplicate, invalid, qualified, required, subdomain, unsupported
from pocket.kinds.columns import AGE, NAME, Column
from pocket.objects import FieldError, Obj
from pocket.schemas import cel

OPERATIONS = ("*", "CREATE", "UPDATE", "DELETE", "CONNECT")
VARIABLES = ("object", "oldObject", "request")
"""What a match condition knows. There is no `authorizer` here."""


def fill_defaults(configuration: Obj) -> None:
    """pkg/apis/admissionregistration/v1/defaults.go"""
    for hook in configuration.get("webhooks") or ():
        hook.setdefault("failurePolicy", "Fail")
        hook.setdefault("matchPolicy", "Equivalent")
        hook.setdefault("namespaceSelector", {})
        hook.setdefault("objectSelector", {})
        hook.setdefault("timeoutSeconds", 10)
        if configuration["kind"] == "MutatingWebhookConfiguration":
            hook.setdefault("reinvocationPolicy", "Never")
        for rule in hook.get("rules") or ():
            rule.setdefault("scope", "*")
        if service := (hook.get("clientConfig") or {}).get("service"):
            service.setdefault("port", 443)


def rules(configuration: Obj) -> list[FieldError]:
    """What is wrong with one."""
    found: list[FieldError] = []
    names: set[str] = set()
    for index, hook in enumerate(configuration.get("webhooks") or ()):
        path, name = f"webhooks[{index}]", str(hook.get("name") or "")
        found += subdomain(f"{path}.name", name)
        if len(name.split(".")) < 3:
            found.append(
                invalid(f"{path}.name", name, "should be a domain with at least three segments separated by dots")
            )
        if name in names:
            found.append(duplicate(f"{path}.name", name))
        names.add(name)
        found += _hook(hook, path)
    return found


def _hook(hook: Obj, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    for field, values in (
        ("failurePolicy", ("Fail", "Ignore")), ("matchPolicy", ("Equivalent", "Exact")),
        ("sideEffects", ("None", "NoneOnDryRun")), ("reinvocationPolicy", ("IfNeeded", "Never")),
    ):  # fmt: skip
        if hook.get(field) is None and field == "sideEffects":
            found.append(required(f"{path}.{field}", "must specify one of None, NoneOnDryRun"))
        elif hook.get(field) is not None and hook[field] not in values:
            found.append(unsupported(f"{path}.{field}", hook[field], values))
    if not 1 <= hook["timeoutSeconds"] <= 30:
        found.append(
            invalid(
                f"{path}.timeoutSeconds", hook["timeoutSeconds"], "the timeout value must be between 1 and 30 seconds"
            )
        )
    versions = hook.get("admissionReviewVersions") or []
    if "v1" not in versions:
        why = "must include at least one of v1" if versions else "must specify one of v1"
        found.append(invalid(f"{path}.admissionReviewVersions", versions, why))
    for index, rule in enumerate(hook.get("rules") or ()):
        here = f"{path}.rules[{index}]"
        for field in ("operations", "apiGroups", "apiVersions", "resources"):
            if not rule.get(field):
                found.append(required(f"{here}.{field}"))
        for place, operation in enumerate(rule.get("operations") or ()):
            if operation not in OPERATIONS:
                found.append(unsupported(f"{here}.operations[{place}]", operation, OPERATIONS))
    found += _client(hook.get("clientConfig") or {}, f"{path}.clientConfig")
    for index, condition in enumerate(hook.get("matchConditions") or ()):
        here = f"{path}.matchConditions[{index}]"
        found += qualified(f"{here}.name", str(condition.get("name") or ""))
        if why := cel.syntax(str(condition.get("expression") or "")):
            found.append(invalid(f"{here}.expression", condition.get("expression"), f"compilation failed: {why}"))
    return found


def _client(client: Obj, path: str) -> list[FieldError]:
    if ("url" in client) == ("service" in client):
        return [required(path, "exactly one of url or service is required")]
    found: list[FieldError] = []
    try:
        base64.b64decode(client.get("caBundle") or "", validate=True)
    except binascii.Error:
        found.append(invalid(f"{path}.caBundle", client["caBundle"], "must be base64"))
    if "url" in client:
        url = urlsplit(str(client["url"]))
        if url.scheme != "https":
            found.append(invalid(f"{path}.url", client["url"], "'https' is the only allowed URL scheme"))
        elif not _is_loopback(url.hostname or ""):
            why = "not supported by pocket: it calls webhooks on this machine only (localhost, 127.0.0.1)"
            found.append(FieldError(f"{path}.url", why))
    else:
        for field in ("name", "namespace"):
            if not client["service"].get(field):
                found.append(required(f"{path}.service.{field}", f"service {field} is required"))
    return found


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _count(configuration: Obj, _: datetime) -> int:
    return len(configuration.get("webhooks") or ())


COLUMNS = (NAME, Column("Webhooks", _count, type="integer"), AGE)
