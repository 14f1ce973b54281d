# Google's Kubernetes (GKE): `make -f gcp.mak help` lists the targets; docs/clusters.md has the way from nothing to a running exercise.
VENDOR := gcp
include clusters.mak
