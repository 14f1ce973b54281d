"""Every verb of every vendor's makefile: exact command lines, their order, and what happens when one of them fails."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.vendors.clouds import CONTEXTS, VENDORS, Clouds

GOLDEN = Path(__file__).parent / "golden"

# verb, state before, state after, is the context there before?
SCENARIOS = [
    ("start", "none", "running", False),
    ("start", "running", "running", True),
    ("start", "down", "running", True),
    ("down", "running", "down", True),
    ("down", "down", "down", True),
    ("up", "down", "running", True),
    ("up", "running", "running", True),
    ("stop", "running", "none", True),
    ("stop", "none", "none", False),
    ("status", "running", "running", True),
    ("ls", "running", "running", False),
    ("ls", "none", "none", False),
    ("lscl", "running", "running", False),
    ("cd", "running", "running", True),
]
# What makes, changes or ends something at a vendor.
CHANGES = r" (create|delete|delete-stack|resize|update-nodegroup-config|start|stop) "


def begin(vendor: Clouds, name: str, state: str, known: bool, fail_at: int = 0) -> None:
    vendor.world(state, *([CONTEXTS[name]] if known else []), "other", fail_at=fail_at)


@pytest.mark.parametrize("name", VENDORS)
def test_exact_commands(vendor: Clouds, name: str) -> None:
    """The golden files were read through against the documentation; UPDATE_GOLDEN=1 writes them anew."""
    text = []
    for verb, before, after, known in SCENARIOS:
        begin(vendor, name, before, known)
        done = vendor.make(f"{name}.mak", verb)
        assert done.returncode == 0, (verb, before, done.stdout + done.stderr)
        assert vendor.state == after
        text += [f"# {verb}, it is {before}", *vendor.calls, ""]
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text("\n".join(text))
    assert "\n".join(text) == golden.read_text()


@pytest.mark.parametrize("name", VENDORS)
def test_start_makes_the_context_current_and_a_second_one_changes_nothing(vendor: Clouds, name: str) -> None:
    begin(vendor, name, "none", False)
    assert vendor.make(f"{name}.mak", "start").returncode == 0
    assert vendor.contexts == (sorted([CONTEXTS[name], "other"]), CONTEXTS[name])
    before, first = vendor.contexts, len(vendor.calls)
    assert vendor.make(f"{name}.mak", "start").returncode == 0
    again = vendor.calls[first:]
    assert again
    assert [call for call in again if re.search(CHANGES, f"{call} ") and "kubectl config" not in call] == []
    assert (vendor.state, vendor.contexts) == ("running", before)


@pytest.mark.parametrize("name", VENDORS)
def test_stop_goes_from_the_outside_in_and_leaves_other_contexts(vendor: Clouds, name: str) -> None:
    begin(vendor, name, "running", True)
    done = vendor.make(f"{name}.mak", "stop")
    assert "nothing is left" in done.stdout
    assert vendor.contexts == (["other"], "other")
    order = [r"delete service istio-ingressgateway"] * (name != "mk")
    order += {"eks": ["eksctl delete cluster"], "az": ["az aks delete", "az group delete"],
              "gcp": ["clusters delete"], "mk": ["minikube delete"]}[name]  # fmt: skip
    order += [{"eks": "describe-volumes", "az": "group exists --name c756-nodes", "gcp": "forwarding-rules list",
               "mk": "minikube status"}[name]]  # fmt: skip
    order += [f"delete-context {CONTEXTS[name]}"]
    places = [max(i for i, call in enumerate(vendor.calls) if step in call) for step in order]
    assert places == sorted(places)


@pytest.mark.parametrize("verb", [("start", "none"), ("up", "down"), ("down", "running"), ("stop", "running"),
                                  ("status", "running"), ("ls", "running"), ("lscl", "running"), ("cd", "running")],
                         ids=lambda pair: pair[0])  # fmt: skip
@pytest.mark.parametrize("name", VENDORS)
def test_whichever_command_fails_it_ends_there(vendor: Clouds, name: str, verb: tuple[str, str]) -> None:
    begin(vendor, name, verb[1], verb[0] != "start")
    assert vendor.make(f"{name}.mak", verb[0]).returncode == 0
    calls = vendor.calls
    for number, call in enumerate(calls, 1):
        begin(vendor, name, verb[1], verb[0] != "start", fail_at=number)
        done = vendor.make(f"{name}.mak", verb[0])
        if "get services --all-namespaces" in call or "get nodes -o" in call:
            # Asked once more: a lost answer must not leave a load balancer, or a cluster that nobody has waited for.
            assert done.returncode == 0, done.stderr
            assert vendor.calls == [*calls[:number], *calls[number - 1 :]]
            continue
        if "delete service" in call:
            # What cannot be deleted must not keep the cluster alive: said, and looked for afterwards.
            assert "stays for now: it is looked for when the cluster is gone" in done.stderr
            assert vendor.state == "none"
            continue
        assert done.returncode != 0, call
        assert vendor.calls == calls[:number], f"went on after: {call}"
        assert "boom" in done.stderr + done.stdout, call
        if verb[0] in ("start", "stop") and number > 5:
            assert "cost money" in done.stderr


@pytest.mark.parametrize("verb", ["start", "stop", "up", "down", "ls", "lscl", "status"])
@pytest.mark.parametrize(
    ("name", "cli"), [("eks", "aws"), ("eks", "eksctl"), ("az", "az"), ("gcp", "gcloud"), ("mk", "minikube"),
                      ("gcp", "gke-gcloud-auth-plugin"), ("gcp", "kubectl")]
)  # fmt: skip
def test_a_missing_cli_is_one_clear_line(vendor: Clouds, name: str, cli: str, verb: str) -> None:
    not_needed = {"eksctl": ("up", "down", "ls", "lscl", "status"), "gke-gcloud-auth-plugin": ("ls", "lscl", "down")}
    not_needed["kubectl"] = ("ls", "lscl")
    (vendor.folder / cli).unlink()
    if verb in not_needed.get(cli, ()):
        begin(vendor, name, "down" if verb == "up" else "running", True)
        done = vendor.make(f"{name}.mak", verb)
        assert done.returncode == 0, done.stderr
        return
    done = vendor.make(f"{name}.mak", verb)
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if not line.startswith("make: ")]
    assert len(said) == 1
    assert re.match(rf"{cli} is not installed, .*: (https://|gcloud components|make setup)", said[0])
    assert vendor.calls == []


@pytest.mark.parametrize("verb", ["start", "stop", "up", "down", "ls", "lscl", "status"])
@pytest.mark.parametrize(
    ("name", "login", "cure"),
    [("eks", "aws sts", "aws configure, or aws sso login"), ("az", "az account", "az login"),
     ("gcp", "gcloud auth", "gcloud auth login")],
)  # fmt: skip
def test_logged_out_is_one_clear_line(vendor: Clouds, name: str, login: str, cure: str, verb: str) -> None:
    vendor.rule(f"^{login}", "\nERROR: the token has expired\nmore about it\n", 1)
    done = vendor.make(f"{name}.mak", verb)
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if not line.startswith("make: ")]
    assert len(said) == 1
    assert said[0].startswith("vendor.sh: not logged in to ")
    assert cure in said[0]
    assert "the token has expired" in said[0]
    assert len(vendor.calls) == 1


@pytest.mark.parametrize("name", ["gcp"])
def test_no_project(vendor: Clouds, name: str) -> None:
    vendor.rule("^gcloud config get project", "\n")
    done = vendor.make("gcp.mak", "start")
    assert "gcloud config set project PROJECT" in done.stderr
    assert len(vendor.calls) == 2


@pytest.mark.parametrize("name", VENDORS)
def test_broken_and_busy_clusters(vendor: Clouds, name: str) -> None:
    for verb in ("start", "up", "down"):
        begin(vendor, name, "broken", False)
        done = vendor.make(f"{name}.mak", verb)
        assert done.returncode != 0
        assert re.search(rf"half made\. .*Clear it away first: make -f {name}\.mak stop", done.stderr)
        assert not [call for call in vendor.calls if re.search(CHANGES, f"{call} ")]
    for verb in ("start", "up", "down", "stop"):
        begin(vendor, name, "busy", False)
        done = vendor.make(f"{name}.mak", verb)
        assert done.returncode != 0
        assert "is working on" in done.stderr
        assert not [call for call in vendor.calls if re.search(CHANGES, f"{call} ")]
    begin(vendor, name, "broken", True)
    assert vendor.make(f"{name}.mak", "stop").returncode == 0
    assert vendor.state == "none"


@pytest.mark.parametrize("name", ["eks"])
def test_eks_whose_start_was_interrupted_is_half_made(vendor: Clouds, name: str) -> None:
    """Nodes alone may not make it whole: eksctl puts the network and the DNS into it before them."""
    begin(vendor, name, "nodeless", True)
    done = vendor.make("eks.mak", "start")
    assert done.returncode != 0
    assert "is half made. Why: eksctl utils describe-stacks --region us-west-2 --cluster c756. Clear" in done.stderr
    assert not [call for call in vendor.calls if re.search(CHANGES, f"{call} ")]
    assert vendor.make("eks.mak", "stop").returncode == 0
    assert vendor.state == "none"
    under_way = "eksctl-c756-nodegroup-c756\tCREATE_IN_PROGRESS\n"
    vendor.rule("^aws cloudformation describe-stacks ", under_way, when="nodeless")
    begin(vendor, name, "nodeless", True)
    assert "is working on" in vendor.make("eks.mak", "start").stderr


@pytest.mark.parametrize("name", ["eks"])
def test_eks_what_a_failed_start_left_is_cleared_away(vendor: Clouds, name: str) -> None:
    begin(vendor, name, "half", False)
    done = vendor.make("eks.mak", "start")
    assert "half made" in done.stderr
    begin(vendor, name, "half", False)
    vendor.rule(
        "^aws cloudformation describe-stacks ",
        "eksctl-c756-cluster\tDELETE_FAILED\neksctl-c756-nodegroup-c756\tDELETE_FAILED\n", when="half",
    )  # fmt: skip
    assert vendor.make("eks.mak", "stop").returncode == 0
    deleted = [call.split()[-1] for call in vendor.calls if " delete-stack " in call]
    waited = [call.split()[-1] for call in vendor.calls if " stack-delete-complete " in call]
    assert deleted == waited == ["eksctl-c756-nodegroup-c756", "eksctl-c756-cluster"]


@pytest.mark.parametrize("name", ["az"])
def test_az_goes_on_with_its_own_group_and_leaves_another_ones_alone(vendor: Clouds, name: str) -> None:
    begin(vendor, name, "group", False)
    assert vendor.make("az.mak", "start").returncode == 0
    assert vendor.state == "running"
    begin(vendor, name, "group", False)
    assert vendor.make("az.mak", "stop").returncode == 0
    assert vendor.state == "none"
    for verb in ("start", "stop"):
        begin(vendor, name, "foreign", False)
        done = vendor.make("az.mak", verb)
        assert done.returncode != 0
        assert "was not made by az.mak start: give CLUSTER another name" in done.stderr
        assert not [call for call in vendor.calls if re.search(CHANGES, f"{call} ")]


LEFT = {
    "eks": ("describe-volumes", "vol-1\t8\tavailable\n", "disk            vol-1"),
    "az": ("group exists --name c756-nodes", "true\n", "in it           Microsoft.Network/loadBalancers"),
    "gcp": ("forwarding-rules list", "a0123\t203.0.113.9\n", "load balancer   a0123"),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_is_left_is_named_and_fails(vendor: Clouds, name: str) -> None:
    pattern, output, line = LEFT[name]
    vendor.rule(pattern, output, when="none")
    begin(vendor, name, "running", True)
    done = vendor.make(f"{name}.mak", "stop")
    assert done.returncode != 0
    assert "to be paid" in done.stderr
    assert line in done.stderr
    assert "nothing is left" not in done.stdout
    assert vendor.contexts[0] == ["other"], "the cluster is gone, so its context is"


@pytest.mark.parametrize("name", VENDORS)
def test_status_and_cd_of_a_cluster_that_is_not_there(vendor: Clouds, name: str) -> None:
    begin(vendor, name, "none", False)
    status = vendor.make(f"{name}.mak", "status")
    assert "there is none" in status.stdout
    assert "Error 3" in status.stderr
    begin(vendor, name, "running", False)
    assert f"no context {CONTEXTS[name]}" in vendor.make(f"{name}.mak", "status").stderr
    cd = vendor.make(f"{name}.mak", "cd")
    assert f"no context {CONTEXTS[name]}: make -f {name}.mak start" in cd.stderr
    up = vendor.make(f"{name}.mak", "up", POCKET_HOME="")
    assert up.returncode == 0
    begin(vendor, name, "none", False)
    assert f"make -f {name}.mak start" in vendor.make(f"{name}.mak", "up").stderr


@pytest.mark.parametrize("name", ["eks"])
def test_nodes_that_do_not_come_have_a_bound(vendor: Clouds, name: str) -> None:
    vendor.rule("get nodes -o", "True\nFalse\n")
    begin(vendor, name, "running", False)
    assert vendor.make("eks.mak", "start", WAIT="60").returncode == 0, "it may have been made with fewer of them"
    begin(vendor, name, "down", False)
    done = vendor.make("eks.mak", "start", WAIT="0")
    assert done.returncode != 0
    assert "waiting for nodes: 1 of 2 are ready" in done.stdout
    assert "nodes of EKS cluster c756 in us-west-2 after 0 s: 1 of 2 are ready. See: kubectl --context" in done.stderr
    vendor.rule("get nodes -o", "E1 memcache.go\nUnable to connect to the server: no such host\n", 1)
    done = vendor.make("eks.mak", "start", WAIT="0")
    assert done.returncode != 0
    assert "waiting for nodes: no answer yet (Unable to connect to the server: no such host)" in done.stdout
