# What runs where, what it costs, stop it all. `make -f allclouds.mak help` lists the targets.

include config.mak
include versions.mak

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

override PATH := $(or $(C756_BIN),$(CURDIR)/.cache/bin):$(PATH)
export PATH

## help: this list
.PHONY: help
help:
	@sed -nE 's/^## ([^:]+): (.*)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'\t' '{ printf "  %-6s %s\n", $$1, $$2 }'

## ls: contexts, clusters of every vendor, what was left behind, tables, load jobs; says what it could not see
.PHONY: ls
ls:
	@tools/allclouds.sh ls

## stop: stop all of that, after asking (YES=1 answers; KEEP_TABLES=1 leaves the tables)
.PHONY: stop
stop:
	@YES="$(YES)" KEEP_TABLES="$(KEEP_TABLES)" tools/allclouds.sh stop
