"""The vendors' own programs take the command lines: where one is installed, it is given each of them, logged out.

A wrong option or a wrong word is refused before anything else; a right command line gets as far as the missing login.
And what they make of answers is what the makefiles expect, shown with APIs on this machine (apis.py).
Nothing leaves this machine: there are no credentials. What each CLI says is from aws 1.45, gcloud 528 and az 2.91.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vendors.apis import serve
from tests.vendors.clouds import CONTEXTS, Clouds

GOLDEN = Path(__file__).parent / "golden"
KUBECTL = Path(__file__).resolve().parents[2] / ".venv/bin/kubectl"
LOGGED_OUT = {
    "aws": r"Unable to locate credentials",
    "gcloud": r"do not currently have an active account|\(unset\)",
    "az": r"az login",
}
FILES = {"aws": "eks", "gcloud": "gcp", "az": "az"}


def command_lines(cli: str) -> list[str]:
    lines = (GOLDEN / f"{FILES[cli]}.txt").read_text().splitlines()
    return sorted({line for line in lines if line.startswith(f"{cli} ")})


def say(cli: str, line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which(cli)
    if not program:
        pytest.skip(f"{cli} is not installed")
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "KUBECONFIG": str(folder / "kubeconfig")}
    env |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    env |= {"AWS_EC2_METADATA_DISABLED": "true"}
    env |= {"CLOUDSDK_CONFIG": str(folder / "gcloud"), "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"}
    env |= {"AZURE_CONFIG_DIR": str(folder / "az"), "AZURE_CORE_COLLECT_TELEMETRY": "0"}
    env |= {name: value for name, value in os.environ.items() if name.startswith("PYENV_")}
    return subprocess.run(
        [program, *shlex.split(line)[1:]], cwd=folder, env=env, capture_output=True, text=True, timeout=120,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize("cli", FILES)
def test_every_command_line_is_understood(cli: str, tmp_path: Path) -> None:
    lines = command_lines(cli)
    assert len(lines) >= 8
    for line in lines:
        done = say(cli, line, tmp_path)
        assert re.search(LOGGED_OUT[cli], done.stderr), f"{line}\n{done.stderr}"
        assert not re.search("unrecognized|usage:|unknown|invalid", done.stderr.lower()), f"{line}\n{done.stderr}"


@pytest.mark.parametrize("cli", FILES)
def test_a_wrong_option_would_be_noticed(cli: str, tmp_path: Path) -> None:
    line = next(line for line in command_lines(cli) if re.search("clusters create|aks create|wait nodegroup", line))
    done = say(cli, f"{line} --no-such-option", tmp_path)
    assert not re.search(LOGGED_OUT[cli], done.stderr)
    assert re.search("unrecognized|Unknown options", done.stderr)


@pytest.fixture
def with_apis(clouds: Clouds) -> Iterator[Clouds]:
    """The real aws and gcloud, logged in to APIs on this machine; the other programs are stand-ins."""
    clouds.program("kubectl", "eksctl", "gke-gcloud-auth-plugin")
    server = serve()
    url = f"http://127.0.0.1:{server.server_port}"
    token = clouds.folder / "token"
    token.write_text("t")
    clouds.env |= {"PATH": f"{clouds.folder}:{os.environ['PATH']}", "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
    clouds.env |= {name: value for name, value in os.environ.items() if name.startswith("PYENV_")}
    clouds.env |= {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    clouds.env |= {"CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER": f"{url}/", "CLOUDSDK_CORE_PROJECT": "p"}
    clouds.env |= {"CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{url}/compute/v1/"}
    clouds.env |= {"CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token)}
    clouds.env |= {"CLOUDSDK_CONFIG": str(clouds.folder / "gcloud-config")}
    yield clouds
    server.shutdown()
    server.server_close()


EKS_LS = """cluster         c756  ACTIVE
node            i-1\tt3.large
node            i-2\tt3.large
load balancer   old1
load balancer   arn:new1
NAT gateway     nat-1\tavailable
address         203.0.113.7\teipalloc-1
log group       /aws/eks/c756/cluster\t7
stack           eksctl-c756-cluster\tCREATE_COMPLETE
stack           eksctl-c756-nodegroup-c756\tCREATE_COMPLETE
not ours        other
"""
GCP_LSCL = """c756\tus-east1-b\tRUNNING\t2
c756\tus-west1-a\tRUNNING\t2
c7567\tus-west1-a\tRUNNING\t
"""
GCP_LS = """cluster         c756\tRUNNING
node            gke-c756-default-pool-1\te2-standard-2
disk            gke-c756-default-pool-1\t40
disk            pvc-1\t8
load balancer   a1\t203.0.113.9
address         a1\t203.0.113.9
not ours        c756\tus-east1-b\tRUNNING\t2
not ours        c7567\tus-west1-a\tRUNNING\t
"""


@pytest.mark.parametrize(
    ("cli", "name", "listed", "clusters"),
    [("aws", "eks", EKS_LS, "c756\nother\n"), ("gcloud", "gcp", GCP_LS, GCP_LSCL)],
)
def test_answers_are_read_as_they_come(with_apis: Clouds, cli: str, name: str, listed: str, clusters: str) -> None:
    """What queries, filters and formats make of real answers; things of others are not ours."""
    if not shutil.which(cli):
        pytest.skip(f"{cli} is not installed")
    done = with_apis.make(f"{name}.mak", "ls")
    assert done.stdout == listed, done.stderr
    assert with_apis.make(f"{name}.mak", "lscl").stdout == clusters
    with_apis.world("running", CONTEXTS[name])
    with_apis.rule("get nodes$", "n-1 Ready\n")
    assert "running\nn-1 Ready" in with_apis.make(f"{name}.mak", "status").stdout
    assert "down\n" in with_apis.make(f"{name}.mak", "status", "CLUSTER=asleep").stdout
    if name == "gcp":  # the stand-in of CloudFormation has stacks whatever the cluster is called
        assert "there is none" in with_apis.make("gcp.mak", "status", "CLUSTER=nowhere").stdout


@pytest.mark.parametrize(("cli", "name"), [("aws", "eks"), ("gcloud", "gcp")])
def test_the_context_is_known_by_what_the_vendor_calls_it(with_apis: Clouds, cli: str, name: str) -> None:
    """With the real CLI, the real kubectl's `config` and a real kubeconfig."""
    if not shutil.which(cli):
        pytest.skip(f"{cli} is not installed")
    stand_in = with_apis.folder / "kubectl"
    stand_in.write_text(f'#!/bin/sh\ncase $1 in config) exec "{KUBECTL}" "$@";; *) echo True; echo True;; esac\n')
    for _ in range(2):
        done = with_apis.make(f"{name}.mak", "start")
        assert done.returncode == 0, done.stdout + done.stderr
        text = Path(with_apis.main).read_text()
        assert f"current-context: {CONTEXTS[name]}" in text
        assert len(re.findall(r"^- context:", text, re.MULTILINE)) == 1
    assert with_apis.make(f"{name}.mak", "status").returncode == 0
    assert with_apis.make(f"{name}.mak", "cd").returncode == 0
    other = with_apis.make(f"{name}.mak", "cd", "CLUSTER=asleep")
    assert f"the context {CONTEXTS[name]} stands for another cluster" in other.stderr
