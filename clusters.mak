# The verbs of every vendor's makefile, with the same meaning everywhere. eks.mak, az.mak, gcp.mak and mk.mak name their
# VENDOR and include this; the commands of a vendor stand in tools/clusters/VENDOR.sh, their order in tools/vendor.sh.

include config.mak
include versions.mak
include common.mak

HELP_FROM = clusters.mak

## start: make the cluster, or bring its nodes back, and make its context current; again: changes nothing
.PHONY: start
start:
	@tools/vendor.sh $(VENDOR) start

## stop: delete its load balancers, the cluster and all that start made; check that nothing is left that costs money
.PHONY: stop
stop:
	@tools/vendor.sh $(VENDOR) stop

## up: bring the nodes back after down; then: make -f k8s.mak reinstate
.PHONY: up
up:
	@tools/vendor.sh $(VENDOR) up

## down: stop paying for nodes; the cluster and its objects stay
.PHONY: down
down:
	@tools/vendor.sh $(VENDOR) down

## ls: what there is of ours, and what it stands on that costs money
.PHONY: ls
ls:
	@tools/vendor.sh $(VENDOR) ls

## lscl: every cluster of the account, ours or not
.PHONY: lscl
lscl:
	@tools/vendor.sh $(VENDOR) lscl

## status: the state of the cluster and its nodes; exit code 3 where it does not run
.PHONY: status
status:
	@tools/vendor.sh $(VENDOR) status

## cd: make this cluster's context the current one
.PHONY: cd
cd:
	@tools/vendor.sh $(VENDOR) cd
