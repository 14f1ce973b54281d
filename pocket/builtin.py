"""The objects that a pocket brings along, as minikube's add-ons do: the ingress gateway and Prometheus."""

from __future__ import annotations

import yaml

from pocket import standins
from pocket.api.bootstrap import complete, ensure_namespace
from pocket.mesh.gatewayapi.refs import CONTROLLER
from pocket.mesh.model import CLUSTER_DOMAIN, GATEWAY_API
from pocket.objects import Obj, kind_of
from pocket.settings import Settings
from pocket.store import Store

ISTIO_NAMESPACE = "istio-system"
GATEWAY = "istio-ingressgateway"
COMPONENT = {"operator.istio.io/component": "IngressGateways"}
"""Of the gateway's Deployment and pods, as istioctl installs it: Kiali knows a gateway by it."""


def objects(settings: Settings) -> list[Obj]:
    """What `start` makes sure is there."""
    labels = {"app": GATEWAY, "istio": "ingressgateway"}
    return [
        _object("v1", "ServiceAccount", GATEWAY),
        {
            **_object("v1", "Service", GATEWAY, labels=labels),
            "spec": {
                "type": "NodePort",
                "selector": labels,
                "ports": [
                    {
                        "name": "http2",
                        "port": 80,
                        "targetPort": 8080,
                        "nodePort": settings.gateway_port,
                        "protocol": "TCP",
                    },
                    {
                        "name": "https",
                        "port": 443,
                        "targetPort": 8443,
                        "nodePort": settings.gateway_tls_port,
                        "protocol": "TCP",
                    },
                ],
            },
        },
        {
            **_object("apps/v1", "Deployment", GATEWAY, labels={**labels, **COMPONENT}),
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                # Envoys share a port (SO_REUSEPORT), so a new gateway takes over before the old one goes.
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
                "template": {
                    "metadata": {
                        "labels": {**labels, **COMPONENT},
                        # As Istio's gateway injection: https://istio.io/latest/docs/setup/additional-setup/gateway/
                        "annotations": {"inject.istio.io/templates": "gateway"},
                    },
                    "spec": {
                        "serviceAccountName": GATEWAY,
                        "containers": [
                            {
                                "name": "istio-proxy",
                                "image": "auto",
                                "ports": [
                                    {"name": "http2", "containerPort": 8080, "protocol": "TCP"},
                                    {"name": "https", "containerPort": 8443, "protocol": "TCP"},
                                ],
                            }
                        ],
                    },
                },
            },
        },
        {
            "apiVersion": f"{GATEWAY_API}/v1",
            "kind": "GatewayClass",
            "metadata": {"name": "istio"},
            "spec": {"controllerName": CONTROLLER, "description": "The default Istio GatewayClass"},
        },
        # The API server's own Service, which clients in a pod look for. Nothing listens at its cluster IP: pods find
        # the address in KUBERNETES_SERVICE_HOST.
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": "kubernetes",
                "namespace": "default",
                "labels": {"component": "apiserver", "provider": "kubernetes"},
            },
            "spec": {
                "clusterIP": "10.96.0.1",
                "ports": [{"name": "https", "port": 443, "targetPort": settings.api_port, "protocol": "TCP"}],
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {"name": "kubernetes", "namespace": "default"},
            "subsets": [
                {
                    "addresses": [{"ip": "127.0.0.1"}],
                    "ports": [{"name": "https", "port": settings.api_port, "protocol": "TCP"}],
                }
            ],
        },
        # Prometheus is a process of pocket's own, outside the mesh; a pod stands for it.
        {
            **_object("v1", "Service", "prometheus"),
            "spec": {
                "selector": {"app.kubernetes.io/name": "prometheus"},
                "ports": [{"name": "http", "port": 9090, "targetPort": 9090}],
            },
        },
        # What istioctl reads of the mesh (`x describe`): https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/
        {
            **_object("v1", "ConfigMap", "istio"),
            "data": {"mesh": yaml.safe_dump(_MESH), "meshNetworks": "networks: {}"},
        },
        *(standins.pod(entry) for entry in standins.all_of(settings)),
    ]


_MESH = {"enableAutoMtls": True, "rootNamespace": ISTIO_NAMESPACE, "trustDomain": CLUSTER_DOMAIN}


def ensure(store: Store, settings: Settings) -> None:
    """Create what is missing, and bring ports up to date when the pocket was given others."""
    ensure_namespace(store, ISTIO_NAMESPACE)
    for obj in objects(settings):
        obj = complete(store, obj)
        meta = obj["metadata"]
        old = store.find(kind_of(obj), meta.get("namespace"), meta["name"])
        if old is None:
            store.create(obj)
        elif obj["kind"] in ("Service", "Endpoints"):
            store.update({**old, **{field: value for field, value in obj.items() if field != "metadata"}})


def _object(version: str, kind: str, name: str, **metadata: Obj) -> Obj:
    """The head of an object in istio-system."""
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, "namespace": ISTIO_NAMESPACE, **metadata},
    }
