"""s1: the users. They are kept in the datastore; s1 also hands out the tokens that s1 and s2 ask for."""

from __future__ import annotations

from flask import Flask, Response, jsonify

from servicekit import auth, openapi
from servicekit.auth import Tokens, token_required
from servicekit.body import identifier, json_object, json_response, text_fields
from servicekit.config import FrontConfig
from servicekit.datastore import Datastore
from servicekit.errors import ServiceError
from servicekit.service import new_app

SERVICE = "cmpt756s1"
VERSION = "v1"
PREFIX = "/api/v1/user"
FIELDS = ("fname", "lname", "email")


def create_app(config: FrontConfig | None = None) -> Flask:
    """The service; its settings come from the environment unless given. Raises ConfigError."""
    config = config or FrontConfig.from_env()
    datastore = Datastore(config.upstream)
    tokens = Tokens(config.auth)
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

    @app.post(f"{PREFIX}/")
    def create_user() -> Response:
        key = datastore.write("user", text_fields(json_object(), FIELDS))
        return jsonify({"user_id": key})

    @app.get(f"{PREFIX}/<user_id>")
    @token_required
    def get_user(user_id: str) -> Response:
        return json_response(datastore.read("user", identifier(user_id, "user_id")))

    @app.put(f"{PREFIX}/<user_id>")
    @token_required
    def update_user(user_id: str) -> Response:
        key = identifier(user_id, "user_id")
        datastore.update("user", key, text_fields(json_object(), FIELDS))
        return jsonify({})

    @app.delete(f"{PREFIX}/<user_id>")
    @token_required
    def delete_user(user_id: str) -> Response:
        datastore.delete("user", identifier(user_id, "user_id"))
        return jsonify({})

    @app.put(f"{PREFIX}/login")
    def login() -> Response:
        user_id = identifier(text_fields(json_object(), ["uid"])["uid"], "field 'uid'")
        try:
            datastore.read("user", user_id)
        except ServiceError as error:
            if error.status == 404:
                raise ServiceError(401, "no such user") from None
            raise
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
