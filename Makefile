# The whole thing on this machine. Thin on purpose: k8s.mak has the targets for any cluster, pocket.mak those of the
# cluster on this machine.

include common.mak

HELP_BEFORE = make$(subst ,, )
HELP_AFTER = Also: make -f k8s.mak help (the application, in any cluster), make -f pocket.mak help (the cluster on this machine)

## setup: install what is needed, inside the checkout (up, test and demo do it by themselves)
.PHONY: setup
setup:
	@tools/setup.sh

## up: start a cluster on this machine with the application and its data in it
.PHONY: up
up: setup
	@$(MAKE) -f pocket.mak start
	@$(MAKE) -f k8s.mak dynamodb-init provision loader LOADER_FLAGS=--once
	@tools/welcome.sh

## down: stop all of it; the data stays for the next `make up`
.PHONY: down
down:
	@$(MAKE) -f pocket.mak stop

## test: every check and every test, beside a running system; FAST=1: those of a minute
.PHONY: test
test:
	@tools/setup.sh test
	@FAST="$(FAST)" tools/test.sh

## lint: what can be checked without running anything
.PHONY: lint
lint:
	@tools/setup.sh test
	@tools/lint.sh

## fix: mend what can be mended by itself, and format what you changed
.PHONY: fix
fix:
	@tools/setup.sh test
	@tools/lint.sh --fix

## tag: the git tag of the version in pyproject.toml
.PHONY: tag
tag:
	@tools/tag.sh

## demo: the whole story, unattended: v2 at 10 %, failures, rollback, fix, 10 %, 100 %, v1 deleted; CANARY=1: a machine judges
.PHONY: demo
demo: up
	@.venv/bin/python -m tools.demo $(if $(CANARY),--canary)
