#!/usr/bin/env bash
# Wait until Deployments run what was asked for, every pod ready: tools/wait.sh [NAMESPACE/]DEPLOYMENT... (WAIT=seconds, 180)
# When that does not happen in time, show what is missing.
source "$(dirname "$0")/lib.sh"

ours=() others=()
for deployment in "$@"; do
    if [[ $deployment == */* ]]; then others+=("$deployment"); else ours+=("$deployment"); fi
done

# What is known about Deployment $2 of namespace $1, which is not ready.
explain() {
    local container=${2%-v*}
    say "$2 is not ready. Its pods, the end of its log:"
    kubectl -n "$1" get pods -l "app=$container" -o wide || true
    kubectl -n "$1" logs "deployment/$2" -c "$container" --tail=20 || true
}

# Wait for Deployments of one namespace: NAMESPACE DEPLOYMENT...
wait_in() {
    local in=$1 deployment
    shift
    if kubectl -n "$in" rollout status --timeout="${WAIT:-180}s" "${@/#/deployment/}"; then return; fi
    {
        for deployment in "$@"; do
            kubectl -n "$in" rollout status "deployment/$deployment" --watch=false | grep -q 'successfully rolled out' ||
                explain "$in" "$deployment"
        done
        say "The latest events:"
        kubectl -n "$in" get events --sort-by=.lastTimestamp | tail -n 10 || true
    } >&2
    die "not everything became ready within ${WAIT:-180} s"
}

if ((${#ours[@]} > 0)); then wait_in "$namespace" "${ours[@]}"; fi
if ((${#others[@]} > 0)); then
    for deployment in "${others[@]}"; do wait_in "${deployment%/*}" "${deployment#*/}"; done
fi
