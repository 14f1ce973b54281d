"""allclouds.mak: everything in one list, whatever fails; and all of it stopped, after asking."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aws import ACCOUNT, BROKEN, Aws, serving
from tests.conftest import ROOT
from tests.vendors.clouds import CONTEXTS, HANGS, VENDORS, Clouds, kubernetes
from tools.allclouds import Looks, Part, Seen, report, running

TABLES = '''import os, sys
with open(os.environ["NOTES"], "a") as notes:
    print("tables", *sys.argv[1:], os.environ["AWS_REGION"], repr(os.environ["DYNAMODB_URL"]), file=notes)
if os.environ["DYNAMODB_URL"]:
    print("Music-pocket  ACTIVE  5 read and 5 write units")
    sys.exit()
if os.environ.get("NO_KEYS"):
    sys.exit("list failed at AWS: Unable to locate credentials")
if "list" in sys.argv:
    print("Music-c756    ACTIVE  7 read and 3 write units\\nMusic-others  ACTIVE  no units: on demand")
'''
POCKET = '''import os, sys
with open(os.environ["NOTES"], "a") as notes:
    print("pocket", *sys.argv[1:], file=notes)
if "env" in sys.argv:
    print("DYNAMODB_URL=http://127.0.0.1:1\\nAWS_ACCESS_KEY_ID=p\\nAWS_SECRET_ACCESS_KEY=p")
    sys.exit()
print("NAME    STATE\\npocket  " + os.environ.get("POCKET", "stopped"))
'''


@pytest.fixture
def aws() -> Iterator[Aws]:
    with serving() as made:
        yield made


class Everything(Clouds):
    """All vendors at once, with modules in the place of the tables and of pocket."""

    def prepare(self, *names: str) -> None:
        for name in names:
            VENDORS[name](self)
        kubernetes(self)
        for package, module, text in (("db", "tables", TABLES), ("pocket", "__main__", POCKET)):
            (self.checkout / package).mkdir(exist_ok=True)
            (self.checkout / package / f"{module}.py").write_text(text)
        self.notes = self.checkout / "notes"
        self.env |= {"NOTES": str(self.notes), "GATLING_RESULTS": str(self.checkout / "results")}

    def noted(self) -> list[str]:
        return self.notes.read_text().splitlines() if self.notes.exists() else []


@pytest.fixture
def everything(tmp_path: Path, checkout: Path, aws: Aws) -> Everything:
    made = Everything(tmp_path / "clouds", checkout)
    made.env |= {"AWS_ENDPOINT_URL": aws.url, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    made.prepare("gcp", "mk", "az", "eks")
    return made


def section(text: str, title: str) -> list[str]:
    """The lines below a title."""
    lines = text.splitlines()
    start = lines.index(title) + 1
    rest = lines[start:]
    return [line.strip() for line in rest[: next((i for i, x in enumerate(rest) if not x.startswith(" ")), len(rest))]]


def test_ls_shows_all_of_it(everything: Everything) -> None:
    everything.world("running", *CONTEXTS.values())
    done = everything.make("allclouds.mak", "ls")
    assert done.returncode == 0, done.stderr
    assert "load balancer   arn:lb/net/a0123" in section(done.stdout, "Amazon EKS")
    assert "node            i-1\tt3.large" in section(done.stdout, "Amazon EKS")
    assert "resource group  c756-nodes" in section(done.stdout, "Azure AKS")
    assert "cluster         c756\tRUNNING" in section(done.stdout, "Google GKE")
    assert section(done.stdout, "minikube") == ["cluster         minikube  running"]
    assert "Music-c756    ACTIVE  7 read and 3 write units" in section(done.stdout, "DynamoDB tables in us-west-2")
    assert set(CONTEXTS.values()) <= set(section(done.stdout, "contexts of kubectl"))
    assert "No load job runs" in section(done.stdout, "load jobs on this machine")[0]
    assert "tables list us-west-2 ''" in everything.noted(), "AWS, whatever the current cluster uses"
    assert "Not seen" not in done.stdout


def test_ls_shows_the_units_of_pockets_emulator_where_pocket_runs(everything: Everything) -> None:
    title = "tables of pocket's DynamoDB emulator"
    done = everything.make("allclouds.mak", "ls", POCKET="running")
    assert section(done.stdout, title) == ["Music-pocket  ACTIVE  5 read and 5 write units"]
    assert "tables list us-west-2 'http://127.0.0.1:1'" in everything.noted()
    assert section(everything.make("allclouds.mak", "ls").stdout, title) == ["nothing"]


@pytest.mark.parametrize(
    "failing", ["aws ec2 describe-vpcs", "az group exists", "gcloud compute disks", "minikube status"]
)
def test_ls_goes_on_where_one_fails(everything: Everything, failing: str) -> None:
    everything.world("running")
    everything.rule(f"^{failing}", "boom: no route to host\n", 1)
    done = everything.make("allclouds.mak", "ls")
    assert done.returncode == 0
    titles = {"aws": "Amazon EKS", "az": "Azure AKS", "gcloud": "Google GKE", "minikube": "minikube"}
    broken = titles.pop(failing.split()[0])
    (line,) = [line for line in section(done.stdout, broken) if "could not be seen: " in line]
    assert line.endswith("boom: no route to host") or "minikube status ends with 1 and says: boom" in line
    assert done.stdout.rstrip().endswith(f"Not seen, so nothing is known about: {broken}")
    for title in titles.values():
        assert not section(done.stdout, title)[0].startswith("could not")


def test_ls_says_one_line_for_what_is_not_installed_or_logged_in(everything: Everything) -> None:
    (everything.folder / "az").unlink()
    everything.rule("^gcloud auth", "ERROR: expired\n", 1)
    done = everything.make("allclouds.mak", "ls", NO_KEYS="1")
    assert done.returncode == 0
    assert section(done.stdout, "Azure AKS") == [
        "az is not installed, and Azure AKS cannot be used without it: "
        "https://learn.microsoft.com/cli/azure/install-azure-cli"
    ]
    assert "not logged in to Google GKE" in section(done.stdout, "Google GKE")[0]
    assert section(done.stdout, "Amazon EKS") == ["not ours        other"]
    assert done.stdout.rstrip().endswith("about: Google GKE, DynamoDB tables in us-west-2")


def test_a_part_that_hangs_or_does_not_exist_is_said(tmp_path: Path) -> None:
    hangs = Looks().look(Part("x", (sys.executable, "-c", "import time; time.sleep(60)")), {}, seconds=0.2)
    assert hangs.problem == "no answer within 0 s"
    assert "No such file" in Looks().look(Part("x", (str(tmp_path / "nothing"),)), {}).problem
    assert "x\n  could not be seen: no answer" in report([hangs])


def alive(pid_file: Path) -> bool:
    """Does the process still run? A zombie does not."""
    try:
        state = Path(f"/proc/{pid_file.read_text().strip()}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_what_hangs_is_ended_with_all_that_it_has_started(tmp_path: Path) -> None:
    """The CLI that hangs is a child of the script that is run."""
    pid = tmp_path / "pid"
    script = ("bash", "-c", f"echo cluster a; sleep 600 & echo $! > {pid}; wait; echo never")
    seen = Looks().look(Part("x", script, ("stop",)), {"PATH": os.environ["PATH"]}, seconds=3)
    assert (seen.lines, seen.problem) == (("cluster a",), "no answer within 3 s")
    assert not alive(pid)
    assert "x\n  cluster a\n  the rest could not be seen: no answer within 3 s" in report([seen])
    assert running(seen, "") == ("cluster a",), "what was seen of it can be stopped"


@pytest.mark.parametrize("verb", ["ls", "stop"])
def test_interrupted_while_looking(everything: Everything, verb: str) -> None:
    everything.world("running", *CONTEXTS.values())
    for cli in ("aws sts", "gcloud auth", "minikube status"):
        everything.rule(f"^{cli}", code=HANGS)
    code, output, errors = everything.interrupt("allclouds.mak", verb, "^az account", YES="1")
    assert code != 0
    assert "Traceback" not in errors
    assert "Looking everywhere, for 120 s at most" in errors
    assert "stopping" not in output
    assert set(everything.states.values()) == {"running"}


def test_interrupted_while_stopping(everything: Everything) -> None:
    everything.world("running", *CONTEXTS.values())
    code, _, errors = everything.interrupt("allclouds.mak", "stop", "^az aks delete", YES="1", KEEP_TABLES="1")
    assert code != 0
    assert "Traceback" not in errors
    assert "interrupted. Not all stopped: Azure AKS, Google GKE, minikube. Run it again" in errors
    assert everything.states == {"eks": "none", "az": "running", "gcp": "running", "mk": "running"}


def test_one_vendor_that_is_slow_does_not_hold_up_the_others(tmp_path: Path) -> None:
    parts = [Part("slow", ("sleep", "600")), *(Part(str(n), ("sh", "-c", f"echo {n}")) for n in range(3))]
    seen = Looks().look_at(parts, {"PATH": os.environ["PATH"]}, seconds=5)
    assert [part.problem for part in seen] == ["no answer within 5 s", "", "", ""]
    assert [part.lines for part in seen] == [(), ("0",), ("1",), ("2",)]
    assert report(seen).endswith("Not seen, so nothing is known about: slow")


def test_clusters_of_others_are_shown_and_left_alone(everything: Everything) -> None:
    everything.world("none")
    shown = everything.make("allclouds.mak", "ls").stdout
    assert section(shown, "Azure AKS") == ["not ours        theirs\twestus2\ttheirs\tRunning"]
    assert "not ours        theirs\tus-east1-b\tRUNNING\t3" in section(shown, "Google GKE")
    done = everything.make("allclouds.mak", "stop", YES="1", KEEP_TABLES="1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("nothing runs")
    assert "theirs" not in done.stdout


def test_a_cluster_is_stopped_although_not_all_that_it_stands_on_could_be_seen(everything: Everything) -> None:
    """A right to look at one kind of thing may be missing; that must not keep the cluster, which costs most."""
    for cli in ("aws", "az", "minikube"):
        (everything.folder / cli).unlink()
    everything.world("running", "gcp756")
    everything.rule("^gcloud compute addresses", "boom: PERMISSION_DENIED\n", 1)
    done = everything.make("allclouds.mak", "stop", YES="1", KEEP_TABLES="1")
    assert done.returncode != 0
    assert everything.states["gcp"] == "none"
    assert "Google GKE could not be seen: boom: PERMISSION_DENIED" in done.stderr


def test_stop_stops_what_is_ours_in_order(everything: Everything) -> None:
    everything.world("running", *CONTEXTS.values(), "other")
    done = everything.make("allclouds.mak", "stop", YES="1", POCKET="running")
    assert done.returncode == 0, done.stderr
    stopped = [line.removeprefix("--- stopping: ") for line in done.stdout.splitlines() if line.startswith("--- ")]
    assert stopped == ["Amazon EKS", "Azure AKS", "Google GKE", "minikube", "pocket", "DynamoDB tables in us-west-2"]
    assert set(everything.states.values()) == {"none"}
    assert everything.contexts == (["other"], "other")
    assert "Music-others" not in done.stdout
    assert "tables clean --yes us-west-2 ''" in everything.noted()
    assert "pocket stop" in everything.noted()


def test_stop_says_whose_tables_it_deletes(everything: Everything, aws: Aws) -> None:
    everything.world("none")
    done = everything.make("allclouds.mak", "stop")
    title = f"DynamoDB tables in us-west-2, AWS account {ACCOUNT}"
    assert section(done.stdout, title) == ["Music-c756    ACTIVE  7 read and 3 write units"]
    assert "nothing was stopped" in done.stderr
    assert not any("clean" in line for line in everything.noted())
    assert len(aws.calls) == 1


def test_stop_leaves_tables_of_an_unknown_account_alone(everything: Everything, aws: Aws) -> None:
    everything.world("running", "gcp756")
    aws.logged_in = False
    done = everything.make("allclouds.mak", "stop", YES="1")
    assert done.returncode != 0
    assert "DynamoDB tables in us-west-2 are left alone: AWS does not say whose account this is" in done.stderr
    assert everything.states["gcp"] == "none", "the others are stopped"
    assert not any("clean" in line for line in everything.noted())


@pytest.mark.parametrize("verb", ["ls", "stop"])
@pytest.mark.parametrize("state", BROKEN)
def test_whatever_kubectl_is_set_to_aws_is_asked_to_delete_nothing(
    everything: Everything, aws: Aws, verb: str, state: str
) -> None:
    """With the real kubectl, before a kubeconfig that leads nowhere; nobody answers the question."""
    everything.world("none")
    (everything.folder / "kubectl").unlink()
    (everything.folder / "kubectl").symlink_to(ROOT / ".venv/bin/kubectl")
    kubeconfig, text = everything.checkout / "kubeconfig", BROKEN[state][0]
    if text is not None:
        kubeconfig.write_text(text)
    done = everything.make("allclouds.mak", verb, KUBECONFIG=str(kubeconfig))
    assert set(aws.tables) == {"Music-someone", "User-someone", "Music-other"}
    assert [call for call in aws.calls if "GetCallerIdentity" not in call] == []
    assert not any("clean" in line for line in everything.noted())
    assert done.returncode == (0 if verb == "ls" else 2), done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "memcache.go" not in done.stdout + done.stderr


def test_stop_goes_on_where_one_cannot_be_stopped(everything: Everything) -> None:
    everything.world("running")
    everything.rule("^eksctl delete", "boom: still in use\n", 1)
    done = everything.make("allclouds.mak", "stop", YES="1", KEEP_TABLES="1")
    assert done.returncode != 0
    assert "boom: still in use" in done.stderr
    assert "Amazon EKS could not be stopped (exit code 1, see above)" in done.stderr
    assert everything.states == {"eks": "running", "az": "none", "gcp": "none", "mk": "none"}


def test_stop_of_one_cluster(everything: Everything) -> None:
    for cli in ("aws", "az", "minikube"):
        (everything.folder / cli).unlink()
    everything.world("running", "gcp756")
    done = everything.make("allclouds.mak", "stop", YES="1", KEEP_TABLES="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert everything.states["gcp"] == "none"
    assert everything.contexts == ([], "")
    assert done.stdout.rstrip().endswith("everything is stopped")
    assert not any("clean" in line for line in everything.noted())
    again = everything.make("allclouds.mak", "stop", YES="1", KEEP_TABLES="1")
    assert again.stdout.rstrip().endswith("nothing runs")


@pytest.mark.parametrize(("answer", "stops"), [("", False), ("y\n", False), ("no\n", False), ("yes\n", True)])
def test_stop_asks(everything: Everything, answer: str, stops: bool) -> None:
    for cli in ("aws", "az", "minikube"):
        (everything.folder / cli).unlink()
    everything.world("running", "gcp756")
    done = subprocess.run(
        ["make", "-f", "allclouds.mak", "stop", "KEEP_TABLES=1"], cwd=everything.checkout, env=everything.env,
        capture_output=True, text=True, timeout=180, input=answer,
    )  # fmt: skip
    assert "Stop and delete all this? Type yes: " in done.stdout
    assert "cluster         c756\tRUNNING" in done.stdout, "it says what it would stop"
    assert (everything.states["gcp"] == "none") == stops
    assert ("nothing was stopped" in done.stderr) != stops
    assert (done.returncode == 0) == stops


def test_stop_says_what_it_could_not_see(everything: Everything) -> None:
    everything.world("none")
    everything.rule("^az account", "ERROR: expired\n", 1)
    done = everything.make("allclouds.mak", "stop", YES="1", KEEP_TABLES="1")
    assert done.returncode != 0
    assert "Azure AKS could not be seen: vendor.sh: not logged in to Azure AKS" in done.stderr
    assert "everything is stopped" not in done.stdout
    assert "nothing runs" not in done.stdout


def test_what_counts_as_running() -> None:
    jobs = Part("load jobs on this machine", (), ("kill",))
    assert running(Seen(jobs, ("PID   SIMULATION", "17    ReadMusicSim")), "c756") == ("17    ReadMusicSim",)
    assert running(Seen(jobs, ("No load job runs. To start one: ...",)), "c756") == ()
    pocket = Part("pocket", (), ("stop",))
    assert running(Seen(pocket, ("NAME STATE", "pocket running x")), "c756") == ("pocket running x",)
    assert running(Seen(pocket, ("NAME STATE", "pocket stopped x")), "c756") == ()
    assert running(Seen(Part("contexts of kubectl", ()), ("CURRENT NAME", "* a")), "c756") == ()
