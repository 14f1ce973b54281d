# What runs where, what it costs, stop it all. `make -f allclouds.mak help` lists the targets.

include config.mak
include versions.mak
include common.mak

## ls: contexts, clusters of every vendor, what was left behind, tables, load jobs; says what it could not see
.PHONY: ls
ls:
	@tools/allclouds.sh ls

## stop: stop all of that, after asking (YES=1 answers; KEEP_TABLES=1 leaves the tables)
.PHONY: stop
stop:
	@YES="$(YES)" KEEP_TABLES="$(KEEP_TABLES)" tools/allclouds.sh stop
