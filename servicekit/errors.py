"""Errors as JSON: `{"error": "what is wrong"}` with the right status, and never a stack trace."""

from __future__ import annotations

import logging

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

log = logging.getLogger("servicekit")


class ServiceError(Exception):
    """A request that fails, with the status that the client gets.

    Example: `raise ServiceError(404, "no song 'x'")`.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def error_response(status: int, message: str) -> Response:
    """The one shape of every error."""
    response = jsonify({"error": message})
    response.status_code = status
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"  # RFC 9110 section 11.6.1 asks for it
    return response


def install(app: Flask) -> None:
    """Makes `app` answer every error, expected or not, in that shape."""

    @app.errorhandler(ServiceError)
    def known(error: ServiceError) -> Response:
        return error_response(error.status, error.message)

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        status = error.code or 500
        response = error_response(status, _http_message(error, app.config["MAX_CONTENT_LENGTH"]))
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return response

    @app.errorhandler(Exception)
    def unknown(error: Exception) -> Response:
        log.error("unexpected error", exc_info=error)
        return error_response(500, "unexpected error in this service; its log has the details under this request id")


def _http_message(error: HTTPException, max_bytes: int) -> str:
    if isinstance(error, RequestEntityTooLarge):
        return f"the body is larger than {max_bytes} bytes"
    if error.code == 404:
        return "no such path"
    if error.code == 405:
        return "this path does not take this method; the Allow header lists those it takes"
    return error.description or error.name
