from __future__ import annotations

import pytest

from pocket.mesh import names


@pytest.mark.parametrize(
    ("host", "full"),
    [
        ("reviews", "reviews.prod.svc.cluster.local"),
        ("reviews.other.svc.cluster.local", "reviews.other.svc.cluster.local"),
        ("example.com", "example.com"),
        ("*", "*"),
        ("*.example.com", "*.example.com"),
    ],
)
def test_a_short_name_belongs_to_the_namespace_of_its_object(host: str, full: str) -> None:
    assert names.fqdn(host, "prod") == full


@pytest.mark.parametrize(
    ("text", "length"),
    [("0", 0), ("10s", 10), ("1.5s", 1.5), ("100ms", 0.1), ("1h30m", 5400), ("2m", 120), ("500us", 0.0005)],
)
def test_durations(text: str, length: float) -> None:
    assert names.seconds(text) == pytest.approx(length)


@pytest.mark.parametrize("text", ["", "5", "s", "1 s", "-1s", "1d", "1s2", "s1"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        names.seconds(text)


@pytest.mark.parametrize(("text", "proto"), [("100ms", "0.1s"), ("1h", "3600s"), ("1.25s", "1.25s"), ("0s", "0s")])
def test_durations_as_protobuf_writes_them(text: str, proto: str) -> None:
    assert names.envoy_duration(text) == proto


def test_the_most_specific_pattern_wins() -> None:
    patterns = ["*", "*.com", "*.example.com", "a.example.com"]
    assert names.most_specific(patterns, "a.example.com") == "a.example.com"
    assert names.most_specific(patterns, "b.example.com") == "*.example.com"
    assert names.most_specific(patterns, "b.net") == "*"
    assert names.most_specific(patterns[1:], "b.net") is None


def test_export_to() -> None:
    obj = {"metadata": {"namespace": "a"}, "spec": {"exportTo": [".", "c"]}}
    assert [names.exported(obj, namespace) for namespace in "abc"] == [True, False, True]
    assert names.exported({"metadata": {"namespace": "a"}, "spec": {}}, "z")
