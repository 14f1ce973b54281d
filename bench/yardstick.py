"""The plain form of the same two services, against which `bench/read_path.py` compares: `yardstick.py s2|db`.

Written as such services usually are, and never imported by the product: Flask's own server with a thread for each
connection, `requests.get` and with it a new connection for each call, boto3's resource layer with a Table for each
request and a Query for each read, the exporter as it comes, an answer parsed and built again in each hop.
"""

from __future__ import annotations

import os
import sys
import uuid
from typing import Any

import boto3
import jwt
import requests
from boto3.dynamodb.conditions import Key
from flask import Flask, Response, request
from prometheus_flask_exporter import PrometheusMetrics

S2 = "/api/v1/music"
DB = "/api/v1/datastore"


def s2(db_url: str, secret: str) -> Flask:
    """Music: `GET /ID`, `GET /?limit=`, `POST /`, each with a token."""
    app = Flask("yardstick-s2")
    PrometheusMetrics(app).info("app_info", "Music process")

    def checked() -> dict[str, str]:
        header = request.headers["Authorization"]
        jwt.decode(header.split()[1], secret, algorithms=["HS256"], audience="c756")
        return {"Authorization": header}

    @app.get(f"{S2}/health")
    @app.get(f"{S2}/readiness")
    def health() -> Response:
        return Response("", status=200, mimetype="application/json")

    @app.get(f"{S2}/<music_id>")
    def get_song(music_id: str) -> Any:
        payload = {"objtype": "music", "objkey": music_id}
        return requests.get(f"{db_url}{DB}/read", params=payload, headers=checked(), timeout=30).json()

    @app.get(f"{S2}/")
    def list_songs() -> Any:
        payload = {"objtype": "music", "limit": request.args["limit"]}
        return requests.get(f"{db_url}{DB}/list", params=payload, headers=checked(), timeout=30).json()

    @app.post(f"{S2}/")
    def create_song() -> Any:
        content = request.get_json()
        song = {"objtype": "music", "Artist": content["Artist"], "SongTitle": content["SongTitle"]}
        return requests.post(f"{db_url}{DB}/write", json=song, headers=checked(), timeout=30).json()

    return app


def db(table_suffix: str) -> Flask:
    """The datastore, in front of DynamoDB at DYNAMODB_URL."""
    app = Flask("yardstick-db")
    PrometheusMetrics(app).info("app_info", "Database process")
    dynamodb = boto3.resource(
        "dynamodb",
        region_name=os.environ["AWS_REGION"],
        endpoint_url=os.environ["DYNAMODB_URL"],
        aws_access_key_id="emulator",
        aws_secret_access_key="emulator",  # noqa: S106  the stand-in takes any
    )

    def table() -> Any:
        return dynamodb.Table(f"Music-{table_suffix}")

    @app.get(f"{DB}/health")
    @app.get(f"{DB}/readiness")
    def health() -> Response:
        return Response("", status=200, mimetype="application/json")

    @app.get(f"{DB}/read")
    def read() -> Any:
        found = table().query(
            Select="ALL_ATTRIBUTES", KeyConditionExpression=Key("music_id").eq(request.args["objkey"])
        )
        return {"Items": found["Items"], "Count": found["Count"]}

    @app.get(f"{DB}/list")
    def list_items() -> Any:
        found = table().scan(Limit=int(request.args["limit"]))
        return {"Items": found["Items"], "Count": found["Count"]}

    @app.post(f"{DB}/write")
    def write() -> Any:
        content = request.get_json()
        key = str(uuid.uuid4())
        song = {name: value for name, value in content.items() if name != "objtype"}
        table().put_item(Item=song | {"music_id": key})
        return {"music_id": key}

    return app


def main(role: str) -> None:
    """Serves at HOST and PORT until it is ended."""
    env = os.environ
    db_url = env.get("DB_URL", "http://cmpt756db:30002")
    app = s2(db_url, env["JWT_SECRET"]) if role == "s2" else db(env["TABLE_SUFFIX"])
    app.run(host=env["HOST"], port=int(env["PORT"]), threaded=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
