"""The context goes in, comes out, and leaves everything else in the file alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pocket import kubeconfig
from pocket.programs import kubectl
from pocket.settings import ROOT

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
    assert left.pop("preferences") == {}
    assert left == OTHER, "what was current is so again"


def test_what_was_current_survives_kubectl_and_a_second_start(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(OTHER))
    kubeconfig.install(path, SERVER, b"pem", "secret")
    for words in (("set-context", "pocket", "--namespace", "c756ns"), ("use-context", "pocket")):
        subprocess.run([kubectl(), "config", *words, "--kubeconfig", path], check=True, capture_output=True, timeout=60)
    kubeconfig.install(path, "https://127.0.0.1:21000", b"pem", "secret")
    assert kubeconfig.remove(path, "https://127.0.0.1:21000")
    assert kubeconfig.read(path)["current-context"] == "aws756"


def test_what_was_current_and_is_gone_does_not_come_back(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump({**OTHER, "contexts": []}))
    kubeconfig.install(path, SERVER, b"pem", "secret")
    kubeconfig.remove(path, SERVER)
    assert kubeconfig.read(path)["current-context"] == ""


def test_what_the_user_has_made_current_since_stays(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump({**OTHER, "current-context": ""}))
    kubeconfig.install(path, SERVER, b"pem", "secret")
    subprocess.run([kubectl(), "config", "use-context", "aws756", "--kubeconfig", path], check=True, timeout=60)
    kubeconfig.remove(path, SERVER)
    assert kubeconfig.read(path)["current-context"] == "aws756"


def test_a_place_that_cannot_be_written_is_told_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / ".kube").write_text("a file, where a folder should be")
    env = {**os.environ, "KUBECONFIG": str(tmp_path / ".kube/config"), "POCKET_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-m", "pocket", "start"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert f"{tmp_path}/.kube is not writable for you. Point KUBECONFIG at a file of yours" in done.stderr
    assert not (tmp_path / "home").exists()
    kubeconfig.check_writable(tmp_path / "new" / "folder" / "config")


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
