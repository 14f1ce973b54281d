"""What the API says when it refuses: `Status` objects with the real API server's reasons and wording."""

from __future__ import annotations

from collections.abc import Sequence

from pocket.objects import FieldError, Kind, Obj


class ApiError(Exception):
    """A refusal that goes to the client as a `Status` object."""

    def __init__(self, code: int, reason: str, message: str, details: Obj | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def status(self) -> Obj:
        """The `Status` object (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/)."""
        status: Obj = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        if self.details is not None:
            status["details"] = self.details
        return status


def resource_name(kind: Kind) -> str:
    """`pods`, `deployments.apps`: how messages name a resource."""
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural


def kind_name(kind: Kind) -> str:
    """`Pod`, `Deployment.apps`: how messages name a kind."""
    return f"{kind.name}.{kind.group}" if kind.group else kind.name


def _details(kind: Kind, name: str) -> Obj:
    details: Obj = {"name": name, "kind": kind.plural}
    if kind.group:
        details["group"] = kind.group
    return details


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(kind: Kind, name: str, why: str) -> ApiError:
    return ApiError(403, "Forbidden", f'{resource_name(kind)} "{name}" is forbidden: {why}', _details(kind, name))


def page_not_found() -> ApiError:
    """For a path that names no resource that pocket serves."""
    # kubectl debug looks into the details of a 404 without asking whether there are any.
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def not_found(kind: Kind, name: str) -> ApiError:
    return ApiError(404, "NotFound", f'{resource_name(kind)} "{name}" not found', _details(kind, name))


def method_not_allowed(what: str = "the server does not allow this method on the requested resource") -> ApiError:
    return ApiError(405, "MethodNotAllowed", what)


def already_exists(kind: Kind, name: str) -> ApiError:
    return ApiError(409, "AlreadyExists", f'{resource_name(kind)} "{name}" already exists', _details(kind, name))


def conflict(kind: Kind, name: str, why: str = "") -> ApiError:
    why = why or (
        "the object has been modified; please apply your changes to the latest version and try again"
    )
    message = f'Operation cannot be fulfilled on {resource_name(kind)} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(kind, name))


def expired(message: str) -> ApiError:
    return ApiError(410, "Expired", message)


def unsupported_media_type(message: str) -> ApiError:
    return ApiError(415, "UnsupportedMediaType", message)


def invalid(kind: Kind, name: str, errors: Sequence[FieldError]) -> ApiError:
    """422 with one cause per field, worded as kubectl expects it."""
    texts = [str(error) for error in errors]
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    message = f'{kind_name(kind)} "{name}" is invalid: {text}'
    details = _details(kind, name) | {
        "kind": kind.name,
        "causes": [
            {"reason": _cause(error.message), "message": error.message, "field": error.path} for error in errors
        ],
    }
    return ApiError(422, "Invalid", message, details)


_CAUSES = {
    "Required value": "FieldValueRequired",
    "Duplicate value": "FieldValueDuplicate",
    "Unsupported value": "FieldValueNotSupported",
    "Forbidden": "FieldValueForbidden",
    "Too long": "FieldValueTooLong",
}


def _cause(message: str) -> str:
    return next((cause for prefix, cause in _CAUSES.items() if message.startswith(prefix)), "FieldValueInvalid")


def success(kind: Kind, name: str, uid: str) -> Obj:
    """What a delete answers when the object is gone."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": _details(kind, name) | {"uid": uid},
    }
