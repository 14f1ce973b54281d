"""The worksheet: its blanks, what agrees with what, and what is right."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from c756 import worksheet
from c756.trouble import Trouble


def report(**more: dict[str, float]) -> dict[str, Any]:
    """What `python -m graph report` says after ten minutes of the exercise's load, 10 % of it to v2."""

    def version(name: str, success: float, failed: float, metrics: float = 0.033) -> dict[str, Any]:
        rates = {
            "success": success,
            "failed": failed,
            "metrics": metrics,
            "total": round(success + failed + metrics, 3),
        }
        inside = {part: {"rate": rate} for part, rate in rates.items()}
        return {"version": name, "in": {**inside, "gateway": {"requests": round((success + failed) * 600)}}}

    return {
        "namespace": "c756ns",
        "service": "cmpt756s2",
        "window": {"start": 1_699_999_400, "end": 1_700_000_000, "seconds": 600},
        "versions": [version("v1", 4.5, 0.0), version("v2", 0.251, 0.249)],
        "total": {"in": {"total": {"rate": 5.066}}, "out": {"services": {"cmpt756db": {"rate": 4.751}}}},
    }


DATA = worksheet.measured(report())
GOOD = {
    "2": "5.07", "3": "4.75", "4 first type": "Metric requests", "4 second type": "requests that v2 rejects",
    "4 why": "they are answered by the music service itself", "5": "5.07", "6": "2",
    "7 v1 successful": "4.50", "7 v1 first type": "0.03", "7 v1 second type": "0",
    "7 v2 successful": "0.25", "7 v2 first type": "0.03 /s", "7 v2 second type": "0.25 requests/s",
}  # fmt: skip


def filled(**changed: str) -> str:
    """A sheet with these answers; keys with _ for blanks."""
    text = worksheet.sheet(DATA)
    for key, value in {**GOOD, **{key.replace("_", " ").strip(): value for key, value in changed.items()}}.items():
        assert text.count(f"Answer {key}: ____") == 1, key
        text = text.replace(f"Answer {key}: ____", f"Answer {key}: {value}")
    return text


def given(**changed: str) -> dict[str, str]:
    return worksheet.answers(filled(**changed))


def test_a_fresh_sheet_is_blank_but_for_the_picture() -> None:
    text = worksheet.sheet(DATA)
    assert worksheet.answers(text) == {key: worksheet.PICTURE if key == "1" else "" for key in worksheet.KEYS}
    assert worksheet.data_of(text) == DATA
    assert "2023-11-14 22:13:20 UTC" in text
    assert len(worksheet.disagreements(worksheet.answers(text))) == len(worksheet.KEYS) - 1


def test_the_questions_do_not_give_the_types_away() -> None:
    questions = worksheet.sheet(DATA).split("## The data")[0].lower()
    assert "reject" not in questions
    assert "metric" not in questions


def test_good_answers_agree_and_are_right() -> None:
    assert worksheet.disagreements(given()) == []
    assert set(worksheet.verdicts(DATA, given(), 0.02).values()) == {"ok"}


def test_the_types_may_come_in_either_order() -> None:
    other = given(
        _4_first_type="failed requests", _4_second_type="scrapes by Prometheus",
        _7_v1_first_type="0.00", _7_v1_second_type="0.03", _7_v2_first_type="0.25", _7_v2_second_type="0.03",
    )  # fmt: skip
    assert worksheet.disagreements(other) == []
    assert set(worksheet.verdicts(DATA, other, 0.02).values()) == {"ok"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"_3": "____"}, "answer 3 is blank"),
        ({"_4_why": ""}, "answer 4 why is blank"),
        ({"_2": "five"}, 'answer 2 is no rate: "five"'),
        ({"_2": "-5.07"}, 'answer 2 is no rate: "-5.07"'),
        ({"_6": "both"}, 'answer 6 is "both"'),
        ({"_4_second_type": "metric requests"}, "answer 4 names the same type twice"),
        ({"_7_v1_successful": "4.00"}, "the six rates of 7 add up to 4.56, and answer 5 is 5.07"),
        ({"_6": "3"}, "answer 6 says that 5 equals 3, but 5.07 is not 4.75"),
        ({"_3": "4.10"}, "answer 2 less answer 3 is 0.97"),
    ],
)
def test_what_does_not_go_together_is_said(changed: dict[str, str], said: str) -> None:
    (found,) = worksheet.disagreements(given(**changed))
    assert said in found


def test_rounding_is_no_disagreement() -> None:
    """Six parts of two decimals may add up to 0.03 more or less than their sum."""
    assert worksheet.disagreements(given(_5="5.04", _2="5.04")) == []
    assert worksheet.disagreements(given(_5="5.00", _2="5.00")) != []
    assert worksheet.disagreements(given(_5="5.1", _2="5.07")) == [], "one decimal is worth less"


@pytest.mark.parametrize(
    ("changed", "key", "verdict"),
    [
        ({"_2": "4.80"}, "2", "4.8, not 5.066"),
        ({"_6": "3"}, "6", "wrong"),
        ({"_4_first_type": "requests by night"}, "4", "wrong"),
        ({"_5": ""}, "5", "blank"),
        ({"_7_v2_successful": "0.30"}, "7 v2 successful", "0.3, not 0.251"),
    ],
)
def test_what_is_wrong_is_named_with_the_right_rate(changed: dict[str, str], key: str, verdict: str) -> None:
    found = worksheet.verdicts(DATA, given(**changed), 0.02)
    assert {question: word for question, word in found.items() if word != "ok"} == {key: verdict}


def test_a_wider_tolerance_lets_more_pass() -> None:
    assert worksheet.verdicts(DATA, given(_2="4.80"), 0.06)["2"] == "ok"


def test_a_window_without_one_of_the_versions_is_nothing_to_analyse() -> None:
    alone = copy.deepcopy(report())
    alone["versions"].pop()
    with pytest.raises(Trouble, match="no requests to v2"):
        worksheet.measured(alone)


def test_a_spoilt_data_block_is_told() -> None:
    for text in ("no block", filled().replace('"format": 1', '"format": 2'), filled().replace('"in": 5.066', '"in": ')):
        with pytest.raises(Trouble, match="data block"):
            worksheet.data_of(text)


def test_the_data_are_what_the_report_says() -> None:
    assert (DATA["in"], DATA["out"]) == (5.066, 4.751)
    assert DATA["versions"]["v2"] == {"total": 0.533, "successful": 0.251, "rejected": 0.249, "metrics": 0.033}
    assert json.loads(json.dumps(DATA)) == DATA
