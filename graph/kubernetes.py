"""Reads objects from the Kubernetes API. Nothing here writes."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import requests

from graph import http, kubeconfig
from graph.cluster import Cluster
from graph.kubeconfig import Access, unreachable

ISTIO_VERSIONS = ("v1", "v1beta1", "v1alpha3")
_TOKEN_SECONDS = 60.0


class Kubernetes:
    """One API server. Threads may share it. Methods raise GraphError (kubernetesUnreachable)."""

    def __init__(self, access: Access, timeout: float = 5.0, connections: int = 16) -> None:
        self.access = access
        self._timeout = timeout
        self._session = self.session(connections)
        self._token: tuple[float, str | None] = (0.0, access.token)

    def session(self, connections: int) -> requests.Session:
        """A new one, which shows the server who asks."""
        made = http.session(self.access.server, connections)
        made.verify = self.access.ca
        made.cert = self.access.client_certificate
        if self.access.proxy:
            made.proxies = {"http": self.access.proxy, "https": self.access.proxy}
        made.auth = self._sign
        return made

    def get(self, path: str) -> dict[str, Any] | None:
        """The object at a path; None if the server has no such path."""
        try:
            answer = self._session.get(
                self.access.server + path, timeout=self._timeout, allow_redirects=False
            )
        except requests.RequestException as error:
            raise unreachable(
                f"The Kubernetes API at {self.access.server} cannot be reached: {type(error).__name__}.",
                "Does `kubectl get ns` work? Nodes without traffic, badges and weights come from there.",
            ) from error
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise unreachable(
                f"The Kubernetes API answered {answer.status_code} to {path}.",
                "Its account may not read this: apply cluster/graph.yaml, which has the role; or check the kubeconfig."
                if answer.status_code in (401, 403)
                else "See the log of the API server.",
            )
        try:
            found: dict[str, Any] = answer.json()
        except ValueError as error:
            raise unreachable(f"{self.access.server} is not a Kubernetes API.", "Check the kubeconfig.") from error
        return found

    def items(self, path: str) -> list[dict[str, Any]]:
        """The items of a list; empty if the server does not know the kind."""
        return list((self.get(path) or {}).get("items") or ())

    def list_istio(self, plural: str) -> list[dict[str, Any]]:
        """All objects of one Istio kind, in the newest version that the server has."""
        for version in ISTIO_VERSIONS:
            found = self.get(f"/apis/networking.istio.io/{version}/{plural}")
            if found is not None:
                return list(found.get("items") or ())
        return []

    def namespaces(self) -> list[dict[str, Any]]:
        return sorted(self.items("/api/v1/namespaces"), key=lambda item: str(item["metadata"]["name"]))

    def version(self) -> str:
        return str((self.get("/version") or {}).get("gitVersion", "unknown"))

    def cluster(self, namespaces: Sequence[str], executor: Executor) -> Cluster:
        """Everything that the graph needs to know about some namespaces, read side by side."""
        jobs: dict[str, Callable[[], list[dict[str, Any]]]] = {"namespaces": self.namespaces}
        for plural in ("virtualservices", "destinationrules", "serviceentries", "gateways"):
            jobs[plural] = lambda plural=plural: self.list_istio(plural)  # type: ignore[misc]
        jobs["api gateways"] = lambda: self.items("/apis/gateway.networking.k8s.io/v1/gateways")
        for namespace in namespaces:
            for plural, root in (("services", "/api/v1"), ("pods", "/api/v1"), ("deployments", "/apis/apps/v1")):
                path = f"{root}/namespaces/{namespace}/{plural}"
                jobs[f"{plural} {namespace}"] = lambda path=path: self.items(path)  # type: ignore[misc]
        running = {name: executor.submit(job) for name, job in jobs.items()}
        found = {name: future.result() for name, future in running.items()}

        def of(plural: str) -> tuple[dict[str, Any], ...]:
            return tuple(item for namespace in namespaces for item in found[f"{plural} {namespace}"])

        return Cluster(
            namespaces={
                str(item["metadata"]["name"]): item["metadata"].get("labels") or {} for item in found["namespaces"]
            },
            created={
                str(item["metadata"]["name"]): str(item["metadata"]["creationTimestamp"])
                for item in found["namespaces"]
                if item["metadata"].get("creationTimestamp")
            },
            loaded=frozenset(namespaces),
            services=of("services"),
            deployments=of("deployments"),
            pods=of("pods"),
            virtual_services=tuple(found["virtualservices"]),
            destination_rules=tuple(found["destinationrules"]),
            service_entries=tuple(found["serviceentries"]),
            gateways=tuple(found["gateways"]),
            api_gateways=tuple(found["api gateways"]),
        )

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        read_at, token = self._token
        if self.access.token_file and (not token or time.monotonic() - read_at > _TOKEN_SECONDS):
            try:
                token = self.access.token_file.read_text().strip()
            except OSError as error:
                raise unreachable(f"The token {self.access.token_file} cannot be read: {error}.", "") from error
            self._token = (time.monotonic(), token)
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        return request


def connect(url: str | None, timeout: float, connections: int) -> Kubernetes:
    """The cluster that kubectl would talk to. Certificates of the kubeconfig live in a private folder meanwhile."""
    folder = Path(tempfile.mkdtemp(prefix="graph-kube-"))
    try:
        api = Kubernetes(kubeconfig.find(os.environ, url, folder), timeout, connections)
    except Exception:
        shutil.rmtree(folder)
        raise
    weakref.finalize(api, shutil.rmtree, folder, ignore_errors=True)
    return api
