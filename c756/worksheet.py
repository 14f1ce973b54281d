"""The worksheet of the exercise's analysis: questions with blanks, and the measured data to compare answers with. Pure.

A blank is a line `Answer KEY: ____` in worksheet.md; everything behind the colon is the answer. The data stand in one
block of JSON at the end. Rates are requests per second over the window, each rounded by itself to 0.001
(graph/report.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from c756.trouble import Trouble

BLANK = "____"
PICTURE = "worksheet.svg"
VERSIONS = ("v1", "v2")
DATASTORE = "cmpt756db"
KINDS = ("successful", "first type", "second type")
"""The categories of question 7. What the two types are is question 4, so their names are not given away."""

NUMBERS = ("2", "3", "5", *(f"7 {version} {kind}" for version in VERSIONS for kind in KINDS))
KEYS = ("1", "2", "3", "4 first type", "4 second type", "4 why", "5", "6", *NUMBERS[3:])
"""Every answer, in the order of the sheet."""

_ANSWER = re.compile(r"^Answer ([^:\n]+):[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_DATA = re.compile(r"^```json c756-worksheet\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"(\d+(?:\.(\d+))?) *(?:/s|rps|requests/s|requests per second)?", re.IGNORECASE)
_QUESTIONS = """\
# Worksheet: where the requests go

The music service `{service}` in `{namespace}`, {minutes} minutes up to {end} UTC.

![The zoomed graph: {service}, who asks it, and whom it asks]({picture})

Each answer stands in a line of its own: write it behind the colon, in the place of `{blank}`. Rates are requests per
second, as the picture or the report has them (`make -f k8s.mak report`); give two decimals at least. When all
is filled in: `make -f k8s.mak submission STUDENT=301234567`.

## 1. The picture

The picture above shows the service in the middle, with every rate readable. You may name a screen shot of your own here
(double click on the box in the graph), a file beside this one that ends in .png, .jpg or .svg.

Answer 1: {picture}

## 2. What comes in

At which rate do requests come in to the music service in all, from Gatling (through the ingress gateway) and from
Prometheus together?

Answer 2: {blank}

## 3. What goes out

At which rate do requests go from the music service, both versions together, to `{datastore}`?

Answer 3: {blank}

## 4. The difference

Your answer to 2 is larger than that to 3: two types of requests are not passed on to `{datastore}`. Which are they, and
why are they not passed on?

Answer 4 first type: {blank}
Answer 4 second type: {blank}
Answer 4 why: {blank}

## 5. From the Service to its versions

At which rate do requests go from the Service (the triangle `{service}`) to v1 and v2, added up?

Answer 5: {blank}

## 6. What is it equal to

Is your answer to 5 the same as the one to 2, or the same as the one to 3, give or take the rounding? Write 2 or 3.

Answer 6: {blank}

## 7. Each version

For each version: the rate of the requests that were answered successfully, and those of the two types that you named
in 4, in that order.

{each}
## The data

What was measured, for whoever compares. Please leave it as it is.

```json c756-worksheet
{data}
```
"""


@dataclass(frozen=True)
class Number:
    """A rate as somebody wrote it."""

    value: float  # requests per second
    decimals: int

    @property
    def unit(self) -> float:
        """How far off rounding may have put it. Who writes 0 means that there are none, not less than one half."""
        return 0.5 * 10.0 ** -(self.decimals if self.value else max(self.decimals, 2))


def measured(report: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a sheet, from the JSON of `python -m graph report`. Raises Trouble if a version got nothing."""
    versions = {version["version"]: version for version in report["versions"]}
    idle = [name for name in VERSIONS if name not in versions or versions[name]["in"]["gateway"]["requests"] <= 0]
    if idle:
        raise Trouble(
            f"the window holds no requests to {' and '.join(idle)}: there is nothing to analyse yet",
            "Load and both versions are needed: tools/gatling.sh 5 ReadMusicSim, tools/s2ver.sh v2; ask again after a "
            "while, or name the window: LAST=5m",
        )
    return {
        "format": 1,
        "namespace": report["namespace"],
        "service": report["service"],
        "window": report["window"],
        "in": report["total"]["in"]["total"]["rate"],
        "out": report["total"]["out"]["services"].get(DATASTORE, {"rate": 0.0})["rate"],
        "versions": {
            name: {
                "total": versions[name]["in"]["total"]["rate"],
                "successful": versions[name]["in"]["success"]["rate"],
                "rejected": versions[name]["in"]["failed"]["rate"],
                "metrics": versions[name]["in"]["metrics"]["rate"],
            }
            for name in VERSIONS
        },
    }


def sheet(data: Mapping[str, Any]) -> str:
    """The text of worksheet.md, blank."""
    each = "\n".join("".join(f"Answer 7 {version} {kind}: {BLANK}\n" for kind in KINDS) for version in VERSIONS)
    return _QUESTIONS.format(
        service=data["service"],
        namespace=data["namespace"],
        minutes=f"{data['window']['seconds'] / 60:g}",
        end=datetime.fromtimestamp(data["window"]["end"], UTC).strftime("%Y-%m-%d %H:%M:%S"),
        picture=PICTURE,
        blank=BLANK,
        datastore=DATASTORE,
        each=each,
        data=json.dumps(data, indent=1),
    )


def answers(text: str) -> dict[str, str]:
    """What stands behind each `Answer KEY:`, blanks and missing ones as the empty text."""
    found = {re.sub(r"\s+", " ", key.strip()): value for key, value in _ANSWER.findall(text)}
    return {key: "" if found.get(key, "").strip("_ ") == "" else found[key] for key in KEYS}


def data_of(text: str) -> dict[str, Any]:
    """The data block of a sheet. Raises Trouble if it is gone, or spoilt."""
    block = _DATA.search(text)
    try:
        found: dict[str, Any] = json.loads(block[1]) if block else {}
    except json.JSONDecodeError as error:
        raise Trouble(f"the data block is no JSON any more: {error}", _AGAIN) from None
    if found.get("format") != 1 or not {"in", "out", "versions", "window"} <= found.keys():
        raise Trouble("the data block at the end of the sheet is not there", _AGAIN)
    return found


_AGAIN = "Make a new sheet (FORCE=1 make -f k8s.mak worksheet), and copy your answers into it"


def number(text: str) -> Number | None:
    """A rate: digits, a point, perhaps `/s` behind it. None for anything else."""
    found = _NUMBER.fullmatch(text.strip())
    return Number(float(found[1]), len(found[2] or "")) if found else None


def kind_of(text: str) -> str:
    """Which type of request somebody means: `metrics`, `rejected`, or nothing that we know."""
    words = text.lower()
    is_metric = any(word in words for word in ("metric", "prometheus", "scrape", "monitoring"))
    is_rejected = any(word in words for word in ("reject", "fail", "error", "500", "refus"))
    if is_metric == is_rejected:
        return ""
    return "metrics" if is_metric else "rejected"


# -- do the answers agree with each other? ----------------------------------------------------------------------------

SKEW = 0.02
"""By how much what came in and what went out may differ beyond rounding: two sidecars count them, read at different
moments (report.REST of the graph)."""


def disagreements(given: Mapping[str, str]) -> list[str]:
    """What is blank, no number, or does not go together; a sentence each. Says nothing of right or wrong."""
    found = [f"answer {key} is blank" for key, text in given.items() if not text]
    numbers = {key: number(given[key]) for key in NUMBERS if given[key]}
    found += [f'answer {key} is no rate: "{given[key]}". Write it like 4.53' for key, n in numbers.items() if n is None]
    if given["6"] and given["6"] not in ("2", "3"):
        found.append(f'answer 6 is "{given["6"]}". Write 2 or 3')
    first, second = given["4 first type"], given["4 second type"]
    if first and first.strip().lower() == second.strip().lower():
        found.append("answer 4 names the same type twice")
    if found:
        return found
    return list(_sums({key: one for key, one in numbers.items() if one is not None}, given["6"]))


def _sums(numbers: Mapping[str, Number], equal_to: str) -> Iterable[str]:
    parts = [numbers[key] for key in NUMBERS[3:]]
    if not _agree([numbers["5"]], parts):
        yield f"the six rates of 7 add up to {_total(parts):.2f}, and answer 5 is {numbers['5'].value:g}"
    if not _agree([numbers["5"]], [numbers[equal_to]]):
        yield f"answer 6 says that 5 equals {equal_to}, but {numbers['5'].value:g} is not {numbers[equal_to].value:g}"
    others = [numbers[f"7 {version} {kind}"] for version in VERSIONS for kind in KINDS[1:]]
    skew = SKEW * numbers["2"].value
    if not _agree([numbers["2"]], [numbers["3"], *others], skew):
        yield (
            f"answer 2 less answer 3 is {numbers['2'].value - numbers['3'].value:.2f}, and the two types of 7 that are "
            f"not passed on add up to {_total(others):.2f}"
        )


def _agree(left: Sequence[Number], right: Sequence[Number], more: float = 0.0) -> bool:
    """Two sums are the same within their rounding."""
    slack = sum(one.unit for one in (*left, *right)) + more + 1e-9
    return abs(_total(left) - _total(right)) <= slack


def _total(numbers: Iterable[Number]) -> float:
    return sum(one.value for one in numbers)


# -- are they right? --------------------------------------------------------------------------------------------------


def expected(data: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, float]:
    """The right numbers by key. Which type is which in 7 is as the person named them in 4, as far as that is clear."""
    is_metric_first = kind_of(given["4 first type"]) == "metrics" or kind_of(given["4 second type"]) == "rejected"
    order = ("successful", *(("metrics", "rejected") if is_metric_first else ("rejected", "metrics")))
    versions = data["versions"]
    reached = sum(versions[version]["total"] for version in VERSIONS)
    return {"2": data["in"], "3": data["out"], "5": reached} | {
        f"7 {version} {kind}": versions[version][what]
        for version in VERSIONS
        for kind, what in zip(KINDS, order, strict=True)
    }


def verdicts(data: Mapping[str, Any], given: Mapping[str, str], tolerance: float) -> dict[str, str]:
    """By question: `ok`, `blank`, or what is off. `tolerance`: a share of the right rate; 0.01/s are always allowed."""
    right = expected(data, given)
    found = {key: _verdict(given[key], right[key], tolerance) for key in NUMBERS}
    types = {kind_of(given["4 first type"]), kind_of(given["4 second type"])}
    found["4"] = _word(given["4 first type"] and given["4 second type"], types == {"metrics", "rejected"})
    found["6"] = _word(given["6"], given["6"] == "2")
    return {key: found[key] for key in ("2", "3", "4", "5", "6", *NUMBERS[3:])}


def _verdict(text: str, right: float, tolerance: float) -> str:
    one = number(text)
    if one is None:
        return _word(text, False)
    slack = max(0.01, tolerance * right) + one.unit
    return "ok" if abs(one.value - right) <= slack else f"{one.value:g}, not {right:.3f}"


def _word(text: str, right: bool) -> str:
    return "blank" if not text else "ok" if right else "wrong"
