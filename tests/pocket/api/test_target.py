from __future__ import annotations

import pytest

from pocket.api import target
from tests.pocket.api.known import CATALOG, KINDS


@pytest.mark.parametrize(
    ("path", "kind", "version", "namespace", "name", "subresource"),
    [
        ("/api/v1/pods", "Pod", "v1", None, None, ""),
        ("/api/v1/namespaces", "Namespace", "v1", None, None, ""),
        ("/api/v1/namespaces/a", "Namespace", "v1", None, "a", ""),
        ("/api/v1/namespaces/a/status", "Namespace", "v1", None, "a", "status"),
        ("/api/v1/namespaces/a/pods", "Pod", "v1", "a", None, ""),
        ("/api/v1/namespaces/a/pods/p/log", "Pod", "v1", "a", "p", "log"),
        ("/api/v1/namespaces/status/pods/status", "Pod", "v1", "status", "status", ""),
        ("/apis/apps/v1/namespaces/a/deployments/d/scale", "Deployment", "v1", "a", "d", "scale"),
        ("/apis/networking.istio.io/v1beta1/virtualservices", "VirtualService", "v1beta1", None, None, ""),
        ("/api/v1/nodes/n", "Node", "v1", None, "n", ""),
    ],
)
def test_paths(path: str, kind: str, version: str, namespace: str | None, name: str | None, subresource: str) -> None:
    assert target.parse(path, CATALOG) == target.Target(KINDS[kind], version, namespace, name, subresource)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/v1",
        "/api/v2/pods",
        "/apis/apps/v1",
        "/apis/apps/v1/pods",
        "/api/v1/namespaces/a/nodes",
        "/api/v1/pods/p",
        "/api/v1/namespaces/a/pods/p/unknown",
        "/api/v1/namespaces/a/pods/p/log/more",
        "/api/v1/namespaces/a//p",
        "/apis/networking.istio.io/v2/virtualservices",
    ],
)
def test_paths_that_mean_nothing(path: str) -> None:
    assert target.parse(path, CATALOG) is None
