# Amazon's Kubernetes (EKS): `make -f eks.mak help` lists the targets; docs/clusters.md has the way from nothing to a running exercise.
VENDOR := eks
include clusters.mak
