"""What is asked before a run, and that each reason not to run has its own sentence and cure."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.load_args import Simulation
from tools.load_checks import Answer, NotReady, ask, check_data, check_services, first_id

BOTH = frozenset({"user", "music"})
SIMULATION = Simulation("ReadBothVaryingSim", BOTH, BOTH)
BASE = "http://gateway"


class Asked:
    """Answers each URL as told, by its last part or else 200, and notes what was asked."""

    def __init__(self, *answers: tuple[str, Answer]) -> None:
        self.answers = list(answers)
        self.urls: list[str] = []
        self.tokens: set[str] = set()

    def __call__(self, url: str, token: str) -> Answer:
        self.urls.append(url)
        self.tokens.add(token)
        for place, (part, answer) in enumerate(self.answers):
            if part in url:
                if len([other for other, _ in self.answers if other == part]) > 1:
                    del self.answers[place]
                return answer
        return Answer(200, ours=True)


@pytest.fixture
def resources(tmp_path: Path) -> Path:
    (tmp_path / "users.csv").write_text("user_id,fname\nu1,A\nu2,B\n")
    (tmp_path / "music.csv").write_text("music_id,Artist\nm1,A\n")
    return tmp_path


def test_asks_the_services_that_the_simulation_uses() -> None:
    asked = Asked()
    check_services(BASE, SIMULATION, asked)
    assert asked.urls == [f"{BASE}/api/v1/music/health", f"{BASE}/api/v1/user/health"]
    asked = Asked()
    check_services(BASE, Simulation("A", frozenset({"music"}), frozenset()), asked)
    assert asked.urls == [f"{BASE}/api/v1/music/health"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(0, reason="Connection refused"), "Nobody answers.*http://gateway.*Connection refused.*make up"),
        (Answer(404), "no route to the user service.*make -f k8s.mak deploy"),
        (Answer(503), "user service is not available.*503.*make -f k8s.mak s1"),
    ],
)
def test_nobody_there(answer: Answer, said: str) -> None:
    with pytest.raises(NotReady, match=said):
        check_services(BASE, SIMULATION, Asked(("/user/", answer)))


def test_reads_the_first_item_of_each_table_with_the_token(resources: Path) -> None:
    asked = Asked()
    check_data(BASE, SIMULATION, resources, "secret", asked)
    assert asked.urls == [f"{BASE}/api/v1/music/m1", f"{BASE}/api/v1/user/u1"]
    assert asked.tokens == {"secret"}


def test_a_simulation_without_data_asks_for_none(resources: Path) -> None:
    asked = Asked()
    check_data(BASE, Simulation("WriteMusicSim", BOTH, frozenset()), resources, "", asked)
    assert asked.urls == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(404, ours=True), "database is empty.*music.csv.*no music m1.*make -f k8s.mak loader"),
        (Answer(401, ours=True), "does not accept the token"),
        (Answer(503, ours=True), "answers 503.*log-s2 log-db"),
        (Answer(404, ours=False), "answers 404"),
        (Answer(0, reason="timed out"), "timed out"),
    ],
)
def test_no_data(resources: Path, answer: Answer, said: str) -> None:
    with pytest.raises(NotReady, match=said):
        check_data(BASE, SIMULATION, resources, "", Asked(("/music/", answer)))


def test_a_version_that_fails_reads_on_purpose_may_be_tested(resources: Path) -> None:
    check_data(BASE, SIMULATION, resources, "", Asked(("/music/", Answer(500, ours=True))))


def test_a_failing_read_does_not_hide_an_empty_table(resources: Path) -> None:
    failing = [("/music/", Answer(500, ours=True))] * 3
    asked = Asked(*failing, ("/music/", Answer(404, ours=True)))
    with pytest.raises(NotReady, match="database is empty"):
        check_data(BASE, SIMULATION, resources, "", asked)


@pytest.mark.parametrize("content", ["", "user_id\n", "name\nA\n"])
def test_a_data_file_without_rows(tmp_path: Path, content: str) -> None:
    (tmp_path / "users.csv").write_text(content)
    with pytest.raises(NotReady, match=r"users\.csv has no row"):
        first_id(tmp_path / "users.csv", "user_id")


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<html>" if "proxy" in self.path else json.dumps({"error": self.headers.get("Authorization")}).encode()
        self.send_response(int(self.path.rpartition("/")[2]))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()
        thread.join()


def test_ask_tells_our_services_from_others(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # Gatling takes no notice of it, so this must not either
    assert ask(f"{server}/200", "t") == Answer(200, ours=True)
    assert ask(f"{server}/404", "") == Answer(404, ours=True)
    assert ask(f"{server}/proxy/404", "") == Answer(404, ours=False)


def test_ask_where_nobody_listens() -> None:
    answer = ask("http://127.0.0.1:1/x", "")
    assert answer.status == 0
    assert "refused" in answer.reason
