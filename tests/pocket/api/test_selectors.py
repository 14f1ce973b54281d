from __future__ import annotations

import pytest

from pocket.api import selectors
from pocket.api.errors import ApiError
from pocket.objects import Obj
from pocket.schemas.kubernetes import kinds
from tests.pocket.api.known import KINDS

LABELS = {"app": "db", "version": "v1", "tier": ""}


@pytest.mark.parametrize(
    ("selector", "picks"),
    [
        ("", True),
        ("app=db", True),
        ("app==db,version=v1", True),
        ("app=db,version=v2", False),
        ("app!=db", False),
        ("missing!=x", True),
        ("app in (db,s1)", True),
        ("app in (s1, s2)", False),
        ("app notin (s1)", True),
        ("missing notin (x)", True),
        ("app", True),
        ("missing", False),
        ("!missing", True),
        ("!app", False),
        ("tier=", True),
        ("app in (db),version notin (v2),!missing", True),
    ],
)
def test_label_selectors(selector: str, picks: bool) -> None:
    assert selectors.labels_match(selectors.parse_labels(selector), LABELS) is picks


@pytest.mark.parametrize("selector", ["a=b=c", "app in db", "=x", "a,,b", "app in (a", "a b"])
def test_label_selectors_that_cannot_be_parsed(selector: str) -> None:
    with pytest.raises(ApiError) as caught:
        selectors.parse_labels(selector)
    assert caught.value.code == 400


def test_label_selector_of_an_object() -> None:
    selector = {
        "matchLabels": {"app": "db"},
        "matchExpressions": [
            {"key": "version", "operator": "In", "values": ["v1", "v2"]},
            {"key": "canary", "operator": "DoesNotExist"},
        ],
    }
    assert selectors.selector_matches(selector, LABELS)
    assert not selectors.selector_matches(selector, {**LABELS, "canary": ""})
    assert selectors.selector_matches({}, LABELS)
    assert not selectors.selector_matches(None, LABELS)


@pytest.mark.parametrize(
    ("selector", "picks"),
    [
        ("metadata.name=web", True),
        ("metadata.name!=web", False),
        ("status.phase=Running,spec.nodeName=here", True),
        ("status.phase!=Succeeded,status.phase!=Failed", True),
        ("spec.nodeName=", False),
    ],
)
def test_field_selectors(selector: str, picks: bool) -> None:
    pod: Obj = {"metadata": {"name": "web"}, "spec": {"nodeName": "here"}, "status": {"phase": "Running"}}
    assert selectors.fields_match(selectors.parse_fields(selector, KINDS["Pod"]), pod) is picks


def test_a_field_that_cannot_be_selected_on_is_refused_by_name() -> None:
    with pytest.raises(ApiError, match=r'field label not supported: "spec\.replicas"'):
        selectors.parse_fields("spec.replicas=1", KINDS["Deployment"])


def test_event_source_is_its_component() -> None:
    terms = selectors.parse_fields("source=kubelet", KINDS["Event"])
    assert selectors.fields_match(terms, {"metadata": {}, "source": {"component": "kubelet"}})


def test_a_field_that_stands_elsewhere_in_the_stored_object() -> None:
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "reportingComponent": "tester"}
    for asked in ("source=tester", "reportingController=tester", "reportingComponent=tester"):
        selects = selectors.predicate(KINDS["Event"], "", asked)
        assert selects is not None, asked
        assert selects(event), asked
    other = selectors.predicate(KINDS["Event"], "", "source=tester")
    assert other is not None
    assert not other({**event, "source": {"component": "other"}})


def test_plain_fields_of_kinds_that_are_only_kept_can_be_selected() -> None:
    requests = next(kind for kind in kinds() if kind.name == "CertificateSigningRequest")
    selects = selectors.predicate(requests, "", "spec.signerName=a/b")
    assert selects is not None
    head = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "r"}}
    assert selects({**head, "spec": {"signerName": "a/b"}})
    assert not selects({**head, "spec": {"signerName": "a/c"}})
    with pytest.raises(ApiError, match="field label not supported"):
        selectors.predicate(requests, "", "spec.nothing=a")
