"""Settings: the environment's wishes, and what is said of impossible ones."""

from pathlib import Path

import pytest

from pocket.settings import ROOT, SettingsError, from_environment


def test_defaults() -> None:
    settings = from_environment({})
    assert settings.home == ROOT / ".pocket"
    assert (settings.api_port, settings.emulator_port, settings.prometheus_port) == (20000, 20001, 20002)
    assert settings.gateway_port == 8080


def test_two_pockets_share_no_port() -> None:
    first = from_environment({})
    second = from_environment({"POCKET_PORT_BASE": "21000", "POCKET_HOME": "/somewhere", "POCKET_GATEWAY_PORT": "8081"})
    assert second.home == Path("/somewhere")
    assert not set(first.pod_ports) & set(second.pod_ports)
    assert second.api_port not in first.pod_ports


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({"POCKET_PORT_BASE": "http"}, "POCKET_PORT_BASE=http"),
        ({"POCKET_PORT_BASE": "80"}, "POCKET_PORT_BASE=80"),
        ({"POCKET_PORT_BASE": "32000"}, "Take 31768 or less"),
        ({"POCKET_GATEWAY_PORT": "20005"}, "POCKET_GATEWAY_PORT=20005 lies among"),
        ({"POCKET_GATEWAY_PORT": "70000"}, "not a port"),
    ],
)
def test_an_impossible_value_is_named(environ: dict[str, str], names: str) -> None:
    with pytest.raises(SettingsError, match=names):
        from_environment(environ)
