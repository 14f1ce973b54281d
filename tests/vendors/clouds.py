"""Stand-ins for the vendors' CLIs and kubectl: they note their command lines, and know a cluster that comes and goes.

A rule says what a command line is answered with, in which states of the world, and which state it leads to. kubectl's
`config` commands work on a small kubeconfig of their own, one for each value of KUBECONFIG.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PROGRAM = r'''#!PYTHON -IS
import fcntl, json, os, re, shlex, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)  # ^C ends it without a word of Python's
HANGS = -1
folder = os.path.dirname(os.path.abspath(__file__))
name, arguments = os.path.basename(__file__), sys.argv[1:]
line = " ".join([name, *arguments])
noted = shlex.join([name, *arguments])
lock = open(os.path.join(folder, "lock"), "w")
fcntl.flock(lock, fcntl.LOCK_EX)
world_file = os.path.join(folder, "world.json")
with open(world_file) as file:
    world = json.load(file)
family = {"aws": "eks", "eksctl": "eks", "az": "az", "gcloud": "gcp", "minikube": "mk"}.get(name, "")
state = world["states"].get(family, "")
here = os.environ.get("KUBECONFIG", "")
kube = world["kube"].setdefault(here, {"contexts": {}, "current": ""})
with open(os.path.join(folder, "calls"), "a") as log:
    log.write(("" if here == world["main"] else "[own kubeconfig] ") * (name == "kubectl") + noted + "\n")
world["count"] += 1

def end(output="", code=0):
    with open(world_file + ".new", "w") as file:
        json.dump(world, file)
    os.replace(world_file + ".new", world_file)  # in one piece: it may be interrupted
    if code == HANGS:
        fcntl.flock(lock, fcntl.LOCK_UN)
        os.execvp("sleep", ["sleep", "600"])
    print(output, end="", file=sys.stderr if code and name != "minikube" else sys.stdout)
    sys.exit(code)

if world["count"] == world["fail_at"]:
    end("boom: an error\n", 1)

def config(words):
    contexts = kube["contexts"]
    if words[:1] == ["get-contexts"]:
        end("".join(f"{name}\n" for name in contexts))
    if words[:1] == ["view"]:
        text = words[-1]
        if "current-context" in text:
            end(kube["current"])
        wanted = re.search(r'name=="([^"]+)"\)\]\.context\.(\w+)', text)
        end(contexts[wanted[1]][wanted[2]])
    if words[0] in ("get-clusters", "get-users"):
        kind = words[0][4:-1]
        end("NAME\n" + "".join(f"{context[kind]}\n" for context in contexts.values() if context[kind]))
    if words[0] in ("delete-cluster", "delete-user"):
        kind = words[0][7:]
        for context in contexts.values():
            context[kind] = "" if context[kind] == words[1] else context[kind]
        end()
    if words[0] == "delete-context":
        del contexts[words[1]]
        end()
    if words[0] == "rename-context":
        if words[2] in contexts:
            end(f"error: cannot rename the context, {words[2]} already exists\n", 1)
        contexts[words[2]] = contexts.pop(words[1])
        end()
    if words[0] == "use-context":
        if words[1] not in contexts:
            end(f"error: no context exists with the name: {words[1]}\n", 1)
        kube["current"] = words[1]
        end()
    if words[0] == "unset":
        kube["current"] = ""
        end()
    end(f"unknown config command {words}\n", 1)

if name == "kubectl" and arguments[:1] == ["config"]:
    config(arguments[1:])
for pattern, output, code, states, leads_to, context in world["rules"]:
    if re.search(pattern, line) and (not states or state in states):
        if context:
            kube["contexts"][context] = dict(zip(("cluster", "user"), world["entries"][context]))
            kube["current"] = context
        world["states"][family] = leads_to or state
        end(output, code)
end(f"error: the stand-in does not know: {line}\n", 99)
'''


_ARN, _GKE = "arn:aws:eks:us-west-2:123456789012:cluster/c756", "gke_my-project_us-west1-a_c756"
ENTRIES = {
    "aws756": (_ARN, _ARN), "az756": ("az756", "clusterUser_c756_c756"), "gcp756": (_GKE, _GKE), _GKE: (_GKE, _GKE),
    "minikube": ("minikube", "minikube"), "other": ("cluster-other", "user-other"),
}  # fmt: skip
"""What each context's cluster and user are called in a kubeconfig, as the vendors' CLIs do it."""


HANGS = -1
"""The code of a rule for a command line that never comes back."""


@dataclass
class Clouds:
    """The stand-ins of one test, in a folder that is all of its PATH besides the system's programs."""

    folder: Path
    checkout: Path
    name: str = ""

    def __post_init__(self) -> None:
        self.folder.mkdir()
        system = self.folder.parent / "system"
        system.mkdir()
        for directory in reversed(os.environ["PATH"].split(":")):
            for name in ("bash", "env", "make", "sh", "sed", "awk", "grep", "cat", "cut", "tr", "rm", "mktemp", "sleep",
                         "head", "tail", "dirname", "basename", "xargs", "id", "git"):  # fmt: skip
                if (Path(directory) / name).exists() and not (system / name).exists():
                    (system / name).symlink_to(Path(directory) / name)
        (system / "python3").symlink_to(sys.executable)
        self.main = str(self.folder.parent / "kubeconfig")
        self.env = {
            "PATH": f"{self.folder}:{system}", "C756_BIN": str(self.folder), "KUBECONFIG": self.main, "POLL": "0",
            "LEFT_WAIT": "0", "HOME": str(self.folder.parent), "POCKET_HOME": str(self.folder.parent / "pocket"),
            "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }  # fmt: skip
        world = {"states": {}, "rules": [], "kube": {}, "count": 0, "fail_at": 0, "main": self.main}
        self._write({**world, "entries": ENTRIES})
        self.world("none")

    def _read(self) -> dict[str, object]:
        return json.loads((self.folder / "world.json").read_text())  # type: ignore[no-any-return]

    def _write(self, world: dict[str, object]) -> None:
        (self.folder / "world.json").write_text(json.dumps(world))

    def program(self, *names: str) -> None:
        for name in names:
            path = self.folder / name
            path.write_text(PROGRAM.replace("PYTHON", sys.executable))
            path.chmod(0o755)

    def rule(
        self, pattern: str, output: str = "", code: int = 0, *, when: str = "", to: str = "", context: str = ""
    ) -> None:
        """Of several rules that fit, the latest counts. `when`: states, with spaces between. Code HANGS: no answer."""
        world = self._read()
        rules = world["rules"]
        assert isinstance(rules, list)
        rules.insert(0, [pattern, output, code, when.split(), to, context])
        self._write(world)

    def world(self, state: str, *contexts: str, fail_at: int = 0) -> None:
        """Begin anew: the cluster is in this state, the kubeconfig has these contexts, the last one is current."""
        known = {name: dict(zip(("cluster", "user"), ENTRIES[name], strict=True)) for name in contexts}
        kube = {self.main: {"contexts": known, "current": contexts[-1] if contexts else ""}}
        states = dict.fromkeys(VENDORS, state)
        self._write({**self._read(), "states": states, "kube": kube, "count": 0, "fail_at": fail_at})
        (self.folder / "calls").unlink(missing_ok=True)

    @property
    def states(self) -> dict[str, str]:
        """The states of the four vendors' clusters."""
        states = self._read()["states"]
        assert isinstance(states, dict)
        return {name: states[name] for name in VENDORS}

    @property
    def state(self) -> str:
        """The state of the one cluster that a test is about."""
        return self.states[self.name]

    @property
    def contexts(self) -> tuple[list[str], str]:
        """The contexts of the kubeconfig, and the current one."""
        kube = self._read()["kube"]
        assert isinstance(kube, dict)
        mine = kube.get(self.main, {"contexts": {}, "current": ""})
        return sorted(mine["contexts"]), mine["current"]

    def _kube(self) -> dict[str, dict[str, dict[str, str]]]:
        kube = self._read()["kube"]
        assert isinstance(kube, dict)
        return kube

    def entries(self, context: str) -> tuple[str, str]:
        """What the kubeconfig calls the cluster and the user of a context."""
        found: dict[str, str] = self._kube()[self.main]["contexts"][context]  # type: ignore[assignment]
        return found["cluster"], found["user"]

    def stands_for(self, context: str, cluster: str, user: str) -> None:
        """The context is another cluster's."""
        kube = self._kube()
        kube[self.main]["contexts"][context] = {"cluster": cluster, "user": user}  # type: ignore[assignment]
        self._write({**self._read(), "kube": kube})

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def interrupt(self, file: str, verb: str, at: str, **env: str) -> tuple[int, str, str]:
        """Make's exit code and outputs when ^C is typed while a command that `at` fits hangs."""
        self.rule(at, code=HANGS)
        running = subprocess.Popen(
            ["make", "-f", file, verb], cwd=self.checkout, env={**self.env, **env}, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        end = time.monotonic() + 60
        while not any(re.search(at, call) for call in self.calls):
            assert running.poll() is None, running.communicate()
            assert time.monotonic() < end, self.calls
            time.sleep(0.05)
        os.killpg(running.pid, signal.SIGINT)
        output, errors = running.communicate(timeout=60)
        return running.returncode, output, errors

    def make(self, file: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", "-f", file, *arguments], cwd=self.checkout, env={**self.env, **env}, capture_output=True,
            text=True, timeout=180, stdin=subprocess.DEVNULL,
        )  # fmt: skip


def eks(clouds: Clouds) -> None:
    """What aws and eksctl say of a cluster."""
    clouds.program("aws", "eksctl", "kubectl")
    missing = "An error occurred (ResourceNotFoundException) when calling the operation: none\n"
    stacks = "eksctl-c756-cluster\tCREATE_COMPLETE\neksctl-c756-nodegroup-c756\tCREATE_COMPLETE\n"
    clouds.rule("^aws (sts|eks wait|elb|elbv2|ec2|cloudformation|logs) ")
    clouds.rule("^aws eks describe-cluster ", missing, 254)
    clouds.rule("^aws eks describe-cluster ", "ACTIVE\n", when="running down nodeless leaving")
    clouds.rule("^aws eks describe-cluster ", "FAILED\n", when="broken")
    clouds.rule("^aws eks describe-cluster ", "CREATING\n", when="busy")
    clouds.rule("^aws eks describe-nodegroup ", "ACTIVE\t2\n", when="running")
    clouds.rule("^aws eks describe-nodegroup ", "ACTIVE\t0\n", when="down leaving")
    clouds.rule("^aws eks describe-nodegroup ", missing, 254, when="nodeless")
    clouds.rule("^aws cloudformation describe-stacks ", stacks, when="running down leaving")
    clouds.rule("^aws cloudformation describe-stacks ", "eksctl-c756-cluster\tCREATE_COMPLETE\n", when="nodeless")
    clouds.rule("^aws cloudformation describe-stacks ", "eksctl-c756-cluster\tROLLBACK_COMPLETE\n", when="half")
    clouds.rule("^aws cloudformation delete-stack .*-cluster$", to="none")
    clouds.rule("^eksctl create (cluster|nodegroup) ", to="running")
    clouds.rule("^eksctl delete cluster ", to="none")
    clouds.rule("^aws eks update-nodegroup-config .*desiredSize=0", "Updating\n", to="leaving")
    clouds.rule("^aws eks update-nodegroup-config .*desiredSize=2", "Updating\n", to="running")
    clouds.rule("^aws eks update-kubeconfig ", context="aws756")
    clouds.rule("^aws eks list-clusters ", "other\n")
    clouds.rule("^aws eks list-clusters .*clusters\\[\\]", "c756\tother\n")
    clouds.rule("^aws ec2 describe-instances ", "i-1\tt3.large\ni-2\tt3.large\n", when="running")
    # The last node goes between two looks.
    clouds.rule("^aws ec2 describe-instances ", "i-2\tt3.large\n", when="leaving", to="down")
    clouds.rule("^aws ec2 describe-vpcs ", "vpc-1\n", when="running down nodeless")
    clouds.rule("^aws elbv2 describe-load-balancers ", "arn:lb/net/a0123\n", when="running down")


def az(clouds: Clouds) -> None:
    """What az says of a cluster."""
    clouds.program("az", "kubectl")
    clouds.rule("^az (account get-access-token|group create|aks (create|start|stop|delete)) ")
    clouds.rule("^az group exists ", "false\n")
    clouds.rule("^az group exists ", "true\n", when="running down broken busy")
    clouds.rule("^az group exists --name c756$", "true\n", when="group foreign")
    clouds.rule("^az group show ", "c756-start\n")
    clouds.rule("^az group show ", "\n", when="foreign")
    clouds.rule("^az aks show ", "ERROR: (ResourceNotFound) none\n", 3)
    clouds.rule("^az aks show ", "ERROR: (ResourceGroupNotFound) none\n", 3, when="none")
    for state, said in {
        "running": "Succeeded Running", "down": "Succeeded Stopped", "broken": "Failed Running",
        "busy": "Creating Running",
    }.items():  # fmt: skip
        clouds.rule("^az aks show ", f"{said}\n", when=state)
    clouds.rule("^az group create ", to="group")
    clouds.rule("^az aks create ", to="running")
    clouds.rule("^az aks start ", to="running")
    clouds.rule("^az aks stop ", to="down")
    clouds.rule("^az aks delete ", to="group")
    clouds.rule("^az group delete ", to="none")
    clouds.rule("^az aks get-credentials ", context="az756")
    clouds.rule("^az resource list ")
    clouds.rule("^az resource list --resource-group c756-nodes ", "Microsoft.Network/loadBalancers\tkubernetes\n")
    clouds.rule("^az aks list ", "c756\twestus2\tc756\tRunning\n")
    clouds.rule("^az aks list --query \\[\\?!", "theirs\twestus2\ttheirs\tRunning\n")


def gcp(clouds: Clouds) -> None:
    """What gcloud says of a cluster."""
    clouds.program("gcloud", "kubectl", "gke-gcloud-auth-plugin")
    clouds.rule("^gcloud auth print-access-token ", "a-token\n")
    clouds.rule("^gcloud config get project", "my-project\n")
    clouds.rule("^gcloud compute ")
    clouds.rule("^gcloud container clusters describe ", "ERROR: ResponseError: code=404, message=Not found\n", 1)
    for state, said in {
        "running": "RUNNING\t2", "down": "RUNNING\t", "broken": "ERROR\t2", "busy": "PROVISIONING\t2",
    }.items():  # fmt: skip
        clouds.rule("^gcloud container clusters describe ", f"{said}\n", when=state)
    clouds.rule("^gcloud container clusters create ", to="running")
    clouds.rule("^gcloud container clusters resize .*--num-nodes 0 ", to="down")
    clouds.rule("^gcloud container clusters resize .*--num-nodes 2 ", to="running")
    clouds.rule("^gcloud container clusters delete ", to="none")
    clouds.rule("^gcloud container clusters get-credentials ", context="gke_my-project_us-west1-a_c756")
    clouds.rule("^gcloud container clusters list --filter NOT ", "theirs\tus-east1-b\tRUNNING\t3\n")
    clouds.rule("^gcloud container clusters list --filter name")
    clouds.rule("^gcloud container clusters list .*value\\(name,status\\)", "c756\tRUNNING\n", when="running down")
    clouds.rule("^gcloud container clusters list --format", "c756\tus-west1-a\tRUNNING\t2\n")
    clouds.rule("^gcloud compute instances list ", "gke-c756-default-pool-1\te2-standard-2\n", when="running")
    clouds.rule("^gcloud compute forwarding-rules list ", "a0123\t203.0.113.9\n", when="running")


def mk(clouds: Clouds) -> None:
    """What minikube says of a cluster."""
    clouds.program("minikube", "kubectl")
    clouds.rule("^minikube status ", '* Profile "minikube" not found.\n', 85)
    clouds.rule("^minikube status ", "state: Running Running Running\n", when="running")
    clouds.rule("^minikube status ", "state: Running Stopped Paused\n", 2, when="partial")
    clouds.rule("^minikube status ", "state: Stopped Stopped Stopped\n", 7, when="down")
    clouds.rule("^minikube status ", "state: Stopping Stopping Stopping\n", 7, when="busy")
    # There is a profile and no machine.
    clouds.rule("^minikube status ", "", 0, when="broken")
    clouds.rule("^minikube start ", to="running", context="minikube")
    clouds.rule("^minikube stop ", to="down")
    clouds.rule("^minikube delete ", to="none")
    clouds.rule("^minikube update-context ", context="minikube")
    clouds.rule("^minikube profile list", "| minikube | docker |\n")


def kubernetes(clouds: Clouds) -> None:
    """What the cluster says."""
    clouds.rule("^kubectl --context \\S+ get nodes$", "NAME   STATUS\nn-1    Ready\nn-2    Ready\n")
    clouds.rule("^kubectl --context \\S+ get nodes -o ", "True\nTrue\n")
    clouds.rule("get services --all-namespaces", "istio-system istio-ingressgateway\n")
    clouds.rule("delete service ", "deleted\n")


VENDORS = {"eks": eks, "az": az, "gcp": gcp, "mk": mk}
CONTEXTS = {"eks": "aws756", "az": "az756", "gcp": "gcp756", "mk": "minikube"}
