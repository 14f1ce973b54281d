"""Runs the pods: processes with probes, restarts, volumes, and an Envoy beside each where the mesh wants one."""

from pocket.kubelet.kubelet import Kubelet
from pocket.kubelet.proxy import MeshPort

__all__ = ["Kubelet", "MeshPort"]
