"""What provision installs into which cluster: the decisions, and the exact command lines against stand-ins."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import StandIns
from tests.tools.test_check_cluster import apis, has_everything, has_nothing, objects
from tools import addons, check_cluster
from tools.addons import AddonError, Chart, Release

ROOT = Path(__file__).resolve().parents[2]
CHARTS = addons.charts((ROOT / "cluster/addons/charts.txt").read_text())
NAMES = [chart.release for chart in CHARTS]
DEPLOYED = Release("deployed", 1)


def secret(name: str, status: str = "deployed", revision: int = 1) -> dict[str, Any]:
    return {"metadata": {"labels": {"owner": "helm", "name": name, "status": status, "version": str(revision)}}}


def names(found: list[Chart]) -> list[str]:
    return [chart.release for chart in found]


def test_the_table_of_charts() -> None:
    assert NAMES == ["istio-base", "istio-cni", "istiod", "istio-ingressgateway", "monitoring", "kiali"]
    assert set(NAMES) == {*addons.ISTIO, addons.PROMETHEUS, "kiali"}
    istio = {chart.version for chart in CHARTS if chart.release in addons.ISTIO}
    assert len(istio) == 1, "the parts of Istio belong together"
    for chart in CHARTS:
        assert re.fullmatch(r"\d+\.\d+\.\d+", chart.version), "pinned"
        assert chart.repository.startswith("https://")
        values = ROOT / "cluster/addons" / f"{chart.release}.yaml"
        assert isinstance(yaml.safe_load(values.read_text()), dict)
        assert values.read_text().startswith("# ")
    with pytest.raises(AddonError, match=r"charts.txt:2: four words"):
        addons.charts("# comment\nistio-base base\n")


def test_the_newest_revision_counts() -> None:
    items = [secret("istiod", "superseded"), secret("istiod", "pending-upgrade", 10), secret("istiod", "superseded", 9)]
    assert addons.releases({"items": items}) == {"istiod": Release("pending-upgrade", 10)}
    assert addons.releases({}) == {}


@pytest.mark.parametrize(
    ("ours", "istio", "kinds", "prometheus", "expected"),
    [
        # Somebody else's cluster that has it all, as pocket: nothing.
        ([], True, True, True, []),
        # An empty one: everything, in order.
        ([], False, False, False, NAMES),
        # Somebody else's Istio stays.
        ([], True, True, False, ["monitoring", "kiali"]),
        # Somebody else's Prometheus stays.
        ([], False, False, True, [*NAMES[:4], "kiali"]),
        # Ours, complete: all are looked at.
        (NAMES, True, True, True, NAMES),
        # Ours, broken off after the first part of Istio.
        (["istio-base"], False, True, False, NAMES),
        # Ours but for Prometheus; Kiali had failed.
        (NAMES[:4], True, True, True, [*NAMES[:4], "kiali"]),
    ],
)
def test_what_is_ours_to_install(
    ours: list[str], istio: bool, kinds: bool, prometheus: bool, expected: list[str]
) -> None:
    known = dict.fromkeys(ours, DEPLOYED)
    assert names(addons.wanted(CHARTS, known, istio=istio, istio_kinds=kinds, prometheus=prometheus)) == expected


def test_half_an_istio_of_somebody_else_is_refused() -> None:
    with pytest.raises(AddonError, match=r"not installed from here.*istio-ingressgateway"):
        addons.wanted(CHARTS, {}, istio=False, istio_kinds=True, prometheus=False)


def test_what_broke_off_is_ended_first() -> None:
    assert addons.repair("kiali", None) == []
    assert addons.repair("kiali", Release("failed", 2)) == []
    assert addons.repair("kiali", Release("pending-install", 1))[:2] == ["uninstall", "kiali"]
    assert addons.repair("kiali", Release("uninstalling", 2))[:2] == ["uninstall", "kiali"]
    assert addons.repair("kiali", Release("pending-upgrade", 3))[:2] == ["rollback", "kiali"]
    assert addons.repair("kiali", Release("pending-rollback", 4))[:2] == ["rollback", "kiali"]


def test_a_release_is_left_alone_only_if_nothing_differs() -> None:
    chart = CHARTS[0]
    listed = [{"name": chart.release, "chart": f"{chart.chart}-{chart.version}"}]
    assert addons.as_it_should_be(chart, DEPLOYED, listed, {"a": 1}, {"a": 1})
    assert addons.as_it_should_be(chart, DEPLOYED, listed, None, {})
    assert not addons.as_it_should_be(chart, DEPLOYED, listed, {"a": 1}, {"a": 2})
    assert not addons.as_it_should_be(chart, Release("failed", 1), listed, {"a": 1}, {"a": 1})
    older = [{"name": chart.release, "chart": f"{chart.chart}-1.0.0"}]
    assert not addons.as_it_should_be(chart, DEPLOYED, older, {"a": 1}, {"a": 1})


# --- the command lines -----------------------------------------------------------------------------------------------


@pytest.fixture
def empty(standins: StandIns) -> StandIns:
    """A cluster of a cloud without anything in it, and a helm, whose last chart completes it."""
    standins.program("helm")
    has_nothing(standins)
    has_everything(standins, after="helm upgrade --install kiali")
    standins.answer("get service istio-ingressgateway", 'LoadBalancer [{"hostname":"x.elb.amazonaws.com"}]')
    return standins


def installed(cluster: StandIns) -> None:
    """As after a first run."""
    has_everything(cluster)
    cluster.answer("get secrets -l owner=helm", json.dumps({"items": [secret(name) for name in NAMES]}))
    cluster.answer("get secret grafana-admin", "secret/grafana-admin\n")
    listed = [{"name": c.release, "chart": f"{c.chart}-{c.version}"} for c in CHARTS]
    cluster.answer("helm list", json.dumps(listed))
    for name in NAMES:
        values = yaml.safe_load((ROOT / f"cluster/addons/{name}.yaml").read_text())
        cluster.answer(f"helm get values {name} ", json.dumps(values))


def run(cluster: StandIns, checkout: Path, fails: bool = False) -> str:
    cluster.forget()
    done = cluster.run("make", "-f", "k8s.mak", "addons", cwd=checkout)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def changes(cluster: StandIns) -> list[str]:
    return [call for call in cluster.calls if re.search(r"helm (upgrade|uninstall|rollback)|apply|create|delete", call)]


def upgrade(chart: Chart, special: str = "") -> str:
    # helm would wait for the gateway's load balancer, too.
    wait = "" if chart.release == "istio-ingressgateway" else "--wait "
    more = f"--values cluster/addons/{chart.release}.{special}.yaml " if special else ""
    return (
        f"helm upgrade --install {chart.release} {chart.chart} --repo {chart.repository} --version {chart.version} "
        f"--namespace istio-system --create-namespace --reset-values --values cluster/addons/{chart.release}.yaml "
        f"{more}{wait}--timeout 300s"
    )


AFTERWARDS = ["kubectl apply -f cluster/addons/sidecars.yaml", "kubectl apply -k cluster/dashboards"]


def test_an_empty_cluster(empty: StandIns, checkout: Path) -> None:
    said = run(empty, checkout)
    expected = [upgrade(chart) for chart in CHARTS]
    expected.insert(NAMES.index("monitoring"), "kubectl create -f -")
    assert changes(empty) == [*expected, *AFTERWARDS]
    assert "istiod (istiod 1.31.4): installing, and waiting for its pods, at most 300 s" in said
    made = json.loads(empty.stdin("kubectl create -f -")[0])
    assert made["metadata"] == {"name": "grafana-admin", "namespace": "istio-system"}
    assert made["data"].keys() == {"admin-user", "admin-password"}
    assert made["data"]["admin-password"] not in said + "".join(empty.calls)


def test_a_second_run_changes_nothing(empty: StandIns, checkout: Path) -> None:
    installed(empty)
    said = run(empty, checkout)
    assert changes(empty) == AFTERWARDS
    assert said.count(" is there\n") == len(NAMES)


def test_changed_values_are_applied(empty: StandIns, checkout: Path) -> None:
    installed(empty)
    (checkout / "cluster/addons/kiali.yaml").write_text("server: {web_root: /graph}\n")
    run(empty, checkout)
    assert changes(empty) == [upgrade(CHARTS[-1]), *AFTERWARDS]


def test_values_in_several_files_are_one() -> None:
    layers = [{"a": {"b": 1, "c": 2}, "d": [1]}, None, {"a": {"c": 3}, "d": [2], "e": {}}]
    assert addons.merged(layers) == {"a": {"b": 1, "c": 3}, "d": [2], "e": {}}


def test_istio_cni_must_know_that_it_is_on_gke(empty: StandIns, checkout: Path) -> None:
    """Its nodes look for network plugins in a folder of their own: see istio-cni.gke.yaml."""
    empty.answer("get --raw /version", '{"gitVersion":"v1.35.0-gke.1234"}')
    run(empty, checkout)
    assert [call for call in changes(empty) if "gke" in call] == [upgrade(CHARTS[1], "gke")]
    installed(empty)
    empty.answer(
        "helm get values istio-cni ",
        '{"cni":{"cniBinDir":"/home/kubernetes/bin"},"global":{"platform":"gke"}}',
    )
    run(empty, checkout)
    assert changes(empty) == AFTERWARDS


def test_what_helm_does_not_wait_for_kubectl_does(empty: StandIns, checkout: Path) -> None:
    gateway = "rollout status deployment/istio-ingressgateway"
    prometheus = "wait --for=condition=Available prometheuses.monitoring.coreos.com/monitoring-prometheus"
    run(empty, checkout)
    calls = [call for call in empty.calls if re.search("rollout status|wait --for|helm upgrade", call)]
    expected = [upgrade(chart) for chart in CHARTS]
    expected.insert(4, f"kubectl --namespace istio-system {gateway} --timeout=300s")
    expected.insert(6, f"kubectl --namespace istio-system {prometheus} --timeout=300s")
    assert calls == expected
    empty.answer("rollout status deployment/istio-ingressgateway", "error: timed out\n", 1)
    empty.answer("get pods", "istio-ingressgateway-1 0/1 Pending\n")
    said = run(empty, checkout, fails=True)
    assert changes(empty) == [upgrade(chart) for chart in CHARTS[:4]]
    assert "timed out\nThe pods of istio-system:\nistio-ingressgateway-1 0/1 Pending" in said


def test_a_failure_stops_everything_and_shows_the_pods(empty: StandIns, checkout: Path) -> None:
    empty.answer("helm upgrade --install istiod", "Error: context deadline exceeded\n", 1)
    empty.answer("get pods", "istiod-1 0/1 Pending\n")
    said = run(empty, checkout, fails=True)
    assert changes(empty) == [upgrade(chart) for chart in CHARTS[:3]]
    assert "context deadline exceeded" in said
    assert "istiod-1 0/1 Pending" in said


def test_a_half_made_cluster(empty: StandIns, checkout: Path) -> None:
    empty.answer("get --raw /apis$", apis(check_cluster.ISTIO_KINDS))
    has_everything(empty, after="helm upgrade --install kiali")
    items = [secret("istio-base"), secret("istio-cni", "pending-install")]
    empty.answer("get secrets -l owner=helm", json.dumps({"items": items}))
    listed = [{"name": "istio-base", "chart": f"base-{CHARTS[0].version}"}]
    empty.answer("helm list", json.dumps(listed))
    empty.answer("helm get values istio-base", json.dumps({"defaultRevision": "default"}))
    run(empty, checkout)
    assert changes(empty)[:2] == [
        "helm uninstall istio-cni --namespace istio-system --wait --timeout 300s",
        upgrade(CHARTS[1]),
    ]


def test_no_helm_is_one_clear_line(empty: StandIns, checkout: Path) -> None:
    (empty.folder / "helm").unlink()
    empty.env["PATH"] = f"{empty.folder}:/usr/bin:/bin"
    said = run(empty, checkout, fails=True)
    assert "helm is not installed, and this cluster lacks istio-base and more: https://helm.sh" in said
    assert changes(empty) == []


def test_a_cluster_that_has_it_all_is_left_alone(empty: StandIns, checkout: Path) -> None:
    has_everything(empty)
    assert run(empty, checkout) == (
        'the cluster of context "aws756" has Istio with its ingress gateway, and Prometheus\n'
    )
    assert changes(empty) == []
    assert not any(call.startswith("helm") for call in empty.calls)


def test_what_is_missing_in_the_end_is_an_error(empty: StandIns, checkout: Path) -> None:
    has_everything(empty)
    empty.answer("get deployment/istio-ingressgateway", objects(gateway_pods=0))
    said = run(empty, checkout, fails=True)
    assert 'missing in the cluster of context "aws756": Istio\'s ingress gateway (Deployment istio' in said
    assert changes(empty) == []


def test_no_question_twice(empty: StandIns, checkout: Path) -> None:
    """They are asked at each `make up`."""
    has_everything(empty)
    run(empty, checkout)
    assert len(empty.calls) == len(set(empty.calls)) == 6


def test_no_answer_from_the_cluster(empty: StandIns, checkout: Path) -> None:
    empty.answer("get --raw /version", "connection refused\n", 1)
    said = run(empty, checkout, fails=True)
    assert "connection refused" in said
    assert 'context "aws756" cannot be asked' in said
    assert changes(empty) == []


def test_the_load_balancers_address_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter(["LoadBalancer ", "LoadBalancer ", 'LoadBalancer [{"ip":"20.1.2.3"}]'])
    monkeypatch.setattr("tools.addons.time.sleep", lambda seconds: None)
    monkeypatch.setattr(addons, "_run", lambda *words: "aws756" if "current-context" in words else next(answers))
    addons._wait_for_address()
    assert next(answers, None) is None
    assert capsys.readouterr().out == "waiting for the load balancer's address, at most 300 s\n"


@pytest.mark.parametrize(("context", "said"), [("aws756", "NodePort "), ("minikube", ""), ("kind-c756", "")])
def test_no_address_is_waited_for_where_none_comes(monkeypatch: pytest.MonkeyPatch, context: str, said: str) -> None:
    monkeypatch.setattr(addons, "_run", lambda *words: context if "current-context" in words else said)
    addons._wait_for_address()


def test_an_address_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addons, "PATIENCE", -1)
    monkeypatch.setattr(addons, "_run", lambda *words: "aws756" if "current-context" in words else "LoadBalancer ")
    with pytest.raises(AddonError, match=r"no address after .* describe service istio-ingressgateway"):
        addons._wait_for_address()


def test_provision_and_reinstate_limit_access_before_they_deploy() -> None:
    text = (ROOT / "k8s.mak").read_text()
    assert "\nprovision: addons access deploy\n" in text
    assert "\nreinstate: check-cluster access deploy\n" in text
