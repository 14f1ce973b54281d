from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from graph import kubeconfig
from graph.errors import GraphError


def write(path: Path, user: dict[str, Any], current: str = "one", cluster: dict[str, Any] | None = None) -> Path:
    cluster = {"server": "https://127.0.0.1:6443", **(cluster or {})}
    content = {
        "current-context": current,
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u"}}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def test_token_and_ca_inside_the_file(tmp_path: Path) -> None:
    ca = base64.b64encode(b"PEM").decode()
    file = write(tmp_path / "config", {"token": "secret"}, cluster={"certificate-authority-data": ca})
    access = kubeconfig.find({"KUBECONFIG": str(file)}, None, tmp_path)
    assert (access.server, access.token) == ("https://127.0.0.1:6443", "secret")
    assert Path(str(access.ca)).read_bytes() == b"PEM"
    assert Path(str(access.ca)).stat().st_mode & 0o077 == 0


def test_client_certificates_as_files_relative_to_the_kubeconfig(tmp_path: Path) -> None:
    file = write(
        tmp_path / "config",
        {"client-certificate": "me.crt", "client-key": "me.key"},
        cluster={"certificate-authority": "ca.crt"},
    )
    access = kubeconfig.read([file], tmp_path)
    assert access.client_certificate == (str(tmp_path / "me.crt"), str(tmp_path / "me.key"))
    assert access.ca == str(tmp_path / "ca.crt")


def test_the_first_of_several_files_wins(tmp_path: Path) -> None:
    first = write(tmp_path / "a", {"token": "first"})
    second = write(tmp_path / "b", {"token": "second"})
    access = kubeconfig.find({"KUBECONFIG": f"{tmp_path / 'missing'}:{first}:{second}"}, None, tmp_path)
    assert access.token == "first"


def test_no_check_of_certificates_where_the_kubeconfig_says_so(tmp_path: Path) -> None:
    file = write(tmp_path / "a", {}, cluster={"insecure-skip-tls-verify": True})
    assert kubeconfig.read([file], tmp_path).ca is False


def test_a_log_in_by_plugin_is_left_to_kubectl(tmp_path: Path) -> None:
    with pytest.raises(GraphError) as refused:
        kubeconfig.read([write(tmp_path / "a", {"exec": {"command": "aws"}})], tmp_path)
    assert "plugin" in str(refused.value)
    assert "kubectl proxy" in str(refused.value)


@pytest.mark.parametrize("current", ["", "other"])
def test_no_current_context(tmp_path: Path, current: str) -> None:
    with pytest.raises(GraphError, match="no current context"):
        kubeconfig.read([write(tmp_path / "a", {}, current)], tmp_path)


def test_not_yaml(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a: [")
    with pytest.raises(GraphError, match="cannot be read"):
        kubeconfig.read([tmp_path / "a"], tmp_path)


def test_nothing_at_all(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="no kubeconfig"):
        kubeconfig.find({"HOME": str(tmp_path)}, None, tmp_path)


def test_inside_a_cluster(tmp_path: Path) -> None:
    access = kubeconfig.in_cluster({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}, tmp_path)
    assert access.server == "https://[fd00::1]:443"
    assert access.token_file == tmp_path / "token"


def test_an_address_beats_everything(tmp_path: Path) -> None:
    url = "http://127.0.0.1:8001"
    assert kubeconfig.find({"KUBECONFIG": "/nowhere"}, url, tmp_path).server == url
