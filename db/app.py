"""db: the datastore service, the only one that knows DynamoDB.

Only s1, s2 and the loader may call it; the mesh sees to that (cluster/policies.yaml).
/load, which writes under keys of the caller's choice, asks for the loader's credential on top.
"""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import Any

from flask import Flask, Response, jsonify, request

from db.config import DbConfig
from db.dynamo import item_client, new_client
from db.objtypes import ObjType, objtype_named
from db.store import Store
from servicekit import openapi
from servicekit.auth import bearer_token
from servicekit.body import argument, identifier, integer_argument, json_object
from servicekit.errors import ServiceError
from servicekit.service import new_app

SERVICE = "cmpt756db"
VERSION = "v1"
PREFIX = "/api/v1/datastore"
PROBE_TIMEOUT = 0.7  # seconds; two tables are asked, and s1 and s2 wait 2.5 s for the answer
MAX_PAGE = 1000


def create_app(config: DbConfig | None = None) -> Flask:
    """The service; its settings come from the environment unless given. Raises ConfigError."""
    config = config or DbConfig.from_env()
    quick = replace(config.dynamo, connect_timeout=PROBE_TIMEOUT, read_timeout=PROBE_TIMEOUT, attempts=1, pool_size=2)
    store = Store(item_client(config.dynamo), new_client(quick), config.dynamo.table_suffix)
    loader_token = config.loader_token
    app = new_app(
        service=SERVICE,
        version=VERSION,
        prefix=PREFIX,
        config=config,
        check_ready=store.check_ready,
        document=openapi.load(__file__),
    )

    @app.get(f"{PREFIX}/read")
    def read() -> Response:
        return _page([store.read(*_object())])

    @app.get(f"{PREFIX}/list")
    def list_items() -> Response:
        objtype = objtype_named(argument("objtype"))
        limit = integer_argument("limit", 100, 1, MAX_PAGE)
        start = argument("start", "")
        return _page(store.list(objtype, limit, identifier(start, "start") if start else None))

    @app.post(f"{PREFIX}/write")
    def write() -> Response:
        body = json_object()
        objtype = objtype_named(body.pop("objtype", None))
        if objtype.key in body:
            raise ServiceError(400, f"{objtype.key!r} is made here: leave it out")
        return jsonify({objtype.key: store.write(objtype, body)})

    @app.put(f"{PREFIX}/update")
    def update() -> Response:
        objtype, key = _object()
        store.update(objtype, key, json_object())
        return jsonify({})

    @app.delete(f"{PREFIX}/delete")
    def delete() -> Response:
        store.delete(*_object())
        return jsonify({})

    @app.post(f"{PREFIX}/load")
    def load() -> Response:
        given = bearer_token(request.headers.get("Authorization"))
        if not hmac.compare_digest(given.encode(), loader_token.encode()):
            raise ServiceError(401, "this is not the loader's credential (LOADER_TOKEN)")
        body = json_object()
        objtype = objtype_named(body.pop("objtype", None))
        key = body.pop("uuid", None)
        if not isinstance(key, str):
            raise ServiceError(400, "missing field 'uuid': it must be a string")
        if objtype.key in body:
            raise ServiceError(400, f"{objtype.key!r} comes from 'uuid': leave it out")
        store.put(objtype, identifier(key, "field 'uuid'"), body)
        return jsonify({objtype.key: key})

    return app


def _object() -> tuple[ObjType, str]:
    return objtype_named(argument("objtype")), identifier(argument("objkey"), "objkey")


def _page(items: list[dict[str, Any]]) -> Response:
    return jsonify({"Items": items, "Count": len(items)})
