"""What is said of a look."""

from __future__ import annotations

import json
import math

from c756.canary import report
from c756.canary.terms import Block, Counts, Kind, Verdict

ENDS = (10.0, 25.0)
BLOCKS = [Block(Counts(10, 1, 0, 9, (9, 0), 180.0), Counts(90, 0, 1, 90, (9, 9), 900.0))] * 2
NAMES = ("v2", "v1")


def test_a_line_has_both_versions_with_intervals_and_the_verdict() -> None:
    line = report.look_text("step 10 %", BLOCKS, ENDS, NAMES, Verdict(Kind.MORE_DATA, "300 more requests to it"))
    assert line == (
        "step 10 % | v2: 20 requests, 10.0% errors (2.8% to 30.1%), mean 20 ms, P99 10 to 25 ms"
        " | v1: 180 requests, 0.0% errors (0.0% to 2.1%), mean 10 ms, P99 over 25 ms"
        " | not enough data yet: 300 more requests to it"
    )


def test_a_version_without_requests() -> None:
    line = report.look_text("step 10 %", [Block()], (), NAMES, Verdict(Kind.NO_DATA, "no traffic"))
    assert line == "step 10 % | v2: no request | v1: no request | no data: no traffic"


def test_an_object_for_programs_is_json_without_infinity() -> None:
    found = report.look_object(
        "step 10 %", 10, BLOCKS, ENDS, NAMES, Verdict(Kind.MORE_DATA, "why", missing=300, wait=math.inf)
    )
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text)["v2"]["errorRate"] == 0.1
    assert json.loads(text)["v1"]["p99Millis"] == [25, None]
    assert (found["verdict"], found["missing"], found["waitSeconds"]) == ("not enough data yet", 300, None)
    empty = report.look_object("step 10 %", 10, [], (), NAMES, Verdict(Kind.NO_DATA, "why"))
    assert empty["v2"]["errorRate"] is None
    assert empty["v2"]["p99Millis"] is None
