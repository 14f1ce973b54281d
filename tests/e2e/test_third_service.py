"""A third service, by the recipe of CONTRIBUTING.md: a folder, its objects, and one word."""

from __future__ import annotations

import shutil

import requests

from tests.e2e.cluster import Cluster

APP = """from flask import Flask, jsonify

from servicekit.config import BaseConfig
from servicekit.service import new_app


def create_app() -> Flask:
    app = new_app(
        service="cmpt756toy", version="v1", prefix="/api/v1/toy",
        config=BaseConfig(), check_ready=lambda: None, document={},
    )

    @app.get("/api/v1/toy/<toy_id>")
    def get_toy(toy_id: str):
        return jsonify({"toy_id": toy_id})

    return app
"""


def add_toy(cluster: Cluster) -> None:
    root = cluster.root
    (root / "toy").mkdir()
    (root / "toy/app.py").write_text(APP)
    (root / "toy/openapi.json").write_text("{}")
    dockerfile = (root / "s1/Dockerfile").read_text()
    (root / "toy/Dockerfile").write_text(dockerfile.replace("s1/", "toy/").replace("30000", "30007"))
    for part in ("svc", "dpl", "pdb", "sm", "vs"):
        text = (root / f"cluster/s1-{part}.yaml").read_text()
        for old, new in (("cmpt756s1", "cmpt756toy"), ("30000", "30007"), ("PIN_S1", "PIN_TOY"), ("v1/user", "v1/toy")):
            text = text.replace(old, new)
        (root / f"cluster/toy-{part}.yaml").write_text(text)
    for name in ("service-accounts", "policies", "network-policies"):
        file = root / f"cluster/{name}.yaml"
        ours = [part for part in file.read_text().split("\n---\n") if "\n  name: cmpt756s1\n" in part]
        text = "\n---\n".join([file.read_text().rstrip(), *ours[:1]])
        (before, mine) = text.rsplit("\n---\n", 1) if ours else (text, "")
        toy = mine.replace("cmpt756s1", "cmpt756toy").replace("v1/user", "v1/toy").replace("30000", "30007")
        file.write_text(f"{before}\n---\n{toy}\n" if ours else f"{before}\n")
    makefile = root / "k8s.mak"
    makefile.write_text(makefile.read_text().replace("SERVICES := db s1 s2\n", "SERVICES := db s1 s2 toy\n"))


def test_a_third_service_is_a_folder_its_objects_and_one_word(cluster: Cluster) -> None:
    changed = ("k8s.mak", *(f"cluster/{name}.yaml" for name in ("service-accounts", "policies", "network-policies")))
    before = {name: (cluster.root / name).read_text() for name in changed}
    add_toy(cluster)
    try:
        cluster.make("toy")
        answer = requests.get(f"{cluster.base}/api/v1/toy/7", timeout=30)
        assert (answer.status_code, answer.json()) == (200, {"toy_id": "7"})
        assert '"path": "/api/v1/toy/7"' in cluster.make("log-toy")
        cluster.make("rollout-toy")
        assert requests.get(f"{cluster.base}/api/v1/toy/8", timeout=30).json() == {"toy_id": "8"}
        said = cluster.make("help")
        assert all(f"  {target} " in said for target in ("toy", "log-toy", "shell-toy", "rollout-toy"))
        planned = cluster.make("-n", "deploy")
        assert "image.sh build db s1 toy " in planned
        assert "cluster/toy-dpl.yaml" in planned
        assert "wait.sh cmpt756db cmpt756s1 cmpt756toy " in planned
    finally:
        kinds = "deployment,service,poddisruptionbudget,servicemonitor,virtualservice,serviceaccount"
        cluster.kubectl("-n", "c756ns", "delete", kinds, "cmpt756toy", "--ignore-not-found")
        shutil.rmtree(cluster.root / "toy")
        for file in cluster.root.glob("cluster/toy-*.yaml"):
            file.unlink()
        for name, text in before.items():
            (cluster.root / name).write_text(text)
