"""s2, the music service, version 2: version 1, and a bug. It rejects about half of the reads of a song.

A rejected read is not passed on: the datastore is not asked.
"""

from __future__ import annotations

import random
from typing import Any

from flask import Flask

from s2.v1.app import create_app as create_v1
from servicekit import openapi
from servicekit.auth import token_required
from servicekit.body import identifier
from servicekit.config import ConfigError, FrontConfig
from servicekit.errors import ServiceError

# How many of a hundred reads fail, 0 to 100. Edit this line to fix the bug: PERCENT_ERROR = 0
PERCENT_ERROR = 50


def create_app(config: FrontConfig | None = None) -> Flask:
    """Version 1 with its `GET /<music_id>` replaced. Raises ConfigError."""
    if not isinstance(PERCENT_ERROR, int | float) or not 0 <= PERCENT_ERROR <= 100:
        raise ConfigError(f"cannot start: PERCENT_ERROR in app.py is {PERCENT_ERROR!r}, it must be from 0 to 100")
    app = create_v1(config, version="v2")
    get_song_v1 = app.view_functions["get_song"]

    @token_required
    def get_song(music_id: str) -> Any:
        identifier(music_id, "music_id")  # as in version 1: what cannot be a song's key is told first
        if random.random() * 100 < PERCENT_ERROR:  # noqa: S311  a bug on purpose, not a secret
            raise ServiceError(500, f"version 2 rejects {PERCENT_ERROR} percent of the reads")
        return get_song_v1(music_id)

    app.view_functions["get_song"] = get_song
    song_path = openapi.document_of(app)["paths"]["/api/v1/music/{music_id}"]
    song_path["get"]["responses"]["500"] = {"$ref": "#/components/responses/Failed"}
    return app
