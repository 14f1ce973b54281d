"""The node of a zoomed graph, as the matchers of its traffic.

A zoomed graph asks for what goes in and out of its node only, so that rates at nodes that others use too are those of
this node's requests (Kiali's BuildNodeTrafficMap).
"""

from __future__ import annotations

from dataclasses import dataclass

from graph.promql import matcher, pattern
from graph.traffic import known


@dataclass(frozen=True)
class Focus:
    """A service, a workload, or an app with or without a version; fields that are empty do not matter."""

    namespace: str
    app: str = ""
    version: str = ""
    workload: str = ""
    service: str = ""
    cluster: str = ""

    def lost(self) -> list[str]:
        """Requests to the service that never reached a workload."""
        return [
            *self._in_cluster("destination"),
            matcher("destination_workload", "unknown"),
            pattern("destination_service", self.service, self.namespace),
        ]

    def incoming(self) -> list[str]:
        found = self._in_cluster("destination")
        if self.service:
            within = matcher("destination_service_namespace", self.namespace)
            return [*found, within, pattern("destination_service", self.service, self.namespace)]
        if self.workload:
            return [*found, *self._workload("destination")]
        # As Kiali has it: an app is asked for in the namespace of the service, not of the workload.
        return [*found, matcher("destination_service_namespace", self.namespace), *self._app("destination")]

    def outgoing(self) -> list[str]:
        """Empty for a service, which sends nothing of its own."""
        if self.service:
            return []
        found = self._in_cluster("source")
        if self.workload:
            return [*found, *self._workload("source")]
        return [*found, matcher("source_workload_namespace", self.namespace), *self._app("source")]

    def _in_cluster(self, end: str) -> list[str]:
        return [matcher(f"{end}_cluster", self.cluster)] if known(self.cluster) else []

    def _workload(self, end: str) -> list[str]:
        return [matcher(f"{end}_workload_namespace", self.namespace), matcher(f"{end}_workload", self.workload)]

    def _app(self, end: str) -> list[str]:
        found = [matcher(f"{end}_canonical_service", self.app)]
        return [*found, matcher(f"{end}_canonical_revision", self.version)] if known(self.version) else found
