# shellcheck shell=bash
# What the scripts of this folder share: strict mode, where things are, and questions about the current cluster.
# Sourced, never run: source "$(dirname "$0")/lib.sh"
set -euo pipefail

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

# The project's Python where it is set up; the helpers here need nothing but the standard library.
python() {
    if [[ -x $root/.venv/bin/python ]]; then "$root/.venv/bin/python" "$@"; else python3 "$@"; fi
}

context_name() {
    command -v kubectl >/dev/null || die "there is no kubectl on this machine. make setup puts one into .cache/bin"
    kubectl config current-context 2>/dev/null ||
        die "kubectl has no current context. Start a cluster first: make up (pocket), make -f eks.mak start, ..."
}

# Ends with what is wrong and what to do where the current cluster cannot be asked. kubectl's own words for it
# recommend --validate=false, which helps nobody.
require_cluster() {
    local context trouble
    context=$(context_name)
    trouble=$(kubectl get --raw /version 2>&1 >/dev/null) ||
        die "the cluster of context \"$context\" cannot be asked: ${trouble##*$'\n'}
Start it (pocket: make up), or choose another: kubectl config use-context NAME"
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

# Where the tables of the current cluster are: pocket (its own emulator), emulator (make -f k8s.mak emulator) or aws.
tables_home() {
    local context found
    context=$(context_name)
    if [[ $(context_kind "$context") == pocket ]]; then
        say pocket
        return
    fi
    found=$(kubectl -n dynamodb get service dynamodb --ignore-not-found -o name)
    if [[ -n $found ]]; then say emulator; else say aws; fi
}

# A name for this very cluster. The uid of a namespace that each cluster has tells a recreated one from the old one.
cluster_id() {
    local context uid
    context=$(context_name)
    uid=$(kubectl get namespace default -o 'jsonpath={.metadata.uid}') ||
        die "the cluster of context \"$context\" does not answer (see above)."
    say "${context//[^A-Za-z0-9._-]/_}-${uid:0:8}"
}

# Export each NAME=value line of $1.
export_lines() {
    local line
    while IFS= read -r line; do
        if [[ -n $line ]]; then export "${line?}"; fi
    done <<<"$1"
}
