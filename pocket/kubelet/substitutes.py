"""External services that pocket brings along itself: the one table. Pure.

The objects in cluster/ name the real service (a ServiceEntry); on pocket a sidecar's listener stands for it, so that
the traffic is seen as traffic to it, and the application is told where that is by an environment variable.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass

from pocket.objects import Obj


@dataclass(frozen=True)
class Rule:
    """One service: which host it is in the objects, and how an application learns of the substitute."""

    hosts: str  # pattern of the external host
    default_host: str  # what it is called where no ServiceEntry names it
    port: int
    variable: str
    scheme: str = "http"


RULES = (
    Rule("dynamodb.*.amazonaws.com", "dynamodb.us-west-2.amazonaws.com", 443, "DYNAMODB_URL"),
)


def host_of(rule: Rule, service_entries: Iterable[Obj]) -> str:
    """The external host that the rule stands for in this cluster: as a ServiceEntry spells it."""
    for entry in service_entries:
        for host in entry["spec"].get("hosts") or ():
            if fnmatch.fnmatchcase(str(host), rule.hosts):
                return str(host)
    return rule.default_host
