#!/usr/bin/env bash
# What can be checked without running anything: tools/lint.sh. With --fix, mend what ruff can, and format what was changed.
source "$(dirname "$0")/lib.sh"
cd "$root"

if [[ ${1:-} == --fix ]]; then
    .venv/bin/ruff check --fix .
    # Only these: much here is formatted by hand, and changes should show what they change.
    { git diff --name-only --diff-filter=d HEAD -- '*.py' && git ls-files --others --exclude-standard -- '*.py'; } |
        xargs --no-run-if-empty .venv/bin/ruff format
    exit
fi
say "ruff"
.venv/bin/ruff check .
log=$(mktemp) code=
trap 'rm -f "$log"' EXIT
attempt "mypy (types)" .venv/bin/mypy servicekit s1 s2 db loader pocket graph c756 tools tests bench
cat "$log"
((code == 0)) || exit "$code"
say "shellcheck"
scripts=(.ci/run)
while IFS= read -r script; do scripts+=("$script"); done < <(
    find . -name '*.sh' -not -path '*/node_modules/*' -not -path './.venv/*' -not -path './.cache/*' -not -path './.pocket/*' | sort
)
.venv/bin/shellcheck "${scripts[@]}"
