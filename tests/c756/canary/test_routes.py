"""The routes of a canary, in both forms: rules with a match (the gateway's), and without (a delegate's)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from c756.canary import routes
from c756.canary.routes import Extras, Json, Split

HOST = "cmpt756s2.c756ns.svc.cluster.local"
SPLIT = Split(routes.names_of("cmpt756s2", "c756ns"), "v1", "v2")
MATCH = [{"uri": {"prefix": "/api/v1/music"}}]
RETRIES = {"attempts": 2, "retryOn": "connect-failure"}


def rule(first: int = 100, second: int = 0, match: list[Json] | None = MATCH, host: str = HOST) -> Json:
    made: Json = {
        "route": [
            {"destination": {"host": host, "subset": "v1", "port": {"number": 30001}}, "weight": first},
            {"destination": {"host": host, "subset": "v2", "port": {"number": 30001}}, "weight": second},
        ],
        "retries": RETRIES,
    }
    return made if match is None else {"match": match, **made}


def service(name: str, *rules: Json) -> Json:
    return {"metadata": {"name": name, "namespace": "c756ns"}, "spec": {"hosts": ["*"], "http": list(rules)}}


def at(weight: int) -> Split:
    return Split(SPLIT.hosts, SPLIT.stable, SPLIT.canary, weight)


def shares(made: Json) -> dict[str, int]:
    return {route["destination"]["subset"]: route["weight"] for route in made["route"]}


FULL = Extras(mirror=10, header=("x-canary", "yes"), session="abcd", before=5)


def test_carriers_are_those_that_share_between_both_whatever_the_weights() -> None:
    other = service("a-other", {"route": [{"destination": {"host": "cmpt756db"}}]})
    mesh, gateway = service("mesh", rule(match=None, host="cmpt756s2")), service("gateway", rule(90, 10))
    assert [one["metadata"]["name"] for one in routes.carriers([other, mesh, gateway], SPLIT)] == ["gateway", "mesh"]
    assert routes.carriers([other, {"metadata": {"name": "tcp"}, "spec": {"tcp": []}}], SPLIT) == []


def test_the_weight_of_a_service() -> None:
    assert routes.weight(service("one", rule(90, 10)), SPLIT) == 10
    assert routes.weight(service("one", rule(90, 10), rule(80, 20)), SPLIT) is None
    assert routes.weight(service("one", rule(50, 10)), SPLIT) is None


def test_the_versions_that_serve() -> None:
    assert routes.serving([service("one", rule())], SPLIT.hosts) == {"v1": 100, "v2": 0}
    assert (
        routes.serving([service("one", {"route": [{"destination": {"host": HOST, "subset": "v1"}}]})], SPLIT.hosts)
        == {}
    )


def test_weights_are_set_and_nothing_else() -> None:
    untouched = {"match": [{"uri": {"prefix": "/other"}}], "route": [{"destination": {"host": "other"}}]}
    made = routes.rules([rule(), untouched], at(25))
    assert made == [rule(75, 25), untouched]


@pytest.mark.parametrize("match", [MATCH, None])
@pytest.mark.parametrize("weight", [0, 10, 100])
def test_nothing_is_left_of_the_extras(match: list[Json] | None, weight: int) -> None:
    before = [rule(match=match)]
    during = routes.rules(before, at(10), FULL)
    assert len(during) > 1
    assert before == [rule(match=match)]  # not changed in place
    assert routes.rules(during, at(weight)) == [rule(100 - weight, weight, match=match)]
    assert routes.rules(routes.rules(during, at(50), FULL), at(50), FULL) == routes.rules(before, at(50), FULL)
    assert routes.cleaned(during) == [rule(90, 10, match=match)]


def test_headers_that_were_there_stay() -> None:
    own: Json = rule()
    own["route"][0]["headers"] = {"response": {"add": {"set-cookie": "mine=1"}}}
    assert routes.cleaned([own]) == [own]
    assert routes.rules([own], at(0)) == [own]


def test_testers_reach_the_canary_at_any_weight() -> None:
    made = routes.rules([rule()], at(0), Extras(header=("x-canary", "yes")))
    assert [one.get("name") for one in made] == ["canary-testers", None]
    assert made[0]["match"] == [{"uri": {"prefix": "/api/v1/music"}, "headers": {"x-canary": {"exact": "yes"}}}]
    assert shares(made[0]) == {"v1": 0, "v2": 100}
    assert shares(made[1]) == {"v1": 100, "v2": 0}
    assert made[0]["retries"] == RETRIES


def test_conditions_that_were_there_stay() -> None:
    match: list[Json] = [{"headers": {"x-tenant": {"exact": "a"}}}, {"uri": {"exact": "/"}}]
    (testers, _) = routes.rules([rule(match=match)], at(0), Extras(header=("x-canary", "yes")))
    assert testers["match"] == [
        {"headers": {"x-tenant": {"exact": "a"}, "x-canary": {"exact": "yes"}}},
        {"uri": {"exact": "/"}, "headers": {"x-canary": {"exact": "yes"}}},
    ]


def test_reads_are_mirrored_and_served_by_the_stable_version() -> None:
    made = routes.rules([rule()], at(0), Extras(mirror=10))
    assert made[0]["match"] == [{"uri": {"prefix": "/api/v1/music"}, "method": {"exact": "GET"}}]
    assert made[0]["mirror"] == {"host": HOST, "subset": "v2", "port": {"number": 30001}}
    assert made[0]["mirrorPercentage"] == {"value": 10}
    assert shares(made[0]) == shares(made[1]) == {"v1": 100, "v2": 0}
    assert "mirror" not in made[1]


def _served(made: list[Json], cookie: str | None) -> tuple[str, dict[str, int], dict[str, str]]:
    """The first rule that takes a caller with this cookie: its name, shares, and the cookies it sets."""
    for one in made:
        for match in one.get("match") or [{}]:
            wanted: Any = (match.get("headers") or {}).get("cookie")
            if wanted is None or (cookie is not None and re.fullmatch(wanted["regex"], cookie)):
                sets = {
                    route["destination"]["subset"]: route["headers"]["response"]["add"]["set-cookie"].split(";")[0]
                    for route in one["route"]
                    if "headers" in route
                }
                return one.get("name", ""), shares(one), sets
    raise AssertionError("no rule takes it")


def test_a_person_stays_with_one_version() -> None:
    made = routes.rules([rule()], at(10), Extras(session="abcd"))
    name, weights, sets = _served(made, None)
    assert (name, weights) == ("", {"v1": 90, "v2": 10})
    assert sets == {"v1": "c756-canary=v1.abcd.10", "v2": "c756-canary=v2.abcd"}
    assert _served(made, sets["v2"])[:2] == ("canary-stays", {"v1": 0, "v2": 100})
    assert _served(made, f"a=b; {sets['v1']}; c=d")[:2] == ("stable-stays", {"v1": 100, "v2": 0})
    assert _served(made, "c756-canary=v2.another")[0] == ""


def test_a_higher_step_moves_people_one_way_only_and_as_many_as_it_says() -> None:
    at_five = routes.rules([rule()], at(5), Extras(session="abcd"))
    sets = _served(at_five, None)[2]
    at_ten = routes.rules(at_five, at(24), Extras(session="abcd", before=5))
    assert _served(at_ten, sets["v2"])[:2] == ("canary-stays", {"v1": 0, "v2": 100})
    name, weights, fresh = _served(at_ten, sets["v1"])
    assert (name, weights) == ("canary-again", {"v1": 80, "v2": 20})  # 5 % + 20 % of 95 % = 24 %
    assert fresh["v1"] == "c756-canary=v1.abcd.24"


def test_with_everything_or_nothing_there_are_no_cookies() -> None:
    for weight in (0, 100):
        assert routes.rules([rule()], at(weight), Extras(session="abcd")) == [rule(100 - weight, weight)]
