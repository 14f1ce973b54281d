import pytest

from pocket.kubelet.inject import IMAGE, Mode, injected, is_injected, mode_of
from pocket.objects import Obj

ENABLED = {"istio-injection": "enabled"}


def pod(labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None, *names: str) -> Obj:
    return {
        "metadata": {"name": "p", "labels": labels or {}, "annotations": annotations or {}},
        "spec": {"containers": [{"name": name, "image": "auto"} for name in names or ("app",)]},
    }


@pytest.mark.parametrize(
    ("labels", "annotations", "namespace", "mode"),
    [
        ({}, {}, ENABLED, "sidecar"),
        ({}, {}, {}, None),
        ({}, {}, {"istio-injection": "disabled"}, None),
        ({"sidecar.istio.io/inject": "false"}, {}, ENABLED, None),
        ({}, {"sidecar.istio.io/inject": "false"}, ENABLED, None),
        ({"sidecar.istio.io/inject": "true"}, {}, {}, "sidecar"),
        ({}, {"inject.istio.io/templates": "gateway"}, {}, "gateway"),
    ],
)
def test_mode(
    labels: dict[str, str], annotations: dict[str, str], namespace: dict[str, str], mode: Mode | None
) -> None:
    assert mode_of(pod(labels, annotations), namespace) == mode


def test_a_sidecar_is_a_container_more() -> None:
    before = pod()
    after = injected(before, "sidecar")
    assert [container["name"] for container in after["spec"]["containers"]] == ["app", "istio-proxy"]
    assert after["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] == "app"
    assert is_injected(after)
    assert not is_injected(before)
    assert injected(after, "sidecar") == after


def test_a_gateway_is_its_own_envoy() -> None:
    after = injected(pod({}, {}, "istio-proxy"), "gateway")
    assert [(entry["name"], entry["image"]) for entry in after["spec"]["containers"]] == [("istio-proxy", IMAGE)]


def test_without_mesh_nothing_changes() -> None:
    before = pod()
    assert injected(before, None) is before
