# shellcheck shell=bash
# What the scripts of this folder share: strict mode, where things are, and questions about the current cluster.
# Sourced, never run: source "$(dirname "$0")/lib.sh"
set -euo pipefail
# A failure inside $( ) is one, too. (Bash 4.4; the older one of macOS does not know it.)
if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)); then shopt -s inherit_errexit; fi

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034  # for the scripts that source this
namespace=c756ns

# tools/setup.sh puts a kubectl there where the one on the PATH is missing or too old.
PATH="${C756_BIN:-$root/.cache/bin}:$PATH"

say() { printf '%s\n' "$*"; }
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# attempt WHAT COMMAND...: run COMMAND, its output into the file $log. Says what it is and how long it took; on a terminal,
# meanwhile, how long it has taken. Sets `code` to its exit code.
attempt() {
    local what=$1 start=$SECONDS
    shift
    printf '  - %s ...' "$what"
    if [[ -t 1 ]]; then
        # As long as the script is there: what runs in the background does not hear ^C.
        while sleep 1 && kill -0 $$; do printf '\r  - %s ... %s s' "$what" "$((SECONDS - start))"; done 2>/dev/null &
    fi
    # Not as the condition of an `if`: there a function would run on after a failing command.
    set +e
    (
        set -e
        "$@"
    ) >"${log:?}" 2>&1
    code=$?
    set -e
    if [[ -t 1 ]]; then
        kill $! && wait $! 2>/dev/null || true
        printf '\r  - %s ...' "$what"
    fi
    if ((code == 0)); then printf ' %s s\n' "$((SECONDS - start))"; else printf ' failed\n'; fi
}

# The project's Python where it is set up; the helpers here need nothing but the standard library.
python() {
    if [[ -x $root/.venv/bin/python ]]; then "$root/.venv/bin/python" "$@"; else python3 "$@"; fi
}

# The current context's name, and whether its cluster can be asked; else all ends with the reason and the cure.
context_name() { (cd "$root" && python -m c756 context); }
require_cluster() {
    local trouble
    trouble=$(cd "$root" && python -m c756 require 2>&1) || die "$trouble"
}

# kubectl, whose complaints come after its output. Where no cluster answers they are that reason and the cure, instead of a
# line for each kind that could not be looked up.
kube() {
    local said code=0
    { said=$(kubectl "$@" 2>&1 >&3) || code=$?; } 3>&1
    if ((code != 0)); then require_cluster; fi
    if [[ -n $said ]]; then printf '%s\n' "$said" >&2; fi
    return "$code"
}

# How the cluster of a context takes images: pocket, minikube, kind, or (everything else) from a registry.
context_kind() {
    case "$1" in
        pocket) say pocket ;;
        minikube) say minikube ;;
        kind-*) say kind ;;
        *) say registry ;;
    esac
}

# A name for this very cluster. The uid of a namespace that each cluster has tells a recreated one from the old one.
cluster_id() {
    local context uid
    context=$(context_name)
    uid=$(kube get namespace default -o 'jsonpath={.metadata.uid}')
    say "${context//[^A-Za-z0-9._-]/_}-${uid:0:8}"
}
