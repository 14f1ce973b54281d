"""The traffic graph and the traffic report: Prometheus and the Kubernetes API in, pictures and numbers out.

Works with any Istio cluster; knows nothing of pocket.
"""
