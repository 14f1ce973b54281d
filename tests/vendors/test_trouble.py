"""The makefiles of clusters where something is wrong: names, networks, kubeconfigs, ^C, load balancers that stay."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.vendors.clouds import CONTEXTS, ENTRIES, VENDORS, Clouds
from tests.vendors.test_verbs import CHANGES, begin

ROOT = Path(__file__).resolve().parents[2]
CLOUDS = [name for name in VENDORS if name != "mk"]


def errors_of(text: str) -> list[str]:
    """Without make's own."""
    return [line for line in text.splitlines() if not line.startswith("make: ")]


def temporary(vendor: Clouds) -> list[str]:
    """What is left of kubeconfigs of `stop`'s own; TMPDIR is set for that."""
    return os.listdir(vendor.env["TMPDIR"])


# -- names, regions, networks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", ["C756", "c_756", "7c", "c756-", "c" * 41, "c'x"])
@pytest.mark.parametrize("name", CLOUDS)
def test_a_name_that_not_every_vendor_takes_is_refused_at_once(vendor: Clouds, name: str, bad: str) -> None:
    for verb in ("start", "stop", "ls"):
        done = vendor.make(f"{name}.mak", verb, f"CLUSTER={bad}")
        assert done.returncode != 0
        said = errors_of(done.stderr)
        assert len(said) == 1
        assert f'CLUSTER="{bad}" in config.mak is no cluster' in said[0]
    assert vendor.calls == []


@pytest.mark.parametrize("name", ["gcp"])
def test_the_longest_name_is_taken(vendor: Clouds, name: str) -> None:
    done = vendor.make("gcp.mak", "start", f"CLUSTER=c{'7' * 39}")
    assert "in config.mak" not in done.stderr
    assert vendor.calls


NO_NETWORK = {
    "eks": ("aws sts", 'Could not connect to the endpoint URL: "https://sts.us-wset-2.amazonaws.com/"'),
    "az": ("az account", "ERROR: HTTPSConnectionPool: Max retries exceeded: Failed to resolve 'login.example'"),
    "gcp": ("gcloud auth", "ERROR: There was a problem refreshing your tokens: Unable to find the server at oauth2"),
}


@pytest.mark.parametrize("name", NO_NETWORK)
def test_no_network_and_a_wrong_region_are_not_called_logged_out(vendor: Clouds, name: str) -> None:
    login, said = NO_NETWORK[name]
    vendor.rule(f"^{login}", f"\n{said}\n", 1)
    done = vendor.make(f"{name}.mak", "start")
    assert done.returncode != 0
    (line,) = errors_of(done.stderr)
    assert "cannot be reached. Is this machine on the network, and the region in config.mak a real one?" in line
    assert said in line
    assert "not logged in" not in line


# -- kubeconfigs ------------------------------------------------------------------------------------------------------

_ARN, _GKE = "arn:aws:eks:us-west-2:123456789012:cluster/other", "gke_my-project_us-east1-b_c756"
OTHERS = {
    "eks": (_ARN, _ARN), "az": ("az756", "clusterUser_other_other"), "gcp": (_GKE, _GKE), "mk": ("else", "else"),
}  # fmt: skip


@pytest.mark.parametrize("name", VENDORS)
def test_a_context_of_our_name_that_stands_for_another_cluster(vendor: Clouds, name: str) -> None:
    context = CONTEXTS[name]

    def again() -> None:
        begin(vendor, name, "running", True)
        vendor.stands_for(context, *OTHERS[name])

    called = OTHERS[name][name == "az"]
    for verb in ("status", "cd"):
        again()
        done = vendor.make(f"{name}.mak", verb)
        assert done.returncode != 0
        assert f"the context {context} stands for another cluster ({called})" in done.stderr
        assert not [call for call in vendor.calls if "get nodes" in call]
    again()
    assert vendor.make(f"{name}.mak", "start").returncode == 0
    assert vendor.contexts == (sorted([context, "other"]), context)
    assert vendor.entries(context) == ENTRIES[context]
    again()
    done = vendor.make(f"{name}.mak", "stop")
    assert done.returncode == 0, done.stderr
    assert vendor.state == "none"
    assert f"stands for another cluster ({called}), and stays" in done.stdout
    assert vendor.contexts[0] == sorted([context, "other"])
    assert vendor.entries(context) == OTHERS[name]


def kubeconfig(current: str, *names: str) -> str:
    """A kubeconfig as kubectl writes it, with a cluster, a user and a context for each name."""
    here = "cluster: {server: 'https://127.0.0.1:1'}"
    entries = {name: ENTRIES.get(name, (name, f"{name}-u")) for name in names}
    contexts = (f"{{name: {name}, context: {{cluster: {x}, user: {y}}}}}" for name, (x, y) in entries.items())
    return f"""apiVersion: v1
kind: Config
current-context: {current}
clusters: [{", ".join(f"{{name: {x}, {here}}}" for x, _ in entries.values())}]
users: [{", ".join(f"{{name: {y}, user: {{token: t}}}}" for _, y in entries.values())}]
contexts: [{", ".join(contexts)}]
"""


@pytest.mark.parametrize("name", ["mk", "az"])
def test_the_context_goes_from_real_kubeconfigs(vendor: Clouds, name: str, tmp_path: Path) -> None:
    """With the real kubectl instead of the stand-in's idea of it, and KUBECONFIG with several files."""
    stand_in = vendor.folder / "kubectl"
    stand_in.write_text(f'#!/bin/sh\nexec "{ROOT / ".venv/bin/kubectl"}" "$@"\n')
    first, second = tmp_path / "first", tmp_path / "second"
    context = CONTEXTS[name]
    for ours_in_first in (True, False):
        first.write_text(kubeconfig(context, context if ours_in_first else "one", "two"))
        second.write_text(kubeconfig(context, *(["three"] if ours_in_first else [context, "three"])))
        vendor.world("running")
        done = vendor.make(f"{name}.mak", "stop", KUBECONFIG=f"{first}:{second}")
        assert done.returncode == 0, done.stderr
        left = first.read_text() + second.read_text()
        assert context not in left
        assert "clusterUser" not in left
        assert left.count("server:") == (2 if ours_in_first else 3), "the others' clusters stay"
        assert re.findall(r"name: (\w+)-u", left) == (["two", "three"] if ours_in_first else ["one", "two", "three"])


# -- what will not go -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLOUDS)
def test_a_cluster_that_does_not_answer_can_be_stopped(vendor: Clouds, name: str) -> None:
    vendor.rule("get services --all-namespaces", "Unable to connect to the server: i/o timeout\n", 1)
    for state in ("running", "down"):
        begin(vendor, name, state, True)
        done = vendor.make(f"{name}.mak", "stop")
        assert done.returncode == 0, done.stderr
        assert "the cluster does not answer: its load balancers are looked for when it is gone" in done.stderr
        assert len([call for call in vendor.calls if "get services" in call]) == 3
        assert vendor.state == "none"
        assert vendor.contexts == (["other"], "other")


@pytest.mark.parametrize("name", ["eks"])
def test_eks_deletes_load_balancers_of_its_network_before_the_cluster(vendor: Clouds, name: str) -> None:
    """They would keep the network, and so the cluster's stack, from being deleted."""
    vendor.rule("get services --all-namespaces", "Unable to connect to the server\n", 1)
    vendor.rule("^aws elb describe-load-balancers ", "a1\ta2\n", when="running")
    begin(vendor, name, "running", True)
    assert vendor.make("eks.mak", "stop").returncode == 0
    steps = ["elb delete-load-balancer --region us-west-2 --load-balancer-name a1", "--load-balancer-name a2",
             "elbv2 delete-load-balancer --region us-west-2 --load-balancer-arn arn:lb/net/a0123",
             "elbv2 wait load-balancers-deleted --region us-west-2 --load-balancer-arns arn:lb/net/a0123",
             "eksctl delete cluster --region us-west-2 --name c756 --wait --force"]  # fmt: skip
    places = [next(i for i, call in enumerate(vendor.calls) if step in call) for step in steps]
    assert places == sorted(places)


@pytest.mark.parametrize("name", CLOUDS)
def test_a_load_balancer_that_stays_does_not_keep_the_cluster(vendor: Clouds, name: str) -> None:
    vendor.rule("delete service ", "error: timed out waiting for the condition\n", 1)
    begin(vendor, name, "running", True)
    done = vendor.make(f"{name}.mak", "stop")
    assert vendor.state == "none"
    assert "the load balancer of istio-system/istio-ingressgateway stays for now" in done.stderr
    if name == "gcp":  # where it does not go with the cluster, it is named
        vendor.rule("^gcloud compute forwarding-rules list ", "a0123\t203.0.113.9\n")
        begin(vendor, name, "running", True)
        done = vendor.make("gcp.mak", "stop")
        assert done.returncode != 0
        assert "load balancer   a0123" in done.stderr


@pytest.mark.parametrize("name", CLOUDS)
def test_a_half_made_cluster_without_credentials_can_be_stopped(vendor: Clouds, name: str) -> None:
    vendor.rule(r"update-kubeconfig|get-credentials", "ERROR: no endpoint yet\n", 1)
    begin(vendor, name, "broken", True)
    done = vendor.make(f"{name}.mak", "stop")
    assert done.returncode == 0, done.stderr
    assert "no credentials to give" in done.stderr
    assert vendor.state == "none"
    # One that runs has them: there the next try may find them, and its load balancers with them.
    begin(vendor, name, "running", True)
    done = vendor.make(f"{name}.mak", "stop")
    assert done.returncode != 0
    assert vendor.state == "running"
    assert "run make" in done.stderr


@pytest.mark.parametrize("name", CLOUDS)
def test_load_balancers_of_a_half_made_cluster_go_first(vendor: Clouds, name: str) -> None:
    begin(vendor, name, "broken", True)
    assert vendor.make(f"{name}.mak", "stop").returncode == 0
    deleted = [i for i, call in enumerate(vendor.calls) if "delete service istio-ingressgateway" in call]
    ended = [i for i, call in enumerate(vendor.calls) if re.search("eksctl delete|aks delete|clusters delete", call)]
    assert deleted
    assert ended
    assert deleted[0] < ended[0]


# -- down -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VENDORS)
def test_down_says_what_goes_on_costing(vendor: Clouds, name: str) -> None:
    for state in ("running", "down"):
        begin(vendor, name, state, True)
        done = vendor.make(f"{name}.mak", "down")
        assert done.returncode == 0
        last = done.stdout.splitlines()[-1]
        assert f"make -f {name}.mak stop" in last
        assert ("oad balancers" in last) == (name != "mk")
    begin(vendor, name, "none", False)
    done = vendor.make(f"{name}.mak", "down")
    assert "nothing to pay for" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("name", ["eks"])
def test_eks_down_ends_when_the_nodes_are_gone(vendor: Clouds, name: str) -> None:
    """The node group is active again as soon as its size is noted; pods have 15 minutes to leave."""
    begin(vendor, name, "running", True)
    done = vendor.make("eks.mak", "down")
    assert "waiting until its nodes are gone" in done.stdout
    assert "i-2\tt3.large" in done.stdout
    assert "its nodes cost nothing now" in done.stdout
    vendor.rule("^aws ec2 describe-instances ", "i-2\tt3.large\n", when="leaving down")
    for state in ("running", "down"):  # the second time as well: the first may have been interrupted
        begin(vendor, name, state, True)
        done = vendor.make("eks.mak", "down", WAIT="0")
        assert done.returncode != 0
        assert "still there, and cost money, after 0 s: i-2\tt3.large. Look again: make -f eks.mak ls" in done.stderr
        assert "cost nothing now" not in done.stdout


# -- ^C ---------------------------------------------------------------------------------------------------------------

SLOW = {"eks": ("^eksctl create", "^eksctl delete"), "az": ("^az aks create", "^az aks delete"),
        "gcp": ("^gcloud .* create", "^gcloud .* delete"), "mk": ("^minikube start", "^minikube delete")}  # fmt: skip


@pytest.mark.parametrize("name", VENDORS)
def test_interrupted(vendor: Clouds, name: str, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    vendor.env["TMPDIR"] = str(tmp_path / "tmp")
    start, stop = SLOW[name]
    begin(vendor, name, "none", False)
    code, output, errors = vendor.interrupt(f"{name}.mak", "start", start)
    assert code != 0
    assert "runs. It is the current context" not in output
    assert "may be half made, and cost money: the same command goes on with it if that can be done" in errors
    assert f"make -f {name}.mak stop clears it away" in errors
    assert vendor.contexts == (["other"], "other")
    begin(vendor, name, "running", True)
    code, output, errors = vendor.interrupt(f"{name}.mak", "stop", stop)
    assert code != 0
    assert "nothing is left" not in output
    assert f"is not all gone, and may cost money: run make -f {name}.mak stop again" in errors
    assert vendor.contexts[0] == sorted([CONTEXTS[name], "other"]), "it may still be needed"
    assert temporary(vendor) == []


# -- minikube ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mk"])
def test_minikube_that_runs_only_in_part(vendor: Clouds, name: str) -> None:
    begin(vendor, name, "partial", True)
    status = vendor.make("mk.mak", "status")
    assert "only a part of it runs" in status.stdout
    assert "Error 3" in status.stderr
    assert vendor.make("mk.mak", "start").returncode == 0
    assert vendor.state == "running"
    begin(vendor, name, "partial", True)
    assert vendor.make("mk.mak", "down").returncode == 0
    assert vendor.state == "down"
    begin(vendor, name, "partial", True)
    assert vendor.make("mk.mak", "up").returncode == 0
    assert vendor.state == "running"


@pytest.mark.parametrize("name", ["mk"])
def test_minikube_says_more_than_it_was_asked(vendor: Clouds, name: str) -> None:
    """News of a newer version, a warning about the kubeconfig, with the bit of the exit code that stands for it."""
    said = "* minikube 1.99 is available!\nstate: Running Running Running\n\nWARNING: Your kubectl is stale\n"
    vendor.rule("^minikube status ", said, 4, when="running")
    begin(vendor, name, "running", False)
    assert vendor.make("mk.mak", "down").returncode == 0
    assert vendor.state == "down"
    vendor.rule("^minikube status ", "X Exiting due to MK_USAGE: unknown\n", 14, when="running")
    begin(vendor, name, "running", False)
    done = vendor.make("mk.mak", "down")
    assert done.returncode != 0
    assert "minikube status ends with 14 and says: X Exiting due to MK_USAGE" in done.stderr
    assert not [call for call in vendor.calls if re.search(CHANGES, f"{call} ")]


@pytest.mark.parametrize("name", ["mk"])
def test_minikube_whose_driver_is_off_is_not_to_be_thrown_away(vendor: Clouds, name: str) -> None:
    begin(vendor, name, "broken", True)
    assert "If its driver (Docker) does not run, start that. Clear it away" in vendor.make("mk.mak", "start").stderr


# -- whose it is ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VENDORS)
def test_ls_shows_what_was_found_before_a_command_fails_and_names_other_clusters(vendor: Clouds, name: str) -> None:
    begin(vendor, name, "running", True)
    done = vendor.make(f"{name}.mak", "ls")
    others = [line for line in done.stdout.splitlines() if line.startswith("not ours        ")]
    assert [line.split()[2] for line in others] == {"eks": ["other"], "mk": []}.get(name, ["theirs"])
    assert not [line for line in others if "c756" in line]
    late = {"eks": "^aws logs", "az": "^az group exists --name c756-nodes", "gcp": "^gcloud compute addresses"}
    last = late.get(name)
    if last:
        vendor.rule(last, "boom: AccessDenied\n", 1)
        begin(vendor, name, "running", True)
        done = vendor.make(f"{name}.mak", "ls")
        assert done.returncode != 0
        assert "boom: AccessDenied" in done.stderr
        assert re.search("^(cluster|resource group) ", done.stdout, re.MULTILINE)
