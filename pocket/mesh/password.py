"""The way out of a pod is its own: who comes without its password, another user of the machine say, is sent away.

The kubelet gives the password to the pod's containers in `http_proxy`, and clients send it as they do to any proxy
(RFC 9110 section 11.7). It goes no further than here.
"""

from __future__ import annotations

import base64
from typing import Any

from pocket.mesh.model import Resource
from pocket.mesh.names import typed

HEADER = "proxy-authorization"
STATUS = 407
USER = "pod"

_TEXT = "this way out belongs to a pod, whose containers have its password in http_proxy\n"


def filters(password: str) -> list[Resource]:
    """The HTTP filters that ask for a password; none where it is empty."""
    if not password:
        return []
    credential = base64.b64encode(f"{USER}:{password}".encode()).decode()
    bearer = {"header": {"name": HEADER, "string_match": {"exact": f"Basic {credential}"}}}
    policies = {"password": {"permissions": [{"any": True}], "principals": [bearer]}}
    config = typed("envoy.extensions.filters.http.rbac.v3.RBAC", rules={"action": "ALLOW", "policies": policies})
    return [{"name": "envoy.filters.http.rbac", "typed_config": config}]


def challenge(password: str) -> dict[str, Any]:
    """The fields of a connection manager that make of that filter's 403 what a proxy says."""
    if not password:
        return {}
    refused = {
        "name": "envoy.access_loggers.extension_filters.cel",
        "typed_config": typed(
            "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
            expression="response.code_details.startsWith('rbac_access_denied')",
        ),
    }
    mapper = {
        "filter": {"extension_filter": refused},
        "status_code": STATUS,
        "body": {"inline_string": _TEXT},
        "headers_to_add": [{"header": {"key": "proxy-authenticate", "value": f'Basic realm="{USER}"'}}],
    }
    return {"local_reply_config": {"mappers": [mapper]}}
