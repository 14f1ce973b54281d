"""Upstream's schemas, as data: Kubernetes, Istio, the Gateway API, the Prometheus operator."""
