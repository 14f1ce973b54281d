"""A copy of the checkout with a pocket of its own: folder, ports and kubeconfig, so a running one is not disturbed."""

from __future__ import annotations

import csv
import os
import random
import shutil
import socket
import subprocess
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINKED = (".venv", ".cache", "dynamodb/node_modules")
COPIED = ("graph/node_modules",)  # goes into an image, and a build takes nothing from outside its context
NAMESPACE = "c756ns"


@dataclass
class Cluster:
    """A copy of the checkout and the pocket that was started from it."""

    root: Path
    env: dict[str, str] = field(repr=False)
    port_base: int
    gateway_port: int

    def run(self, *command: str, check: bool = True, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """What a person would type, in the copy."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
        if check:
            assert done.returncode == 0, (
                f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
            )
        return done

    def output(self, *command: str) -> str:
        return self.run(*command).stdout.strip()

    def kubectl(self, *arguments: str) -> str:
        return self.output("kubectl", *arguments)

    def make(self, *arguments: str) -> str:
        return self.output("make", "-f", "k8s.mak", *arguments)

    @cached_property
    def base(self) -> str:
        return f"http://{self.output('tools/getip.sh', 'kubectl', 'istio-system', 'svc/istio-ingressgateway')}"

    @cached_property
    def token(self) -> str:
        return self.output("tools/token.sh")

    @cached_property
    def songs(self) -> list[dict[str, str]]:
        return self._rows("music.csv")

    def _rows(self, name: str) -> list[dict[str, str]]:
        with (self.root / "gatling" / "resources" / name).open(newline="") as file:
            return list(csv.DictReader(file))

    @property
    def song_urls(self) -> list[str]:
        return [f"{self.base}/api/v1/music/{song['music_id']}" for song in self.songs]

    @property
    def user_urls(self) -> list[str]:
        return [f"{self.base}/api/v1/user/{user['user_id']}" for user in self._rows("users.csv")]


def free_port_base() -> tuple[int, int]:
    """A thousand ports of which nobody uses the first, and one for the gateway above them."""
    # In any order: tests that run at the same time should not all try the same one first.
    for base in random.sample(range(22000, 31001, 1000), 10):
        if all(_is_free(port) for port in (*range(base, base + 30), base + 1000 - 1)):
            return base, free_port()
    raise AssertionError("no thousand free ports between 22000 and 32000")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def copy_of_checkout(target: Path) -> Path:
    """The checkout's files without what git ignores; what was installed is shared through links."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    for name in LINKED:
        if (ROOT / name).exists():
            (target / name).symlink_to(ROOT / name)
    for name in COPIED:
        if (ROOT / name).exists():
            shutil.copytree(ROOT / name, target / name, symlinks=True)
    return target


def environment(folder: Path, port_base: int, gateway_port: int) -> dict[str, str]:
    """The environment of a pocket of its own. No make that runs us tells its own flags to those that we run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return {
        **kept,
        "POCKET_HOME": str(folder / "pocket"),
        "POCKET_PORT_BASE": str(port_base),
        "POCKET_GATEWAY_PORT": str(gateway_port),
        "KUBECONFIG": str(folder / "kubeconfig"),
    }


def leftovers(cluster: Cluster) -> list[str]:
    """Processes, ports and contexts that `make down` should have taken away."""
    found = []
    home = cluster.env["POCKET_HOME"]
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"={home}:".encode() in (entry / "environ").read_bytes():
                found.append(f"process {entry.name}: {(entry / 'cmdline').read_bytes()!r}")
        except OSError:
            continue  # ended, or another user's
    ports = (*range(cluster.port_base, cluster.port_base + 200), cluster.gateway_port)
    found += [f"port {port}" for port in ports if not _is_free(port)]
    kubeconfig = Path(cluster.env["KUBECONFIG"])
    if kubeconfig.exists() and "127.0.0.1" in kubeconfig.read_text():
        found.append(f"context in {kubeconfig}")
    return found
