"""What s1 and s2 say while the datastore is away; they start, live and come back without it."""

from __future__ import annotations

from pathlib import Path

import requests

from tests.realservices import Chain, Service, answers, db_env, front_env, operator_token, wait_for


def test_unready_and_503_until_it_is_there(chain: Chain, tmp_path: Path) -> None:
    db = Service("db", "/api/v1/datastore", tmp_path / "db", db_env(chain.emulator))
    fronts = [
        Service("s1", "/api/v1/user", tmp_path / "s1", front_env(db)),
        Service("s2/v1", "/api/v1/music", tmp_path / "s2", front_env(db)),
    ]
    try:
        for front in fronts:
            front.start()
            assert answers(f"{front.url}/readiness", 503)
            assert requests.get(f"{front.url}/some-id", headers=operator_token(), timeout=10).status_code == 503
        db.start()
        for front in fronts:
            wait_for(lambda url=front.url: answers(f"{url}/readiness"), "readiness after db")  # type: ignore[misc]
            assert requests.get(f"{front.url}/some-id", headers=operator_token(), timeout=10).status_code == 404
        db.stop()
        for front in fronts:
            wait_for(lambda url=front.url: answers(f"{url}/readiness", 503), "unreadiness")  # type: ignore[misc]
            assert requests.get(f"{front.url}/some-id", headers=operator_token(), timeout=10).status_code == 503
            assert answers(f"{front.url}/health")
    finally:
        for service in (*fronts, db):
            service.stop()
