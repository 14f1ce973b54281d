# What every makefile here begins with: strict recipes, the project's programs before the machine's, and `help`.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# tools/setup.sh puts a kubectl there where the one on the PATH is missing or too old.
override PATH := $(or $(C756_BIN),$(CURDIR)/.cache/bin):$(PATH)
export PATH

# Where the explained targets stand, what is typed before their names, and for which words `%` in a line stands.
HELP_FROM = $(firstword $(MAKEFILE_LIST))
HELP_BEFORE =
SERVICES =

## help: this list
.PHONY: help
help:
	@sed -nE 's/^## ([^:]+): (.*)/\1\t\2/p' $(HELP_FROM) common.mak | awk -F'\t' -v words="$(SERVICES)" -v before="$(HELP_BEFORE)" ' \
	    function line(name, text) { if (!(name in texts)) names[++n] = name; if (length(name) > width) width = length(name); texts[name] = text } \
	    $$1 !~ /%/ { line($$1, $$2) } \
	    $$1 ~ /%/ { count = split(words, each, " "); for (i = 1; i <= count; i++) { name = $$1; text = $$2; gsub(/%/, each[i], name); gsub(/%/, each[i], text); line(name, text) } } \
	    END { for (i = 1; i <= n; i++) printf "  %s%-*s  %s\n", before, width, names[i], texts[names[i]] }'
	$(if $(HELP_AFTER),@echo "$(HELP_AFTER)")

# What needs more than the standard library: the packages of requirements.lock.
.venv/bin/python:
	@tools/setup.sh
