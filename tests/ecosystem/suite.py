"""Which of Kubernetes' own tests are run against pocket, which are not, and which fail: the one place that says so.

docs/pocket.md has the same as a table (`rows`); `test_conformance.py` holds both against what happens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

CHOSEN = (
    r"sig-api-machinery|sig-auth|Events|\] Lease|sig-node\] (ConfigMap|Secrets)|PodTemplate|RuntimeClasses API|"
    "LimitRange should list|PriorityClass endpoints"
)
"""The API machinery, and the API of kinds that need no container."""

COUNT = 108
"""How many are left of these in the version that go.mod names."""

LEFT_OUT = {
    "start containers of foreign images": (
        r"AdmissionWebhook|ConversionWebhook|CustomResourceFieldSelectors.*MUST list|Aggregat(or|ed APIServer)|"
        r"consumable|sig-storage|all pods are removed|OrderedNamespaceDeletion|should create pods, set|"
        r"mount (an API|projected)|opting out of API token|OIDC discovery|RunAsUser|ServiceAccount tokens to the API"
    ),
    "want controllers of kinds that pocket keeps only (ReplicationController, CronJob, ResourceQuota, admission "
    "policies, flow schemas, signing requests)": (
        r"pods created by rc|rc around|both valid owner|created by cronjob|ResourceQuota|"
        r"AdmissionPolicy.*(should mutate|validate against|refer to variables|refer variables|type check|restrict)|"
        r"API priority and fairness should ensure|building a client with a CSR"
    ),
    "ask the processes of a control plane (kubelet's port, metrics, names of its checks)": (
        r"NodeAuthenticator|MetricsGrabber|health handlers|kubelet /metrics"
    ),
    "are slow, disruptive, or about alpha and beta features": (
        r"\[Slow\]|\[Disruptive\]|90 percent|Feature:|FeatureGate|Flaky|Alpha|Beta|v1alpha1|v1beta1"
    ),
}
"""Why, and the names (regular expressions)."""

FAILING = {
    "contains an x-kubernetes-validations rule that exceeds the estimated cost limit": (
        "what a rule may cost at most is not estimated; a request's body has 3 MiB at most"
    ),
    "exceeds the runtime cost limit for x-kubernetes-validations rule execution": "nor is it counted",
    "return a 406 for a backend which does not implement metadata": "a review that is asked for as a Table is one here",
    "PriorityClass endpoints can be operated with different HTTP methods": (
        "which fields of a kind that is only kept may not change, no schema says"
    ),
    "storagemigration.k8s.io/v1 StorageVersionMigration": "the group is not served: there is no etcd to migrate",
    'report errors with accept "application/vnd.kubernetes.protobuf"': "answers are JSON (OpenAPI v2 apart): 406",
}
"""The end of a test's name (less its labels), and why it fails."""

_LABELS = re.compile(r"( \[[\w:]+\])+$")


def chosen(names: Iterable[str]) -> list[str]:
    """Those that are run."""
    out = re.compile("|".join(LEFT_OUT.values()))
    return sorted({name for name in names if re.search(CHOSEN, name) and not out.search(name)})


def why_failing(name: str) -> str | None:
    """The reason that is known; None for a test that has to pass."""
    bare = _LABELS.sub("", name)
    return next((reason for end, reason in FAILING.items() if bare.endswith(end)), None)


def rows() -> list[str]:
    """The table of docs/pocket.md."""
    failing = [f"| {end} | fails: {reason} |" for end, reason in FAILING.items()]
    return ["| test | why |", "|---|---|", *failing, *(f"| (not run) | they {reason} |" for reason in LEFT_OUT)]
