"""The kind Lease: a lock that its holder renews (coordination.k8s.io), for leader election; a node's sign of life."""

from __future__ import annotations

from datetime import UTC, datetime

from pocket.kinds.columns import AGE, NAME, Column, at
from pocket.kinds.strategy import Strategy
from pocket.objects import Kind, Obj, namespace_of

NODES = "kube-node-lease"
SECONDS = 40
"""How long the lease of a node holds (kubelet: nodeLeaseDurationSeconds)."""


def _from_stored(lease: Obj, _: Kind, __: str) -> Obj:
    """A node's lease has just been renewed, always: the kubelet lives in the process that answers."""
    if namespace_of(lease) != NODES:
        return lease
    return {**lease, "spec": {**lease["spec"], "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")}}


STRATEGY = Strategy(
    "Lease",
    from_stored=_from_stored,
    watched=False,
    columns=(NAME, Column("Holder", at("spec", "holderIdentity")), AGE),
)
