"""What schemathesis is told beside the documents (SCHEMATHESIS_HOOKS)."""

from __future__ import annotations

from typing import Any

import schemathesis

# A path that stands in the document by itself goes before one with a parameter (OpenAPI, "Path Templating"), so
# these are no ids. schemathesis takes what it has seen, these words among it, for ids all the same.
_PATHS = frozenset(("health", "readiness", "openapi.json", "login", "logoff"))


@schemathesis.hook
def filter_path_parameters(context: schemathesis.HookContext, path_parameters: dict[str, Any] | None) -> bool:
    del context
    return not _PATHS.intersection(map(str, (path_parameters or {}).values()))
