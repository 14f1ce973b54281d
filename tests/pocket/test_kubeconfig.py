"""The context goes in, comes out, and leaves everything else in the file alone."""

import os
from pathlib import Path

import pytest
import yaml

from pocket import kubeconfig

OTHER = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "aws756", "cluster": {"server": "https://example.com"}}],
    "contexts": [{"name": "aws756", "context": {"cluster": "aws756", "user": "me"}}],
    "users": [{"name": "me", "user": {"token": "t"}}],
    "current-context": "aws756",
}
SERVER = "https://127.0.0.1:20000"


def test_in_and_out_again(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(OTHER))
    assert kubeconfig.install(path, SERVER, b"pem", "secret")
    inside = yaml.safe_load(path.read_text())
    assert inside["current-context"] == "pocket"
    assert [entry["name"] for entry in inside["contexts"]] == ["aws756", "pocket"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert not kubeconfig.install(path, SERVER, b"pem", "secret"), "a second start changes nothing"
    assert kubeconfig.remove(path, SERVER)
    left = yaml.safe_load(path.read_text())
    assert left.pop("current-context") == ""
    assert left.pop("preferences") == {}
    assert left == {key: value for key, value in OTHER.items() if key != "current-context"}


def test_another_pockets_context_stays(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config"
    kubeconfig.install(path, SERVER, b"pem", "secret")
    assert not kubeconfig.remove(path, "https://127.0.0.1:21000")
    assert kubeconfig.server_of(kubeconfig.read(path)) == SERVER


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text(yaml.safe_dump(OTHER))
    link.symlink_to(real)
    kubeconfig.install(link, SERVER, b"pem", "secret")
    assert link.is_symlink()
    assert kubeconfig.server_of(kubeconfig.read(real)) == SERVER


def test_which_file(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    both = {"KUBECONFIG": f"{first}{os.pathsep}{second}"}
    assert kubeconfig.file_to_write(both) == second
    first.touch()
    assert kubeconfig.file_to_write(both) == first
    assert kubeconfig.file_to_write({"HOME": "/home/me"}) == Path("/home/me/.kube/config")


@pytest.mark.parametrize("text", ["a: [", "- a list"])
def test_a_file_that_is_no_kubeconfig_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(kubeconfig.KubeconfigError, match=str(path)):
        kubeconfig.install(path, SERVER, b"pem", "secret")
    assert path.read_text() == text
