"""The course's commands, typed in their order; questions 2 to 7 of its analysis, read from the report."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import requests

from c756 import worksheet
from tests.e2e.cluster import NAMESPACE, Cluster
from tests.e2e.load import Load
from tests.e2e.test_switch import as_it_was, set_percent_error, set_weights
from tests.pocket.api.test_prompt import said

__all__ = ["as_it_was"]  # a fixture

LAST = "60s"
PATIENCE = 240.0  # seconds until a window holds steady load, and a reading of each pod by Prometheus


def report(cluster: Cluster) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cluster.output("make", "-f", "k8s.mak", "report", f"LAST={LAST}", "FORMAT=json"))
    return found


def filled(cluster: Cluster) -> str:
    """A new worksheet, filled in with what its data say."""
    cluster.make("worksheet", f"LAST={LAST}", "FORCE=1")
    text = (cluster.root / "worksheet.md").read_text()
    assert (cluster.root / "worksheet.svg").read_text().startswith("<svg")
    data = worksheet.data_of(text)
    given = {"4 first type": "metric requests", "4 second type": "rejected requests", "4 why": "by itself", "6": "2"}
    right = {key: f"{value:.3f}" for key, value in worksheet.expected(data, given).items()}
    for key, value in {**given, **right}.items():
        text = text.replace(f"Answer {key}: {worksheet.BLANK}", f"Answer {key}: {value}")
    return text


def hand_in(cluster: Cluster) -> None:
    """Until the window holds steady load: what comes in and what goes out then agree."""
    end = time.monotonic() + PATIENCE
    while True:
        (cluster.root / "worksheet.md").write_text(filled(cluster))
        done = cluster.run("make", "-f", "k8s.mak", "submission", "STUDENT=301234567", check=False)
        if done.returncode == 0:
            return
        assert time.monotonic() < end, done.stderr
        time.sleep(5)


def check_prompt(cluster: Cluster) -> None:
    """A shell in a pod says where it is, as the course prints it."""
    pods = ("-n", NAMESPACE, "get", "pods", "-l", "version=v2", "-o", "jsonpath={.items[0].metadata.name}")
    pod = cluster.kubectl(*pods).strip()
    shell = ["kubectl", "exec", "-it", "-n", NAMESPACE, pod, "-c", "cmpt756s2", "--", "bash"]
    prompt = f"root@{pod}:/code# "
    assert prompt in said(shell, cluster.root, cluster.env, prompt)


@pytest.mark.usefixtures("as_it_was")
def test_the_course_in_order(cluster: Cluster) -> None:
    nothing_of_version_2(cluster)
    with Load(cluster.song_urls, cluster.token, clients=4, pause=0.2):
        said = cluster.run("env", "S2_VER=v2", "make", "-e", "-f", "k8s.mak", "s2").stdout
        assert "music is served by: v1 90 %, v2 10 %" in said.splitlines()[-1]
        exec_v2 = ("exec", "-n", NAMESPACE, "deploy/cmpt756s2-v2", "-c", "cmpt756s2", "--", "cat", "app.py")
        assert "PERCENT_ERROR = 50" in cluster.kubectl(*exec_v2)
        check_prompt(cluster)

        answer = report(cluster)
        end = time.monotonic() + PATIENCE
        while not all(one["in"]["metrics"]["rate"] > 0 and one["in"]["success"]["rate"] > 0.1 for one in both(answer)):
            assert time.monotonic() < end, answer
            time.sleep(3)
            answer = report(cluster)
        check_questions(answer)
        hand_in(cluster)
        assert (cluster.root / "301234567-e7-submission.pdf").read_bytes().startswith(b"%PDF-")
        (cluster.root / "sheets").mkdir()
        (cluster.root / "worksheet.md").rename(cluster.root / "sheets" / "worksheet.md")
        table = cluster.output("tools/check-worksheets.sh", "sheets").splitlines()
        assert table[1].split()[:3] == ["worksheet.md", "11", "11"]

        cluster.run("tools/s2ver.sh", "v1")
        set_percent_error(cluster, 0)
        cluster.run("tools/s2ver.sh", "v2")
        assert "PERCENT_ERROR = 0" in cluster.kubectl(*exec_v2)
        set_weights(cluster, 0, 100)
        assert "music is served by: v2 100 %" in cluster.output("tools/s2ver.sh", "v2").splitlines()[-1]
        cluster.kubectl("-n", NAMESPACE, "delete", "deploy/cmpt756s2-v1")
    headers = {"Authorization": f"Bearer {cluster.token}"}
    assert {requests.get(url, headers=headers, timeout=10).status_code for url in cluster.song_urls[:20]} == {200}

    cluster.make("scratch")
    assert requests.get(f"{cluster.base}/kiali/", timeout=10).status_code == 200
    graph = requests.get(f"{cluster.base}/kiali/api/namespaces/graph?namespaces={NAMESPACE}&duration=60s", timeout=20)
    assert graph.status_code == 200, graph.text
    assert requests.get(cluster.song_urls[0], headers=headers, timeout=10).status_code == 404
    cluster.make("deploy")
    cluster.make("loader")
    assert requests.get(cluster.song_urls[0], headers=headers, timeout=10).status_code == 200


def nothing_of_version_2(cluster: Cluster) -> None:
    """Until the window holds nothing of what another test had version 2 do, perhaps crash."""
    end = time.monotonic() + PATIENCE
    while any(one["version"] == "v2" and one["in"]["total"]["requests"] for one in report(cluster)["versions"]):
        assert time.monotonic() < end
        time.sleep(3)


def both(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Version 1 and version 2; what got nothing in the window as something that got nothing."""
    found = {one["version"]: one for one in answer["versions"]}
    nothing = {"in": {part: {"rate": 0.0} for part in ("metrics", "success")}}
    return [found.get(version, nothing) for version in ("v1", "v2")]


def check_questions(answer: dict[str, Any]) -> None:
    total = answer["total"]
    incoming, outgoing = total["in"]["total"]["rate"], total["out"]["services"]["cmpt756db"]["rate"]  # 2 and 3
    assert outgoing < incoming
    types = total["notPassedOn"]  # 4
    assert types["metrics"]["rate"] > 0
    assert types["rejected"]["rate"] > 0
    assert abs(types["rest"]["rate"]) < 0.05 * incoming, types
    versions = both(answer)
    parts = [one["in"][part]["rate"] for one in versions for part in ("success", "failed", "metrics")]  # 7
    assert sum(parts) == pytest.approx(incoming, abs=0.001)  # 5 and 6: it is the answer to 2
    v1, v2 = versions
    assert v1["in"]["failed"]["rate"] == 0
    assert {row["code"] for row in v2["codes"] if row["from"] == "gateway"} == {"200", "500"}, v2["codes"]
    assert v2["in"]["failed"]["rate"] == pytest.approx(v2["notPassedOn"]["rejected"]["rate"]), v2
    assert v2["out"]["total"]["rate"] < 0.9 * v2["in"]["gateway"]["rate"], "what is rejected does not go on"
