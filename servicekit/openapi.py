"""The OpenAPI document of a service: the file openapi.json beside its app.py, served at PREFIX/openapi.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify

_EXTENSION = "servicekit.openapi"


def load(app_file: str) -> dict[str, Any]:
    """The document beside `app_file` (a module's `__file__`)."""
    document: dict[str, Any] = json.loads(Path(app_file).with_name("openapi.json").read_text("utf-8"))
    return document


def document_of(app: Flask) -> dict[str, Any]:
    """The document that `app` serves; whoever changes the app changes it too."""
    document: dict[str, Any] = app.extensions[_EXTENSION]
    return document


def install(app: Flask, prefix: str, document: dict[str, Any]) -> None:
    """Serves `document` under `prefix`."""
    app.extensions[_EXTENSION] = document

    def openapi() -> Response:
        return jsonify(document)

    app.add_url_rule(f"{prefix}/openapi.json", "openapi", openapi)
