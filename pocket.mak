# pocket: the cluster on this machine. `make -f pocket.mak help` lists the targets.
# POCKET_HOME, POCKET_PORT_BASE and POCKET_GATEWAY_PORT in the environment give a second one its own place.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

override PATH := $(or $(C756_BIN),$(CURDIR)/.cache/bin):$(PATH)
export PATH

POCKET := .venv/bin/python -m pocket

## help: this list
.PHONY: help
help:
	@sed -nE 's/^## ([^:]+): (.*)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'\t' '{ printf "  %-10s %s\n", $$1, $$2 }'

## start: start it, or what is missing of it, and make its context current
.PHONY: start
start: .venv/bin/python
	@$(POCKET) start

## stop: stop all of it; the objects and the data stay for the next start
.PHONY: stop
stop: .venv/bin/python
	@$(POCKET) stop

## restore: take back the copy of the objects that the last start made
.PHONY: restore
restore: .venv/bin/python
	@$(POCKET) restore

## status: its parts and their memory
.PHONY: status
status: .venv/bin/python
	@$(POCKET) status

## ls: one line about it
.PHONY: ls
ls: .venv/bin/python
	@$(POCKET) ls

.venv/bin/python:
	@tools/setup.sh
