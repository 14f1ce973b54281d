"""s2, the music service, version 1: songs, kept in the datastore."""

from __future__ import annotations

from functools import partial

from flask import Flask, Response, jsonify

from servicekit import auth, openapi
from servicekit.auth import Tokens, token_required
from servicekit.body import argument, identifier, integer_argument, json_object, json_response, text_fields
from servicekit.config import FrontConfig
from servicekit.datastore import Datastore
from servicekit.service import new_app

SERVICE = "cmpt756s2"
PREFIX = "/api/v1/music"
FIELDS = ("Artist", "SongTitle")
PAGE = 100  # songs in a page unless ?limit= says otherwise
MAX_PAGE = 1000


def create_app(config: FrontConfig | None = None, version: str = "v1") -> Flask:
    """The service; its settings come from the environment unless given. Raises ConfigError."""
    config = config or FrontConfig.from_env()
    datastore = Datastore(config.upstream)
    app = new_app(
        service=SERVICE,
        version=version,
        prefix=PREFIX,
        config=config,
        check_ready=datastore.check_ready,
        document=openapi.load(__file__),
    )
    auth.install(app, Tokens(config.auth, partial(datastore.read, "user")))

    @app.get(f"{PREFIX}/")
    @token_required
    def list_songs() -> Response:
        """A page of songs. The next one starts after the last music_id of this one; a short page is the last."""
        limit = integer_argument("limit", PAGE, 1, MAX_PAGE)
        start = argument("start", "")
        return json_response(datastore.list("music", limit, identifier(start, "start") if start else None))

    @app.post(f"{PREFIX}/")
    @token_required
    def create_song() -> Response:
        key = datastore.write("music", text_fields(json_object(), FIELDS))
        return jsonify({"music_id": key})

    @app.get(f"{PREFIX}/<music_id>")
    @token_required
    def get_song(music_id: str) -> Response:
        return json_response(datastore.read("music", identifier(music_id, "music_id")))

    @app.delete(f"{PREFIX}/<music_id>")
    @token_required
    def delete_song(music_id: str) -> Response:
        datastore.delete("music", identifier(music_id, "music_id"))
        return jsonify({})

    return app
