#!/usr/bin/env bash
# Ask the advisory databases about everything that is locked: tools/audit.sh. Needs pip-audit on the PATH (PyPI), and the network.
# Ends with 1 where something is known (each is printed), and where a database could not be asked: silence is no answer.
source "$(dirname "$0")/lib.sh"
cd "$root"
command -v pip-audit >/dev/null || die "pip-audit is not installed: pip install pip-audit"
failed=()

# audit NAME COMMAND...: the answer must be JSON in which tools/audited.py finds every package of the lock NAME.
audit() {
    local lock=$1 code=0
    shift
    "$@" >"$answer" || code=$?
    python tools/audited.py "$lock" "$answer" "$code" || failed+=("$lock")
}

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
while read -r lock; do
    case $lock in
        *package-lock.json) audit "$lock" npm audit --prefix "$(dirname "$lock")" --json ;;
        *) audit "$lock" pip-audit --strict --require-hashes --disable-pip --format json --requirement "$lock" ;;
    esac
done < <(git ls-files '*requirements*.lock' '*package-lock.json')
((${#failed[@]} == 0)) || die "not known to be clean: ${failed[*]} (see above)"
