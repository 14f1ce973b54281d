# minikube, on this machine: `make -f mk.mak help` lists the targets; docs/clusters.md has the way from nothing to a running exercise.
VENDOR := mk
include clusters.mak
