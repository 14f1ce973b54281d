#!/usr/bin/env bash
# Every check and every test; what `make test` and .ci/run do. Arguments go to pytest: tools/test.sh tests/tools -x
# FAST=1: only the tests that start no service, cluster, browser or load, for the minute between two edits.
# Nothing here touches a running system: kubeconfig, pocket's state and its ports are the tests' own.
source "$(dirname "$0")/lib.sh"
cd "$root"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export KUBECONFIG=$scratch/kubeconfig
unset POCKET_HOME POCKET_PORT_BASE POCKET_GATEWAY_PORT

tools/lint.sh
if (($# > 0)); then
    say "pytest $*"
    .venv/bin/python -m pytest "$@"
    exit
fi
if [[ -n ${FAST:-} ]]; then
    # shellcheck source=/dev/null
    slow=(tests/{e2e,ecosystem,gatling,graph/page,images,s1,s2,vendors})
    say "pytest, FAST: without ${slow[*]}"
    .venv/bin/python -m pytest -n 2 "${slow[@]/#/--ignore=}"
    exit
fi
# Three at a time (tests/conftest.py says what stays together): one of them mostly waits.
say "pytest"
.venv/bin/python -m pytest -n 3 --no-loadscope-reorder
