"""How images are made for each kind of cluster, by the exact commands, and when they are not."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import StandIns

DIGEST = "sha256:" + "d1" * 32
# Stands in for docker: writes the metadata file as buildx does (for s1: S1_METADATA), and notes its command line.
BUILDX = f"""#!/usr/bin/env bash
if [[ $2 == version ]]; then exit 0; fi
echo "docker $*" >>"$DOCKER_LOG"
said='{{"containerimage.digest": "{DIGEST}"}}'
if [[ $* == *"-f s1/"* ]]; then said=${{S1_METADATA-$said}}; fi
while (($#)); do
    if [[ $1 == --metadata-file ]]; then printf '%s' "$said" >"$2"; fi
    shift
done
"""


def build(standins: StandIns, checkout: Path, *names: str, **env: str) -> str:
    done = standins.run("tools/image.sh", "build", *names, cwd=checkout, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def pins(standins: StandIns, checkout: Path) -> dict[str, str]:
    done = standins.run("tools/image.sh", "env", cwd=checkout)
    assert done.returncode == 0, done.stderr
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


@pytest.fixture
def registry(standins: StandIns, tmp_path: Path) -> Path:
    log = tmp_path / "docker.log"
    log.touch()
    path = standins.folder / "docker"
    path.write_text(BUILDX)
    standins.env["DOCKER_LOG"] = str(log)
    return log


def test_a_cloud_gets_images_from_the_registry_by_digest(standins: StandIns, checkout: Path, registry: Path) -> None:
    said = build(standins, checkout, "s2-v1", "s1")
    lines = [re.sub(r"--metadata-file \S+", "--metadata-file F", line) for line in registry.read_text().splitlines()]
    options = "--platform linux/amd64 --label org.opencontainers.image.revision=unknown --push --metadata-file F"
    assert lines == [
        f"docker buildx build {options} -t ghcr.io/someone/cmpt756s2:v1 -f s2/v1/Dockerfile .",
        f"docker buildx build {options} -t ghcr.io/someone/cmpt756s1:v1 -f s1/Dockerfile .",
    ]
    assert f"image ghcr.io/someone/cmpt756s2:v1@{DIGEST}" in said
    assert pins(standins, checkout) == {"PIN_S2_V1": f"@{DIGEST}", "PIN_S1": f"@{DIGEST}"}


def test_a_tag_and_a_label_lead_to_the_commit(standins: StandIns, checkout: Path, registry: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        done = subprocess.run(["git", *identity, *arguments], cwd=checkout, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "--quiet")
    git("add", "s1")
    git("commit", "--quiet", "--message", "first")
    commit = git("rev-parse", "HEAD")
    build(standins, checkout, "s1")
    (checkout / "s1/app.py").write_text("changed\n")
    build(standins, checkout, "s1")
    tags = [re.findall(r"-t (\S+)", line) for line in registry.read_text().splitlines()]
    tag = "ghcr.io/someone/cmpt756s1:v1"
    assert tags == [[tag, f"{tag}-{commit[:12]}"], [tag, f"{tag}-{commit[:12]}-dirty"]]
    assert f"--label org.opencontainers.image.revision={commit} " in registry.read_text()


def test_only_what_changed_is_built_again(standins: StandIns, checkout: Path, registry: Path) -> None:
    def built() -> set[str]:
        registry.write_text("")
        build(standins, checkout, "db", "s1", "s2-v1", "s2-v2")
        return set(re.findall(r"cmpt756\S+", registry.read_text()))

    everything = {"cmpt756db:v1", "cmpt756s1:v1", "cmpt756s2:v1", "cmpt756s2:v2"}
    assert built() == everything
    assert built() == set()
    (checkout / "s2/v2/app.py").write_text("PERCENT_ERROR = 0\n")
    assert built() == {"cmpt756s2:v2"}
    (checkout / "servicekit/app.py").write_text("changed\n")
    assert built() == everything
    standins.answer("get namespace default", "another-cluster-of-the-same-name")
    assert built() == everything
    assert built() == set()
    standins.run("tools/image.sh", "clean", cwd=checkout)
    assert built() == everything
    standins.env["PLATFORMS"] = "linux/amd64,linux/arm64"
    assert built() == everything, "the nodes are others now"
    assert built() == set()
    standins.env["FORCE"] = "1"
    assert built() == everything


@pytest.mark.parametrize(("code", "gatling"), [(0, ["gatling:v1"]), (3, [])])
def test_cri_builds_all(standins: StandIns, checkout: Path, registry: Path, code: int, gatling: list[str]) -> None:
    (checkout / "tools/load_build.py").write_text(f"raise SystemExit({code})\n")
    everything = ["db:v1", "s1:v1", "s2:v1", "s2:v2", "loader:v1", "graph:v1", "dynamodb:v1", *gatling]
    for _ in range(2):
        registry.write_text("")
        done = standins.run("make", "-f", "k8s.mak", "cri", "OWNER=someone", cwd=checkout)
        assert done.returncode == 0, done.stderr
        assert re.findall(r"cmpt756(\S+)", registry.read_text()) == everything
    assert ("no image of the load simulations" in done.stdout) == (code == 3)


def test_simulations_that_do_not_compile_end_cri(standins: StandIns, checkout: Path) -> None:
    (checkout / "tools/load_build.py").write_text("raise SystemExit(1)\n")
    done = standins.run("make", "-f", "k8s.mak", "cri", "OWNER=someone", cwd=checkout)
    assert done.returncode != 0
    assert not any("buildx build" in call for call in standins.calls)


def test_a_failed_build_is_not_taken_for_a_good_one(standins: StandIns, checkout: Path, registry: Path) -> None:
    full = "#!/usr/bin/env bash\nif [[ $2 == build ]]; then echo no space >&2; exit 17; fi\n"
    (standins.folder / "docker").write_text(full)
    for _ in range(2):
        done = standins.run("tools/image.sh", "build", "s1", cwd=checkout)
        assert done.returncode != 0
        assert "no space" in done.stderr
    assert pins(standins, checkout) == {}


def test_a_refused_push_says_which_image_and_what_to_do(standins: StandIns, checkout: Path, registry: Path) -> None:
    refuses = '#!/usr/bin/env bash\nif [[ $2 == build ]]; then echo "401 Unauthorized" >&2; exit 1; fi\n'
    (standins.folder / "docker").write_text(refuses)
    done = standins.run("tools/image.sh", "build", "s1", "db", cwd=checkout)
    assert done.returncode == 1
    assert done.stderr == (
        "401 Unauthorized\n"
        "image.sh: ghcr.io/someone/cmpt756s1:v1 is not built or not pushed; docker says above why. "
        "If ghcr.io refused it: CR_PAT=... make -f k8s.mak registry-login\n"
    )
    assert "cmpt756db" not in done.stdout, "the rest is not tried"
    assert pins(standins, checkout) == {}


@pytest.mark.parametrize("metadata", ["", "{}", '{"containerimage.digest": ""}', '{"containerimage.digest": "latest"}'])
def test_without_a_digest_there_is_no_pin(standins: StandIns, checkout: Path, registry: Path, metadata: str) -> None:
    """Nor is the digest of the image before taken for that of this one."""
    done = standins.run("tools/image.sh", "build", "db", "s1", cwd=checkout, env={"S1_METADATA": metadata})
    assert done.returncode == 1
    assert "cmpt756s1:v1: docker buildx did not say which digest it pushed" in done.stderr
    assert pins(standins, checkout) == {"PIN_DB": f"@{DIGEST}"}


def test_docker_without_its_plugin(standins: StandIns, checkout: Path, registry: Path) -> None:
    (standins.folder / "docker").write_text('#!/usr/bin/env bash\necho "unknown command: docker $1" >&2\nexit 1\n')
    done = standins.run("tools/image.sh", "build", "s1", cwd=checkout)
    assert done.returncode == 1
    assert done.stderr == (
        "image.sh: docker has no buildx: install its plugin (package docker-buildx-plugin or docker-buildx)\n"
    )


def test_minikube_builds_inside_its_node(standins: StandIns, checkout: Path) -> None:
    standins.answer("config current-context", "minikube\n")
    build(standins, checkout, "db")
    pin = pins(standins, checkout)["PIN_DB"]
    assert re.fullmatch("-[0-9a-f]{12}", pin)
    assert f"minikube image build -t ghcr.io/someone/cmpt756db:v1{pin} -f db/Dockerfile ." in standins.calls


def test_kind_gets_images_loaded(standins: StandIns, checkout: Path) -> None:
    standins.answer("config current-context", "kind-c756\n")
    build(standins, checkout, "loader")
    tag = f"ghcr.io/someone/cmpt756loader:v1{pins(standins, checkout)['PIN_LOADER']}"
    made = [call for call in standins.calls if call.startswith(("docker", "kind"))]
    label = "--label org.opencontainers.image.revision=unknown"
    assert made == [
        f"docker build {label} -t {tag} -f loader/Dockerfile .",
        f"kind load docker-image {tag} --name c756",
    ]


def test_an_unknown_image_names_the_known(standins: StandIns, checkout: Path) -> None:
    done = standins.run("tools/image.sh", "build", "s3", cwd=checkout)
    assert done.returncode != 0
    assert 'no image "s3"' in done.stderr
    known = {file.parent.relative_to(checkout).as_posix().replace("/", "-") for file in checkout.rglob("Dockerfile")}
    assert {"db", "loader", "s2-v2"} < known
    assert f"; known: {' '.join(sorted(known))}\n" in done.stderr
    assert "usage" in standins.run("tools/image.sh", "biuld", cwd=checkout).stderr


def test_no_cluster_is_one_clear_line(standins: StandIns, checkout: Path) -> None:
    standins.answer("config current-context", "error: current-context is not set\n", 1)
    done = standins.run("tools/image.sh", "build", "s1", cwd=checkout)
    assert done.returncode != 0
    assert "kubectl has no current context. Start a cluster first" in done.stderr
