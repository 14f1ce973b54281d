"""tools/routes.sh: first routes where there are none; those that are in force stay, also in a cluster of before."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.conftest import StandIns

ALL = ("cmpt756s1", "cmpt756s2-weights", "cmpt756s2", "cmpt756s2-mesh", "cmpt756db")
ROUTE = '[{"destination":{"host":"h","subset":"v1"},"weight":70},{"destination":{"host":"h"},"weight":30}]'


def existing(cluster: StandIns, *names: str) -> None:
    lines = (f"virtualservice.networking.istio.io/{name}\n" for name in names)
    cluster.answer("get virtualservices.networking.istio.io -o name", "".join(lines))


def applied(cluster: StandIns, checkout: Path) -> list[str]:
    done = cluster.run("tools/routes.sh", cwd=checkout)
    assert done.returncode == 0, done.stderr
    return [call.removeprefix("kubectl apply -f ") for call in cluster.calls if "apply" in call]


def test_a_new_cluster_gets_them_all(standins: StandIns, checkout: Path) -> None:
    files = ("s2-vs-v1", "db-vs", "s1-vs", "s2-vs")
    assert applied(standins, checkout) == [f"cluster/{name}.yaml" for name in files]


def test_what_is_there_stays(standins: StandIns, checkout: Path) -> None:
    existing(standins, *ALL)
    assert applied(standins, checkout) == []


def test_weights_of_a_cluster_of_before_are_kept(standins: StandIns, checkout: Path) -> None:
    """There they stood in the roots; an object with weights, if there is one, was in force nowhere."""
    for names in ([name for name in ALL if name != "cmpt756s2-weights"], ALL):
        standins.forget()
        existing(standins, *names)
        standins.answer("get virtualservice/cmpt756s2 --ignore-not-found -o jsonpath={.spec.http.0..route}", ROUTE)
        assert applied(standins, checkout) == ["-", "cluster/s2-vs.yaml"]
        (piped,) = standins.stdin("apply -f -")
        assert not piped.lstrip().startswith("{"), "kubectl takes that for JSON"
        made = yaml.safe_load(piped)
        assert made["metadata"] == {"name": "cmpt756s2-weights", "namespace": "c756ns"}
        assert made["spec"] == {"http": [{"route": yaml.safe_load(ROUTE)}]}
