#!/usr/bin/env bash
# Wait until Deployments run what was asked for, every pod ready: tools/wait.sh [NAMESPACE/]DEPLOYMENT... (WAIT=seconds, 180)
# When that does not happen in time, or waiting does not help a new pod, say in a line for each what is wrong, what helps,
# and where to see more.
source "$(dirname "$0")/lib.sh"
cd "$root"

limit=${WAIT:-180}
require_cluster
ours=() others=()
for deployment in "$@"; do
    if [[ $deployment == */* ]]; then others+=("$deployment"); else ours+=("$deployment"); fi
done

# Look every two seconds, until there is one, for pods that waiting does not help; then end process $1 and say which.
# Answers of a cluster that cannot be asked right now are no reason to give up: rollout status is.
watch_stuck() {
    local waiting=$1 found=''
    shift
    until [[ -n $found ]]; do
        sleep 2
        found=$(python -m c756 stuck "$@") || found=''
    done
    say "$found"
    kill "$waiting"
}

# What of Deployments $2... of namespace $1 serves while the new pods do not.
say_what_serves() {
    local in=$1 deployment available
    shift
    for deployment in "$@"; do
        available=$(kubectl -n "$in" get deployment "$deployment" -o 'jsonpath={.status.availableReplicas}')
        if ((${available:-0} > 0)); then
            say "What ran before serves on. Mend it and deploy again, or go back: kubectl -n $in rollout undo deployment/$deployment"
        fi
    done
}

# Neither the wait nor the watch outlives this script: what runs in the background does not hear ^C.
hopeless=$(mktemp)
waiting='' watcher=''
finish() {
    local process
    for process in $waiting $watcher; do kill "$process" 2>/dev/null || true; done
    waiting='' watcher=''
}
trap 'finish; rm -f "$hopeless"' EXIT

# Wait for Deployments of one namespace: NAMESPACE DEPLOYMENT...
wait_in() {
    local in=$1 stuck code=0
    shift
    kubectl -n "$in" rollout status --timeout="${limit}s" "${@/#/deployment/}" &
    waiting=$!
    watch_stuck "$waiting" "$in" "$@" >"$hopeless" 2>/dev/null &
    watcher=$!
    wait "$waiting" || code=$?
    waiting=''
    finish
    if ((code == 0)); then return; fi
    if [[ -s $hopeless ]]; then
        cat "$hopeless" >&2
        stuck=$(sed 's/:.*//' "$hopeless" | sort -u)
        # shellcheck disable=SC2086  # one word for each
        say_what_serves "$in" $stuck >&2
        die "gave up: waiting does not help"
    fi
    python -m c756 stuck --all "$in" "$@" >&2
    die "not everything became ready within $limit s"
}

if ((${#ours[@]} > 0)); then wait_in "$namespace" "${ours[@]}"; fi
if ((${#others[@]} > 0)); then
    for deployment in "${others[@]}"; do wait_in "${deployment%/*}" "${deployment#*/}"; done
fi
