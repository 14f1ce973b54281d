#!/usr/bin/env bash
# Every check and every test; what `make test` and .ci/run do. Arguments go to pytest: tools/test.sh tests/tools -x
# Nothing here touches a running system: kubeconfig, pocket's state and its ports are the tests' own.
source "$(dirname "$0")/lib.sh"
cd "$root"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export KUBECONFIG=$scratch/kubeconfig
unset POCKET_HOME POCKET_PORT_BASE POCKET_GATEWAY_PORT

say "ruff"
.venv/bin/ruff check .
say "mypy"
.venv/bin/mypy servicekit s1 s2 db loader pocket graph c756 tools tests bench
say "shellcheck"
scripts=(.ci/run)
while IFS= read -r script; do scripts+=("$script"); done < <(
    find . -name '*.sh' -not -path '*/node_modules/*' -not -path './.venv/*' -not -path './.cache/*' -not -path './.pocket/*' | sort
)
.venv/bin/shellcheck "${scripts[@]}"
if (($# > 0)); then
    say "pytest $*"
    .venv/bin/python -m pytest "$@"
    exit
fi
# Three at a time (tests/conftest.py says what stays together): one of them mostly waits.
say "pytest"
.venv/bin/python -m pytest -n 3 --no-loadscope-reorder
