from __future__ import annotations

from pathlib import Path

from pocket import builtin
from pocket.settings import Settings


def test_the_gateway_is_known_by_the_label_of_its_component(tmp_path: Path) -> None:
    """Kiali's rule; the label is no part of what selects pods, so an update may bring it."""
    gateway = next(obj for obj in builtin.objects(Settings(tmp_path, 21000, 8080)) if obj["kind"] == "Deployment")
    template = gateway["spec"]["template"]["metadata"]["labels"]
    assert template["operator.istio.io/component"] == "IngressGateways"
    assert gateway["metadata"]["labels"] == template
    selector = gateway["spec"]["selector"]["matchLabels"]
    assert selector.items() < template.items()
    assert "operator.istio.io/component" not in selector
