"""tools/image.sh with a real docker buildx and a real registry: what it says was pushed is what the registry has.

Skipped unless C756_REGISTRY names a registry that takes anything from here (127.0.0.1:5000: Debian's docker-registry).
The images are of one file each and begin with nothing, so that no base is needed, whatever the processor.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import StandIns
from tests.realservices import free_port

REGISTRY = os.environ.get("C756_REGISTRY", "")
pytestmark = pytest.mark.skipif(not REGISTRY, reason="C756_REGISTRY names no registry that images may be pushed to")
NAMES = ("s1", "s2-v2")
ACCEPT = ", ".join(
    [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]
)


@pytest.fixture
def sources(standins: StandIns, checkout: Path) -> Path:
    """A repository with the images; docker is the real one, and only kubectl stands in."""
    (standins.folder / "docker").unlink()
    passed = ("DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "BUILDX_BUILDER")
    standins.env |= {name: os.environ[name] for name in passed if name in os.environ}
    standins.env |= {"REGISTRY": REGISTRY, "OWNER": f"test-{uuid.uuid4().hex[:12]}"}
    (checkout / ".dockerignore").unlink(missing_ok=True)
    for folder in ("s1", "s2/v2"):
        (checkout / folder / "Dockerfile").write_text(f"FROM scratch\nCOPY {folder} /\n")
    git(checkout, "init", "--quiet")
    git(checkout, "add", "s1", "s2")
    git(checkout, "commit", "--quiet", "--message", "first")
    return checkout


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def several_platforms() -> bool:
    done = subprocess.run(["docker", "buildx", "inspect"], capture_output=True, text=True, check=False)
    return not re.search(r"(?m)^Driver:\s+docker$", done.stdout)


def build(standins: StandIns, sources: Path, **env: str) -> list[str]:
    """The images that were built and pushed, as they are said: NAME:TAG@DIGEST."""
    done = standins.run("tools/image.sh", "build", *NAMES, cwd=sources, env=env)
    assert done.returncode == 0, done.stderr
    return re.findall(r"(?m)^image (\S+@\S+)$", done.stdout)


def pins(standins: StandIns, sources: Path) -> dict[str, str]:
    said = standins.run("tools/image.sh", "env", cwd=sources).stdout
    return dict(re.findall(r"(?m)^PIN_(\w+)=@(\S+)$", said))


def manifest(standins: StandIns, image: str, reference: str) -> tuple[str, dict[str, Any]]:
    """What the registry has under a tag or a digest: its digest, computed here, and what it says."""
    url = f"http://{REGISTRY}/v2/{standins.env['OWNER']}/{image}/manifests/{reference}"
    answer = requests.get(url, headers={"Accept": ACCEPT}, timeout=10)
    assert answer.status_code == 200, answer.text
    return f"sha256:{hashlib.sha256(answer.content).hexdigest()}", json.loads(answer.content)


def test_the_pin_is_the_digest_that_the_registry_has(standins: StandIns, sources: Path) -> None:
    platforms = "linux/amd64,linux/arm64" if several_platforms() else "linux/amd64"
    commit = git(sources, "rev-parse", "HEAD")[:12]
    said = build(standins, sources, PLATFORMS=platforms)
    pinned = pins(standins, sources)
    owner = f"{REGISTRY}/{standins.env['OWNER']}"
    assert said == [f"{owner}/cmpt756s1:v1@{pinned['S1']}", f"{owner}/cmpt756s2:v2@{pinned['S2_V2']}"]
    for image, tag, digest in (("cmpt756s1", "v1", pinned["S1"]), ("cmpt756s2", "v2", pinned["S2_V2"])):
        for reference in (digest, tag, f"{tag}-{commit}"):
            found, what = manifest(standins, image, reference)
            assert found == digest, reference
        made = {"{os}/{architecture}".format(**entry["platform"]) for entry in what.get("manifests", [])}
        if made or "," in platforms:  # one platform without provenance needs no index
            assert set(platforms.split(",")) <= made


def test_once_pushed_is_enough(standins: StandIns, sources: Path) -> None:
    assert len(build(standins, sources)) == len(NAMES)
    before = pins(standins, sources)
    assert build(standins, sources) == []
    assert pins(standins, sources) == before
    assert len(build(standins, sources, FORCE="1")) == len(NAMES)
    (sources / "s1/app.py").write_text("changed\n")
    (changed,) = build(standins, sources)
    assert "cmpt756s1:v1@" in changed
    assert pins(standins, sources)["S1"] != before["S1"]
    dirty = f"v1-{git(sources, 'rev-parse', 'HEAD')[:12]}-dirty"
    assert manifest(standins, "cmpt756s1", dirty)[0] == pins(standins, sources)["S1"]


def test_no_registry_no_pin(standins: StandIns, sources: Path) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    done = standins.run("tools/image.sh", "build", *NAMES, cwd=sources, env={"REGISTRY": nowhere})
    assert done.returncode == 1
    assert "connection refused" in done.stderr
    said = f"image.sh: {nowhere}/{standins.env['OWNER']}/cmpt756s1:v1 is not built or not pushed"
    assert done.stderr.splitlines()[-1].startswith(said)
    assert pins(standins, sources) == {}
