"""A canary from beginning to end: the shell around the judge. `tools/canary.sh --help` says what people type."""

from __future__ import annotations

import getpass
import json
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from c756 import kubectl
from c756.canary import cluster, counts, plan, prometheus, report, routes, underway
from c756.canary.cluster import Edited, Taken, Traffic
from c756.canary.judge import in_turn, judge
from c756.canary.routes import Extras, Json, Split
from c756.canary.state import State
from c756.canary.steps import Next, Step
from c756.canary.terms import Block, Kind, Links, Verdict
from c756.trouble import Trouble

PROMOTED, ROLLED_BACK, WRONG, NOT_JUDGED = range(4)
SETTLE = 2.0  # seconds until every Envoy has new weights
LEASE = 60.0
DEPLOY_LEASE = 900.0
_RETRY = 2.0


class Interrupted(Exception):
    """^C, or asked to end."""


class WrongArguments(Trouble):
    """It cannot be meant."""


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    asked = plan.parse(arguments)
    try:
        if isinstance(asked, plan.Plan):
            return Run(asked).go()
        return {"status": underway.status, "abort": underway.abort, "refuse": underway.refuse}[asked]()
    except WrongArguments as trouble:
        print(f"canary: {trouble}", file=sys.stderr)
        return WRONG
    except (Trouble, ValueError) as trouble:
        print(f"canary: {trouble}", file=sys.stderr)
        return NOT_JUDGED


class Run:
    """One release."""

    def __init__(self, asked: plan.Plan) -> None:
        self.plan = asked
        self._stop = threading.Event()
        self._first: list[Block] = []  # the first step's
        self._unready = 0
        self._offset = 0.0
        self._worse = ""

    def go(self) -> int:
        """From beginning to end; the exit code. Raises Trouble where nothing was begun."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self._stop.set())
        kubectl.require()
        services = cluster.virtual_services()
        before = underway.find(services)
        if before and underway.is_alive(before):
            raise Trouble(f"{underway.described(before)}.", "Wait for it, or end it: tools/canary.sh abort")
        if before and (before.version != self.plan.version or before.verdict == Kind.WORSE):
            self._say(f"found {underway.described(before)}: rolling it back")
            underway.abort()
            return ROLLED_BACK
        split = Split(cluster.HOSTS, before.stable if before else self._stable(services), self.plan.version)
        self._prometheus = prometheus.find()
        self._offset = self._prometheus.time() - time.time()
        self._traffic = Traffic(split, routes.carriers(services, split))
        self._state = self._begun(split, before)
        self._traffic.write(self._state, weight=None if before else 0)
        try:
            return self._released(before)
        except Edited as trouble:
            return self._left(trouble)
        except Interrupted:
            return self._interrupted()
        except Trouble as trouble:
            return self._rolled_back(str(trouble), NOT_JUDGED)
        except Exception as error:  # a mistake of its own, or an answer that nobody thought of
            self._rolled_back(f"{type(error).__name__}: {error}", NOT_JUDGED)
            raise

    def _stable(self, services: Sequence[Json]) -> str:
        """The version with all of the traffic. Raises WrongArguments, Trouble."""
        weights = routes.serving(services, cluster.HOSTS)
        version = self.plan.version
        if not weights:
            raise Trouble("no VirtualService shares the service's traffic", "First routes: make -f k8s.mak routes")
        if version not in weights:
            raise WrongArguments(f'unknown version "{version}". The routes know: {", ".join(sorted(weights))}')
        if weights[version] == 100:
            raise WrongArguments(f"{version} has all of the traffic already: there is nothing to release")
        if 100 not in weights.values():
            shares = ", ".join(f"{name} {share} %" for name, share in weights.items())
            raise Trouble(f"the traffic is split by hand ({shares})", "First all of it to one: tools/s2ver.sh v1")
        return next(name for name, share in weights.items() if share == 100)

    def _begun(self, split: Split, before: State | None) -> State:
        user, host = getpass.getuser(), socket.gethostname()
        if before:
            self._say(f"found {underway.described(before)}: going on with it")
            return replace(
                before, user=user, host=host, pid=os.getpid(), lease=time.time() + LEASE, steps=self.plan.steps
            )
        if self.plan.deploy and not (kubectl.ROOT / f"cluster/s2-dpl-{split.canary}.yaml").exists():
            raise WrongArguments(f'unknown version "{split.canary}": there is no cluster/s2-dpl-{split.canary}.yaml')
        return State(
            id=secrets.token_hex(4), version=split.canary, stable=split.stable, phase="deploying", weight=0, step=0,
            steps=self.plan.steps, began=self._clock(), looked=self._clock(), next=self._clock(),
            lease=time.time() + DEPLOY_LEASE,
            user=user, host=host, pid=os.getpid(),
        )  # fmt: skip

    def _released(self, before: State | None) -> int:
        if before is None and self.plan.deploy:
            cluster.deploy(self.plan.version)
            if self._stop.is_set():
                raise Interrupted
        if before is None and self.plan.mirror is not None:
            following, why = self._step(0, 0, self._extras(0, mirror=True))
            if following is not Next.ADVANCE:
                return self._ended(following, why)
        previous = 0
        for number, weight in enumerate(self.plan.steps, start=1):
            comparable = number == len(self.plan.steps) - 1  # the last step needs one before it to compare with
            if before is None or weight >= before.weight or comparable:
                following, why = self._step(number, weight, self._extras(previous))
                if following is not Next.ADVANCE:
                    return self._ended(following, why)
            previous = weight
        self._retried(lambda: self._traffic.write(None, weight=100))
        self._event("CanaryPromoted", f"{self.plan.version} has everything")
        return self._end(PROMOTED, f"promoted: {self.plan.version} has all of the traffic")

    def _extras(self, previous: int, mirror: bool = False) -> Extras | None:
        wanted = Extras(
            mirror=self.plan.mirror if mirror else None,
            header=self.plan.header,
            session=self._state.id if self.plan.sticky else "",
            before=previous,
        )
        return wanted if wanted.mirror or wanted.header or wanted.session else None

    # -- one step

    def _step(self, number: int, weight: int, extras: Extras | None) -> tuple[Next, str]:
        """How the step ended, and why. Raises Edited, Interrupted, Trouble."""
        pace, mirrored = self.plan.pace, number == 0
        name = f"mirror {self.plan.mirror:g} %" if mirrored else f"step {weight} %"
        self._state = replace(
            self._state, phase="warming up" if mirrored else "judging", weight=weight, step=number,
            verdict="", why="", began=self._clock(), looked=self._clock(), next=self._clock() + SETTLE + pace.look,
            lease=time.time() + LEASE + pace.look,
        )  # fmt: skip
        self._retried(lambda: self._traffic.write(self._state, weight=weight, extras=extras))
        shares = f"{self._state.version} {weight} %, {self._state.stable} {100 - weight} %"
        self._event("CanaryStep", f"{name}: {shares}")
        step, look, began, blocks = Step(pace), 0, self._clock() + SETTLE, list[Block]()
        while True:
            look = max(look + 1, int((self._clock() - began) // pace.look))
            self._sleep_until(began + look * pace.look)
            blocks, bounds, links = self._measured(began, look, "destination" if mirrored else "source")
            compared = in_turn(self._first, blocks) if weight == 100 else blocks
            verdict = judge(compared, bounds, None if mirrored else weight / 100, self.plan.limits, links, step.tried)
            following = step.after(verdict, look * pace.look)
            self._worse = verdict.why if verdict.kind is Kind.WORSE else ""
            self._look(name, weight, compared, bounds, verdict)
            if following is Next.LOOK:
                self._beat(verdict)
                continue
            if not mirrored:
                self._first = self._first or blocks
            return following, f"{verdict.kind}: {verdict.why}"

    def _measured(self, began: float, look: int, reporter: str) -> tuple[list[Block], tuple[float, ...], Links]:
        """What both versions did since the step began, and whether the chain to these numbers is whole."""
        pace, version = self.plan.pace, self.plan.version
        links = Links(version, stale_after=pace.stale_after, look=pace.look)
        try:
            self._traffic.check(self._state)
            ready = cluster.ready_pods(version)
            self._unready = self._unready + 1 if ready == 0 else 0
            links = replace(links, deployed=ready is not None, unready_looks=self._unready)
        except Edited:
            raise
        except Trouble as trouble:
            links = replace(links, cluster=_first_line(trouble))
        selector = counts.selector(cluster.SERVICE, kubectl.NAMESPACE, reporter)
        try:
            series = self._prometheus.series(selector, began, began + look * pace.look)
        except Trouble as trouble:
            return [], (), replace(links, prometheus=_first_line(trouble))
        newest = counts.newest(series)
        links = replace(links, sample_age=None if newest is None else self._clock() - newest)
        found = counts.blocks(series, began, pace.look, look, version, self._traffic.split.stable)
        return found, counts.bounds(series), links

    def _beat(self, verdict: Verdict) -> None:
        """Writes the verdict to the annotation, and that somebody is at it."""
        pace = self.plan.pace
        self._state = replace(
            self._state, verdict=str(verdict.kind), why=verdict.why, looked=self._clock(),
            next=self._clock() + pace.look, lease=time.time() + LEASE + pace.look,
        )  # fmt: skip
        try:
            self._traffic.write(self._state)
        except Edited:
            raise
        except Trouble as trouble:  # the next look asks again
            self._say(f"the annotation was not written: {_first_line(trouble)}")

    # -- the ends

    def _ended(self, following: Next, why: str) -> int:
        if following is Next.ROLL_BACK:
            return self._rolled_back(why, ROLLED_BACK)
        return self._rolled_back(f"could not judge: {why}", NOT_JUDGED)

    def _interrupted(self) -> int:
        if self.plan.keep:
            going = f"tools/canary.sh {self.plan.version} goes on, tools/canary.sh abort rolls back"
            return self._end(NOT_JUDGED, f"interrupted; {self.plan.version} keeps {self._state.weight} %: {going}")
        return self._rolled_back("interrupted", ROLLED_BACK)

    def _rolled_back(self, why: str, code: int) -> int:
        """Everything to the stable version. A version that was judged worse is not left until that is done."""
        stable, version = self._state.stable, self.plan.version
        self._say(f"rolling back: {why}")
        limit = None if code == ROLLED_BACK else self.plan.pace.blind
        self._stop.clear()
        try:
            self._retried(lambda: self._traffic.write(None, weight=0), limit)
        except Edited as trouble:
            if not self._traffic.over(0):  # else it was this canary itself, and the answer was lost
                return self._left(trouble)
        except (Interrupted, Trouble) as trouble:
            reason = _first_line(trouble) or "interrupted"
            return self._end(
                NOT_JUDGED,
                f"NOT rolled back: {reason}. {version} may still have {self._state.weight} %. "
                f"When the cluster answers: tools/canary.sh abort",
            )
        self._event("CanaryRolledBack", f"{why}. {stable} has everything", warning=True)
        return self._end(code, f"rolled back: {stable} has all of the traffic, {version} runs on without ({why})")

    def _left(self, trouble: Edited) -> int:
        """Others have the routes now."""
        try:
            self._traffic.leave(self._state)
        except Trouble as more:
            self._say(f"what the canary had added may still be there: {_first_line(more)}")
        advice = f" {self.plan.version} was just judged worse: {self._worse}!" if self._worse else ""
        return self._end(NOT_JUDGED, f"stopped: {trouble}. The weights stay as they were set.{advice}")

    def _end(self, code: int, text: str) -> int:
        results = ("promoted", "rolled back", "wrong arguments", "could not judge")
        if self.plan.as_json:
            print(json.dumps({"event": "end", "result": results[code], "code": code, "why": text}), flush=True)
        else:
            self._say(text)
        return code

    # -- small things

    def _retried(self, write: Callable[[], None], limit: float | None = 30.0) -> None:
        """Until it is written; `limit` in seconds, None: for ever. Raises Edited, Interrupted, Trouble."""
        end = None if limit is None else time.monotonic() + limit
        while True:
            try:
                return write()
            except Edited:
                raise
            except Taken:
                self._traffic.check(self._state)  # only the status, say: the resourceVersion is known again then
            except Trouble as trouble:
                if end is not None and time.monotonic() > end:
                    raise
                self._say(f"trying again: {_first_line(trouble)}")
                self._sleep_until(self._clock() + _RETRY)
                try:
                    self._traffic.check(self._state)  # it may have been written, although the answer was lost
                except Edited:
                    raise
                except Trouble:
                    continue

    def _clock(self) -> float:
        return time.time() + self._offset

    def _sleep_until(self, at: float) -> None:
        if self._stop.wait(max(0.0, at - self._clock())):
            raise Interrupted

    def _event(self, reason: str, message: str, warning: bool = False) -> None:
        try:
            self._traffic.event(reason, message, warning)
        except Trouble as trouble:  # an event is news, no more
            self._say(f"no event for it: {_first_line(trouble)}")

    def _look(self, name: str, weight: int, blocks: Sequence[Block], bounds: Sequence[float], verdict: Verdict) -> None:
        names = (self.plan.version, self._traffic.split.stable)
        if self.plan.as_json:
            found: dict[str, Any] = report.look_object(name, weight, blocks, bounds, names, verdict)
            print(json.dumps({"at": round(time.time(), 1), **found}), flush=True)
        else:
            self._say(report.look_text(name, blocks, bounds, names, verdict))

    def _say(self, text: str) -> None:
        stream = sys.stderr if self.plan.as_json else sys.stdout
        print(f"{time.strftime('%H:%M:%S')}  {text}", file=stream, flush=True)


def _first_line(trouble: BaseException) -> str:
    return str(trouble).partition("\n")[0]
