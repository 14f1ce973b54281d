"""One address for s1 and s2, as the ingress gateway gives: a real Envoy with the two routes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.realservices import Chain, answers, free_port, wait_for

_TYPES = "type.googleapis.com/envoy.extensions.filters"


class Gateway:
    """Envoy before a chain of services; `v2` may be the music service instead of v1."""

    def __init__(self, chain: Chain, folder: Path, *, v2: bool = False) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        music = (chain.s2_v2 if v2 else chain.s2).port
        config = folder / "envoy.json"
        config.write_text(json.dumps(_bootstrap(self.port, {"user": chain.s1.port, "music": music})))
        self.log = folder / "envoy.log"
        envoy = Path(sys.executable).parent / "envoy"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [envoy, "-c", config, "--concurrency", "1", "--disable-hot-restart"], stdout=log, stderr=log
            )
        wait_for(lambda: answers(f"http://{self.address}/api/v1/music/health"), f"Envoy; its log: {self.log}")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


def _bootstrap(port: int, services: dict[str, int]) -> dict[str, object]:
    routes = [{"match": {"prefix": f"/api/v1/{name}"}, "route": {"cluster": name}} for name in services]
    manager = {
        "@type": f"{_TYPES}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gateway",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [
            {
                "name": "router",
                "typed_config": {"@type": f"{_TYPES}.http.router.v3.Router"},
            }
        ],
    }
    listener = {
        "name": "http",
        "address": _address(port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    clusters = [
        {
            "name": name,
            "type": "STATIC",
            "load_assignment": {
                "cluster_name": name,
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(service)}}]}],
            },
        }
        for name, service in services.items()
    ]
    return {"static_resources": {"listeners": [listener], "clusters": clusters}}


def _address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
