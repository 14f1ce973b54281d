"""A new key for the tokens under load: nobody who has a token, of before or of any moment between, is refused."""

from __future__ import annotations

import threading

import requests

from tests.e2e.cluster import Cluster
from tests.e2e.load import Load


def signing_key(cluster: Cluster) -> str:
    return cluster.kubectl("-n", "c756ns", "get", "secret", "c756-auth", "-o", "jsonpath={.data.jwt-secret}")


def test_the_key_is_changed_under_load(cluster: Cluster) -> None:
    person = {"fname": "Ada", "lname": "Novak", "email": "ada@example.org"}
    user = requests.post(f"{cluster.base}/api/v1/user/", json=person, timeout=30).json()["user_id"]
    refused: list[str] = []
    tokens: list[str] = []
    over = threading.Event()

    def log_in_again_and_again() -> None:
        while not over.is_set():
            answer = requests.put(f"{cluster.base}/api/v1/user/login", json={"uid": user}, timeout=30)
            tokens.append(answer.text)
            for token in (answer.text, cluster.output("tools/token.sh")):
                for path in (f"user/{user}", f"music/{cluster.songs[0]['music_id']}"):
                    headers = {"Authorization": f"Bearer {token}"}
                    seen = requests.get(f"{cluster.base}/api/v1/{path}", headers=headers, timeout=30)
                    if seen.status_code != 200:
                        refused.append(f"{path}: {seen.status_code} {seen.text}")
            over.wait(0.5)

    before, held = signing_key(cluster), cluster.token
    people = threading.Thread(target=log_in_again_and_again)
    with Load([*cluster.song_urls, *cluster.user_urls], held, clients=8, pause=0.05) as load:
        people.start()
        try:
            cluster.run("make", "-f", "k8s.mak", "secrets", "ROTATE=1", timeout=600)
        finally:
            over.set()
            people.join(120)
    assert not people.is_alive(), "logging in did not end"
    assert load.answers.total > 500
    assert load.answers.failed == {}
    assert refused == []
    assert signing_key(cluster) != before
    for token in (held, tokens[0], tokens[-1], cluster.output("tools/token.sh")):
        url = f"{cluster.base}/api/v1/music/{cluster.songs[0]['music_id']}"
        assert requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=30).status_code == 200
