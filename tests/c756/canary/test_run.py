"""A whole canary against a cluster and a Prometheus in memory, with looks of a twentieth of a second."""

from __future__ import annotations

import json
import math
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from c756 import kubectl
from c756.canary import cluster, plan, prometheus, routes, run, underway
from c756.canary.counts import REQUESTS, Series
from c756.canary.state import ANNOTATION, State, read
from c756.trouble import Trouble
from tests.c756.canary.test_routes import rule, service

QUICK = ["--every", "0.2s", "--look", "0.05s", "--patience", "20s", "--blind", "0.3s", "--no-deploy"]
RATE = 20_000  # requests per second


@dataclass
class World:
    """VirtualServices, pods and counters. `fails`: what each version fails of its requests."""

    services: dict[str, Any] = field(default_factory=dict)
    fails: dict[str, float] = field(default_factory=lambda: {"v1": 0.0, "v2": 0.0})
    rate: float = RATE
    ready: int | None = 1
    away: str = ""  # why the cluster does not answer
    blind: str = ""  # why Prometheus does not
    events: list[str] = field(default_factory=list)
    weights: list[tuple[float, int]] = field(default_factory=list)  # when the canary got which
    looks: int = 0
    at_look: Callable[[World], None] = lambda world: None
    refuse: int = 0  # so many patches are answered with Conflict

    def weight(self) -> int:
        found = routes.weight(self.services["cmpt756s2"], SPLIT)
        assert found is not None
        return found

    def edit(self, first: int, second: int) -> None:
        """As `kubectl apply -f cluster/s2-vs-v2.yaml`, which leaves annotations alone."""
        self._store("cmpt756s2", {**self.services["cmpt756s2"], "spec": service("", rule(first, second))["spec"]})

    def ask(self, *arguments: str, piped: str | None = None) -> str:
        """kubectl."""
        if self.away:
            raise Trouble(self.away)
        words = [word for word in arguments if not word.startswith("--")]
        if words[0] == "create":
            self.events.append(json.loads(piped or "")["reason"])
            return ""
        if words[0] == "patch":
            return self._patch(words[1].partition("/")[2], json.loads(words[words.index("-p") + 1]))
        if words[1].startswith("deployment/"):
            return "" if self.ready is None else json.dumps({"status": {"availableReplicas": self.ready}})
        return json.dumps({"items": list(self.services.values())})

    def _patch(self, name: str, patch: dict[str, Any]) -> str:
        old = self.services[name]
        if self.refuse or patch["metadata"]["resourceVersion"] != old["metadata"]["resourceVersion"]:
            self.refuse = max(0, self.refuse - 1)
            raise Trouble("Error from server (Conflict): the object has been modified")
        annotations = {**old["metadata"]["annotations"], **patch["metadata"].get("annotations", {})}
        kept = {key: value for key, value in annotations.items() if value is not None}
        made = {
            "metadata": {**old["metadata"], "annotations": kept},
            "spec": {**old["spec"], **patch.get("spec", {})},
        }
        return json.dumps(self._store(name, made))

    def _store(self, name: str, made: dict[str, Any]) -> dict[str, Any]:
        version = str(int(made["metadata"].get("resourceVersion", "0")) + 1)
        stored = {"apiVersion": "networking.istio.io/v1", **made}
        stored["metadata"] = {"annotations": {}, "uid": "u", **made["metadata"], "resourceVersion": version}
        self.services[name] = json.loads(json.dumps(stored))
        self.weights.append((time.time(), self.weight()))
        return self.services[name]  # type: ignore[no-any-return]

    # Prometheus

    def time(self) -> float:
        return time.time()

    def series(self, _selector: str, start: float, now: float) -> list[Series]:
        """Scrapes every 10 ms; each version has its share to the last request."""
        self.looks += 1
        self.at_look(self)
        if self.blind:
            raise Trouble(self.blind)
        found = []
        for version, code in (("v1", "200"), ("v1", "500"), ("v2", "200"), ("v2", "500")):
            samples, total, at = [], 0.0, start
            while at <= now:
                share = self._share(at) if version == "v2" else 1 - self._share(at)
                part = self.fails[version] if code == "500" else 1 - self.fails[version]
                total += self.rate * 0.01 * share * part
                samples.append((at, float(math.floor(total))))
                at += 0.01
            labels = {"__name__": REQUESTS, "destination_version": version, "response_code": code, "pod": "gateway"}
            found.append(Series(labels, tuple(samples)))
        return found

    def _share(self, at: float) -> float:
        return next((weight for since, weight in reversed(self.weights) if since <= at), 0) / 100


SPLIT = routes.Split(cluster.HOSTS, "v1", "v2")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World()
    made.services["cmpt756s2"] = service("cmpt756s2", rule())
    made._store("cmpt756s2", made.services["cmpt756s2"])
    monkeypatch.setattr(cluster, "_ask", made.ask)
    monkeypatch.setattr(prometheus, "find", lambda: made)
    monkeypatch.setattr(kubectl, "require", lambda: "pocket")
    monkeypatch.setattr(run, "SETTLE", 0.0)
    monkeypatch.setattr(run, "_RETRY", 0.05)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield made
    for number, handler in handlers.items():
        signal.signal(number, handler)


def clean(world: World, weight: int) -> bool:
    """Exactly the rules of before, with this weight, and no annotation."""
    stored = world.services["cmpt756s2"]
    return (
        stored["spec"]["http"] == [rule(100 - weight, weight)] and ANNOTATION not in stored["metadata"]["annotations"]
    )


def killed(version: str = "v2", **changes: Any) -> State:
    """The state that a canary leaves that was killed."""
    process = subprocess.Popen(["true"])
    process.wait()
    state = State(
        id="old", version=version, stable="v1", phase="judging", weight=50, step=2, steps=(10, 50, 100), began=0.0,
        looked=0.0, next=0.0, lease=0.0, user="me", host=socket.gethostname(), pid=process.pid,
        verdict="not enough data yet",
    )  # fmt: skip
    return replace(state, **changes)


def put(world: World, state: State) -> None:
    stored = world.services["cmpt756s2"]
    stored["metadata"]["annotations"][ANNOTATION] = state.text()
    world.edit(100 - state.weight, state.weight)


EXTRAS = ["--header", "x-canary: yes", "--sticky", "--per-person", "1"]


@pytest.mark.parametrize("extras", [[], EXTRAS])
def test_an_equal_version_is_promoted_step_by_step(
    world: World, extras: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(["v2", *QUICK, "--steps", "10,50,100", *extras]) == run.PROMOTED
    assert clean(world, 100)
    assert list(dict.fromkeys(weight for _, weight in world.weights)) == [0, 10, 50, 100]
    assert world.events == ["CanaryStep"] * 3 + ["CanaryPromoted"]
    said = capsys.readouterr().out
    assert "better or equal" in said
    assert "promoted: v2 has all of the traffic" in said


@pytest.mark.parametrize("extras", [[], EXTRAS])
def test_a_worse_version_is_rolled_back(world: World, extras: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    world.fails["v2"] = 0.5
    assert run.main(["v2", *QUICK, *extras]) == run.ROLLED_BACK
    assert clean(world, 0)
    assert world.events[-1] == "CanaryRolledBack"
    assert "v2 fails 50.0%" in capsys.readouterr().out
    assert max(weight for _, weight in world.weights) == 5


def test_when_v2_is_what_runs_v1_can_be_released(world: World) -> None:
    world.edit(0, 100)
    assert run.main(["v1", *QUICK, "--steps", "50"]) == run.PROMOTED
    assert clean(world, 0)


def test_programs_read_json(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["v2", *QUICK, "--steps", "50", "--json"]) == run.PROMOTED
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["event"] for line in lines[:-1]} == {"look"}
    assert lines[0]["weight"] == 50
    assert lines[-1] == {"event": "end", "result": "promoted", "code": 0, "why": "promoted: v2 has all of the traffic"}


def test_mirrored_reads_are_judged_before_anybody_is_served(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(World, "_share", lambda self, at: 0.1)  # v2 gets the copies, and its sidecar counts them
    world.fails["v2"] = 0.5
    seen = []
    world.at_look = lambda now: seen.append([one.get("name") for one in now.services["cmpt756s2"]["spec"]["http"]])
    assert run.main(["v2", *QUICK, "--mirror", "10%"]) == run.ROLLED_BACK
    assert seen[0] == ["canary-mirror", None]
    assert {weight for _, weight in world.weights} == {0}
    assert clean(world, 0)
    assert "mirror 10 % | v2:" in capsys.readouterr().out


# -- others ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extras", [[], EXTRAS])
def test_somebody_sets_the_weights_in_between(
    world: World, extras: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    world.at_look = lambda now: now.edit(70, 30) if now.looks == 2 else None
    assert run.main(["v2", *QUICK, *extras]) == run.NOT_JUDGED
    assert clean(world, 30)
    said = capsys.readouterr().out
    assert "somebody changed the VirtualService cmpt756s2: v2 has 30 % there" in said
    assert "The weights stay as they were set" in said


def test_somebody_changes_a_weight_among_the_canarys_own_rules(world: World) -> None:
    """`kubectl edit` leaves the rules of the canary where they are: it takes them away itself."""

    def edit(now: World) -> None:
        if now.looks == 2:
            http = now.services["cmpt756s2"]["spec"]["http"]
            http[-1]["route"][0]["weight"], http[-1]["route"][1]["weight"] = 60, 40
            now._store("cmpt756s2", {**now.services["cmpt756s2"], "spec": {"hosts": ["*"], "http": http}})

    world.at_look = edit
    assert run.main(["v2", *QUICK, *EXTRAS]) == run.NOT_JUDGED
    assert clean(world, 40)


def test_a_version_that_was_judged_worse_while_somebody_edited_is_told(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.fails["v2"] = 0.5
    world.at_look = lambda now: now.edit(70, 30)  # between the look at the routes and the end of the step
    assert run.main(["v2", *QUICK]) == run.NOT_JUDGED
    assert clean(world, 30)
    assert "v2 was just judged worse" in capsys.readouterr().out


def test_the_second_canary_at_once_is_refused(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    seconds = []

    def second(now: World) -> None:
        if now.looks == 1:
            seconds.append(underway.refuse())
            with pytest.raises(Trouble, match="a canary of v2 is judging, 5 %"):
                run.Run(plan.parse(["v2", *QUICK])).go()  # type: ignore[arg-type]

    world.at_look = second
    assert run.main(["v2", *QUICK]) == run.PROMOTED
    assert seconds == [1]
    assert "tools/canary.sh abort" in capsys.readouterr().err


def test_of_two_that_begin_at_the_same_moment_one_is_refused(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.refuse = 1
    assert run.main(["v2", *QUICK]) == run.NOT_JUDGED
    assert "somebody else wrote" in capsys.readouterr().err
    assert clean(world, 0)


def test_a_conflict_that_changed_nothing_is_tried_again(world: World) -> None:
    """Istio writes a status, say: the resourceVersion is another, the routes are the same."""
    world.at_look = lambda now: setattr(now, "refuse", 1) if now.looks % 3 == 0 else None
    assert run.main(["v2", *QUICK, "--steps", "10,100"]) == run.PROMOTED
    assert clean(world, 100)


def test_abort_ends_it_and_the_process_notices(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    def end(now: World) -> None:
        if now.looks == 2:
            underway.abort()

    world.at_look = end
    assert run.main(["v2", *QUICK, *EXTRAS]) == run.NOT_JUDGED
    assert clean(world, 0)
    assert "CanaryAborted" in world.events
    assert run.main(["abort"]) == 0
    assert "no canary is under way" in capsys.readouterr().out


# -- killed ----------------------------------------------------------------------------------------------------------


def test_what_was_killed_goes_on_where_it_was(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    put(world, killed())
    assert run.main(["status"]) == 0
    assert run.main(["refuse"]) == 1
    assert run.main(["v2", *QUICK, "--steps", "10,50,100"]) == run.PROMOTED
    assert [weight for _, weight in world.weights if weight == 10] == []
    assert clean(world, 100)
    said = capsys.readouterr()
    assert "is gone" in said.out
    assert "going on with it" in said.out
    assert "To go on with it: tools/canary.sh v2." in said.err


def test_what_was_killed_at_the_end_has_something_to_compare_with(world: World) -> None:
    put(world, killed(weight=100, step=3))
    assert run.main(["v2", *QUICK, "--steps", "10,50,100"]) == run.PROMOTED
    assert next(weight for _, weight in world.weights if weight not in (0, 100)) == 50
    assert clean(world, 100)


def test_without_copies_no_step_begins(world: World) -> None:
    assert run.main(["v2", *QUICK, "--steps", "50,100", "--mirror", "100%", "--patience", "2s"]) == run.NOT_JUDGED
    assert {weight for _, weight in world.weights} == {0}
    assert clean(world, 0)


@pytest.mark.parametrize(
    ("state", "left"),
    [(killed(verdict="worse"), 0), (killed(version="v1", stable="v2"), 100)],
    ids=["worse", "another"],
)
def test_what_was_killed_is_rolled_back_if_it_was_worse_or_another_version(
    world: World, state: State, left: int
) -> None:
    put(world, state)
    assert run.main(["v2", *QUICK]) == run.ROLLED_BACK
    assert clean(world, left)


def test_an_annotation_of_versions_that_no_route_knows(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    put(world, killed(version="v3"))
    assert run.main(["abort"]) == run.NOT_JUDGED
    assert "shares traffic between v1 and v3" in capsys.readouterr().err


@pytest.mark.parametrize(("options", "code", "weight"), [([], run.ROLLED_BACK, 0), (["--on-interrupt", "keep"], 3, 5)])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted(world: World, number: signal.Signals, options: list[str], code: int, weight: int) -> None:
    world.at_look = lambda now: signal.raise_signal(number) if now.looks == 2 else None
    assert run.main(["v2", *QUICK, *options]) == code
    assert world.weight() == weight
    assert (read(world.services["cmpt756s2"]) is None) == (weight == 0)


# -- links that are missing ------------------------------------------------------------------------------------------


def test_prometheus_may_be_away_for_a_while(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    def away(now: World) -> None:
        now.blind = "connection refused" if 2 <= now.looks <= 4 else ""

    world.at_look = away
    assert run.main(["v2", *QUICK, "--steps", "50,100"]) == run.PROMOTED
    assert "no data: Prometheus does not answer: connection refused" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"blind": "connection refused"}, "Prometheus does not answer"),
        ({"rate": 0.0}, "no traffic: nobody has called either version"),
        ({"ready": None}, "no such version"),
    ],
)
def test_what_cannot_be_judged_is_rolled_back(
    world: World,
    change: dict[str, Any],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def happen(now: World) -> None:
        for name, value in change.items():
            setattr(now, name, value)

    monkeypatch.setattr("c756.canary.judge.QUIET", 0.1)
    world.at_look = happen
    assert run.main(["v2", *QUICK]) == run.NOT_JUDGED
    assert clean(world, 0)
    assert words in capsys.readouterr().out


def test_no_pod_is_ready(world: World) -> None:
    world.ready = 0
    assert run.main(["v2", *QUICK]) == run.ROLLED_BACK
    assert clean(world, 0)


def test_a_cluster_that_goes_away_is_said_and_its_return_is_used(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Judged worse just before: it is tried until the cluster answers."""
    world.fails["v2"] = 0.5

    def go(now: World) -> None:
        if not now.away:
            now.away = "connection refused"
            threading.Timer(0.5, lambda: setattr(now, "away", "")).start()

    world.at_look = go
    assert run.main(["v2", *QUICK]) == run.ROLLED_BACK
    assert clean(world, 0)
    assert "trying again: connection refused" in capsys.readouterr().out


def test_a_cluster_that_stays_away_ends_with_what_is_to_be_done(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.at_look = lambda now: setattr(now, "away", "connection refused")
    assert run.main(["v2", *QUICK]) == run.NOT_JUDGED
    said = capsys.readouterr().out
    assert "NOT rolled back: connection refused. v2 may still have 5 %" in said
    assert "tools/canary.sh abort" in said
    world.away = ""
    assert run.main(["abort"]) == 0
    assert clean(world, 0)


# -- what cannot be meant --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "weights", "code", "words"),
    [
        ("v9", (100, 0), run.WRONG, 'unknown version "v9". The routes know: v1, v2'),
        ("v1", (100, 0), run.WRONG, "v1 has all of the traffic already"),
        ("v2", (90, 10), run.NOT_JUDGED, "the traffic is split by hand (v1 90 %, v2 10 %)"),
    ],
)
def test_what_cannot_be_meant(
    world: World, version: str, weights: tuple[int, int], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    world.edit(*weights)
    assert run.main([version, *QUICK]) == code
    assert words in capsys.readouterr().err
    assert clean(world, weights[1])


def test_without_prometheus_nothing_is_begun(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> World:
        raise Trouble("Prometheus does not answer")

    monkeypatch.setattr(prometheus, "find", nowhere)
    assert run.main(["v2", *QUICK]) == run.NOT_JUDGED
    assert world.events == []
    assert clean(world, 0)


def test_a_mistake_of_its_own_leaves_no_traffic(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: object) -> None:
        raise KeyError("le")

    monkeypatch.setattr("c756.canary.counts.blocks", wrong)
    with pytest.raises(KeyError):
        run.main(["v2", *QUICK])
    assert clean(world, 0)


def test_a_version_that_cannot_be_deployed_gets_no_traffic(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_version: str) -> None:
        raise Trouble("not ready")

    monkeypatch.setattr(cluster, "deploy", broken)
    assert run.main(["v2", *QUICK[:-1]]) == run.NOT_JUDGED
    assert clean(world, 0)
    assert {weight for _, weight in world.weights} == {0}
