"""s1: the users. They are kept in the datastore; s1 also hands out the tokens that s1 and s2 ask for."""

from __future__ import annotations

import json
from functools import partial

from flask import Flask, Response, jsonify

from servicekit import auth, openapi
from servicekit.auth import Tokens, owner_required, token_required
from servicekit.body import identifier, json_object, json_response, text_fields
from servicekit.config import FrontConfig
from servicekit.datastore import Datastore
from servicekit.errors import ServiceError
from servicekit.password import Passwords
from servicekit.service import new_app

SERVICE = "cmpt756s1"
VERSION = "v1"
PREFIX = "/api/v1/user"
FIELDS = ("fname", "lname", "email")
HASH = "password_hash"  # the attribute of a user with a password


def create_app(config: FrontConfig | None = None) -> Flask:
    """The service; its settings come from the environment unless given. Raises ConfigError."""
    config = config or FrontConfig.from_env()
    datastore = Datastore(config.upstream)
    tokens = Tokens(config.auth, partial(datastore.read, "user"))
    passwords = Passwords(config.auth.password_cost)
    app = new_app(
        service=SERVICE,
        version=VERSION,
        prefix=PREFIX,
        config=config,
        check_ready=datastore.check_ready,
        document=openapi.load(__file__),
        reserved=("login", "logoff"),
    )
    auth.install(app, tokens)

    def attributes() -> dict[str, str]:
        """What this request says of a user."""
        body = json_object()
        given = text_fields(body, (*FIELDS, *body.keys() & {"password"}))
        if "password" in given:
            given[HASH] = passwords.hashed(given.pop("password"))
        return given

    @app.post(f"{PREFIX}/")
    def create_user() -> Response:
        return jsonify({"user_id": datastore.write("user", attributes())})

    @app.get(f"{PREFIX}/<user_id>")
    @token_required
    def get_user(user_id: str) -> Response:
        return json_response(_without_hash(datastore.read("user", identifier(user_id, "user_id")))[0])

    @app.put(f"{PREFIX}/<user_id>")
    @owner_required
    def update_user(user_id: str) -> Response:
        key = identifier(user_id, "user_id")
        datastore.update("user", key, attributes())
        return jsonify({})

    @app.delete(f"{PREFIX}/<user_id>")
    @owner_required
    def delete_user(user_id: str) -> Response:
        datastore.delete("user", identifier(user_id, "user_id"))
        return jsonify({})

    @app.put(f"{PREFIX}/login")
    def login() -> Response:
        body = json_object()
        given = text_fields(body, ("uid", *body.keys() & {"password"}))
        user_id = identifier(given["uid"], "field 'uid'")
        try:
            _, kept = _without_hash(datastore.read("user", user_id))
        except ServiceError as error:
            if error.status == 404:
                raise ServiceError(401, "no such user") from None
            raise
        if kept and not passwords.match(kept, given.get("password", "")):
            raise ServiceError(401, "this user has a password, and field 'password' is not it")
        return Response(tokens.issue(user_id), mimetype="text/plain")

    @app.put(f"{PREFIX}/logoff")
    def logoff() -> Response:
        # Tokens are kept nowhere, so there is nothing to erase: the client forgets its token, which ends by itself.
        token = json_object().get("jwt")
        if not isinstance(token, str) or not token:
            raise ServiceError(400, "missing field 'jwt': it must be the token, as a string")
        tokens.verify(token)
        return jsonify({})

    return app


def _without_hash(content: bytes) -> tuple[bytes, str]:
    """A user as db wrote it, without the hash of its password; and this hash, empty where it has none."""
    if f'"{HASH}"'.encode() not in content:
        return content, ""
    page = json.loads(content)
    kept = page["Items"][0].pop(HASH, "")
    return json.dumps(page).encode(), str(kept)
