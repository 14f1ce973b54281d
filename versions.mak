# What is pinned for real clusters, in one place. What you choose yourself stands in config.mak.

# --- clusters ----------------------------------------------------------------------------------------------------------

# The Kubernetes version of each vendor's clusters. All of them leave the choice of the patch to the vendor, minikube apart.
# Which are offered: https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html
# https://learn.microsoft.com/azure/aks/supported-kubernetes-versions https://cloud.google.com/kubernetes-engine/docs/release-schedule
# https://minikube.sigs.k8s.io/docs/handbook/config/#selecting-a-kubernetes-version
# 1.35 has EKS' standard support until 27 March 2027 (later it costs six times as much) and GKE's until about that time; AKS
# supports the newest three. Whoever raises them: cluster/addons/charts.txt has to fit, and eksctl has to know the version.
EKS_VERSION = 1.35
AZ_VERSION = 1.35
GCP_VERSION = 1.35
MK_VERSION = v1.35.0

# Nodes with 2 CPU and 8 GB of memory each, in each vendor's words; Istio, Prometheus and the application need two of them.
NODES = 2
EKS_NODE = t3.large
AZ_NODE = Standard_D2s_v5
GCP_NODE = e2-standard-2
# The disk of a node, in GB.
NODE_DISK = 40
# minikube is one node.
MK_CPUS = 4
MK_MEMORY = 8g

export EKS_VERSION AZ_VERSION GCP_VERSION MK_VERSION NODES EKS_NODE AZ_NODE GCP_NODE NODE_DISK MK_CPUS MK_MEMORY
