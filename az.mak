# Microsoft's Kubernetes (AKS): `make -f az.mak help` lists the targets; docs/clusters.md has the way from nothing to a running exercise.
VENDOR := az
include clusters.mak
