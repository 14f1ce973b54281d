"""Every setting of the graph, in one place. All come from the environment, read once at the start."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from graph.errors import GraphError

HERE = Path(__file__).parent

FIND_PROMETHEUS = (
    "Give its address: --prometheus URL, or PROMETHEUS_URL=http://HOST:PORT in the environment. "
    "To reach one in a cluster: kubectl -n istio-system port-forward svc/prometheus 9090 and then http://127.0.0.1:9090"
)


@dataclass(frozen=True)
class Settings:
    """`prometheus_url` is None where the environment does not say where it is; the Kubernetes API may know."""

    host: str = "0.0.0.0"  # noqa: S104  a pod serves its network; pocket sets HOST=unix:PATH
    port: int = 20001
    base_path: str = "/kiali"
    prometheus_url: str | None = None
    prometheus_timeout: float = 15.0  # seconds for one query
    kubernetes_url: str | None = None  # an API that needs no credentials, such as kubectl proxy's
    kubernetes_timeout: float = 5.0
    istio_namespace: str = "istio-system"
    cluster_name: str = "Kubernetes"  # what Istio calls a cluster that was not given a name
    default_namespaces: tuple[str, ...] = ("c756ns",)
    dashboards: Path = HERE.parent / "cluster" / "dashboards"
    threads: int = 16


def from_environment(env: Mapping[str, str] | None = None) -> Settings:
    """Raises GraphError for a value that makes no sense."""
    env = os.environ if env is None else env
    default = Settings()
    base = "/" + env.get("GRAPH_BASE_PATH", default.base_path).strip("/")
    if not re.fullmatch(r"(/[\w.-]+)+", base):
        raise _bad("GRAPH_BASE_PATH", base, "a path such as /kiali")
    return Settings(
        host=env.get("HOST", default.host),
        port=_whole(env, "PORT", default.port, 0, 65535),
        base_path=base,
        prometheus_url=prometheus_url(env),
        prometheus_timeout=float(_whole(env, "GRAPH_PROMETHEUS_TIMEOUT", int(default.prometheus_timeout), 1, 300)),
        kubernetes_url=_url(env, "KUBERNETES_URL"),
        kubernetes_timeout=float(_whole(env, "GRAPH_KUBERNETES_TIMEOUT", int(default.kubernetes_timeout), 1, 300)),
        istio_namespace=env.get("GRAPH_ISTIO_NAMESPACE", default.istio_namespace),
        cluster_name=env.get("GRAPH_CLUSTER_NAME", default.cluster_name),
        default_namespaces=tuple(env.get("GRAPH_NAMESPACES", ",".join(default.default_namespaces)).split(",")),
        dashboards=Path(env.get("GRAPH_DASHBOARDS", default.dashboards)),
        threads=_whole(env, "GRAPH_THREADS", default.threads, 1, 256),
    )


def prometheus_url(env: Mapping[str, str]) -> str | None:
    """PROMETHEUS_URL, or the Service `prometheus` of the pod's own namespace (Kubernetes' service links)."""
    given = _url(env, "PROMETHEUS_URL")
    if given:
        return given
    host, port = env.get("PROMETHEUS_SERVICE_HOST"), env.get("PROMETHEUS_SERVICE_PORT")
    return f"http://{host}:{port}" if host and port else None


def check_url(name: str, value: str) -> str:
    """An http(s) address without a slash at its end."""
    if not re.fullmatch(r"https?://[^/\s?#]+(/[^\s?#]*)?", value):
        raise _bad(name, value, "an address such as http://127.0.0.1:9090")
    return value.rstrip("/")


def _url(env: Mapping[str, str], name: str) -> str | None:
    value = env.get(name, "")
    return check_url(name, value) if value else None


def _whole(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    value = env.get(name, str(default))
    if not value.isdecimal() or not low <= int(value) <= high:
        raise _bad(name, value, f"a whole number from {low} to {high}")
    return int(value)


def _bad(name: str, value: str, wanted: str) -> GraphError:
    return GraphError(500, "badSetting", f"{name}='{value}' is not {wanted}.", "Correct it in the environment.")
