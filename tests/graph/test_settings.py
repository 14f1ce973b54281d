from __future__ import annotations

import pytest

from graph.errors import GraphError
from graph.settings import from_environment


def test_service_links_tell_where_prometheus_is() -> None:
    links = {"PROMETHEUS_SERVICE_HOST": "127.0.0.1", "PROMETHEUS_SERVICE_PORT": "20002"}
    assert from_environment(links).prometheus_url == "http://127.0.0.1:20002"
    assert from_environment({**links, "PROMETHEUS_URL": "http://p:9090/"}).prometheus_url == "http://p:9090"
    assert from_environment({}).prometheus_url is None


def test_a_pod_listens_where_it_is_told() -> None:
    settings = from_environment({"HOST": "127.0.0.1", "PORT": "24000", "GRAPH_BASE_PATH": "graph/"})
    assert (settings.host, settings.port, settings.base_path) == ("127.0.0.1", 24000, "/graph")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "70000"),
        ("PROMETHEUS_URL", "p:9090"),
        ("GRAPH_BASE_PATH", "/"),
        ("GRAPH_THREADS", "0"),
    ],
)
def test_nonsense_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(GraphError, match=name):
        from_environment({name: value})
