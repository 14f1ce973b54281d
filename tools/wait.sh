#!/usr/bin/env bash
# Wait until Deployments run what was asked for, every pod ready: tools/wait.sh [NAMESPACE/]DEPLOYMENT... (WAIT=seconds, 180)
# When that does not happen in time, or a new pod crashes again and again, show what is missing.
source "$(dirname "$0")/lib.sh"

limit=${WAIT:-180}
require_cluster
ours=() others=()
for deployment in "$@"; do
    if [[ $deployment == */* ]]; then others+=("$deployment"); else ours+=("$deployment"); fi
done

# What is known about Deployment $2 of namespace $1, which is not ready.
explain() {
    local container=${2%-v*} labels newest
    # shellcheck disable=SC2016  # the template is kubectl's, not the shell's
    labels=$(kubectl -n "$1" get deployment "$2" -o 'go-template={{range $k, $v := .spec.selector.matchLabels}}{{$k}}={{$v}},{{end}}') || true
    say "$2 is not ready. Its pods, the end of the log of the newest:"
    kubectl -n "$1" get pods -l "${labels%,}" -o wide || true
    newest=$(kubectl -n "$1" get pods -l "${labels%,}" --sort-by=.metadata.creationTimestamp -o name | tail -n 1) || true
    if [[ -n $newest ]]; then kubectl -n "$1" logs "$newest" -c "$container" --tail=20 || true; fi
}

# The new pods of namespace $1 that waiting does not help: DEPLOYMENT POD CONTAINER WHY
stuck() {
    local in=$1
    shift
    kubectl -n "$in" get deployments,replicasets,pods -o json | python "$root/tools/stuck.py" "$@"
}

# What pods like those of lines $2 (see above) said last, and what serves meanwhile.
explain_stuck() {
    local in=$1 deployment pod container why available
    while read -r deployment pod container why; do
        say "$deployment: the new pod $pod, container $container: $why. The end of its log:"
        kubectl -n "$in" logs "$pod" -c "$container" --previous --tail=20 || kubectl -n "$in" logs "$pod" -c "$container" --tail=20 || true
        available=$(kubectl -n "$in" get deployment "$deployment" -o 'jsonpath={.status.availableReplicas}')
        if ((${available:-0} > 0)); then
            say "What ran before serves on. Mend it and deploy again, or go back: kubectl -n $in rollout undo deployment/$deployment"
        fi
    done <<<"$2"
}

# Look every two seconds, until there is one, for pods that waiting does not help; then end process $1 and say which.
# Answers of a cluster that cannot be asked right now are no reason to give up: rollout status is.
watch_stuck() {
    local waiting=$1 found=''
    shift
    until [[ -n $found ]]; do
        sleep 2
        found=$(stuck "$@") || found=''
    done
    say "$found"
    kill "$waiting"
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
    local in=$1 deployment code=0
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
        explain_stuck "$in" "$(<"$hopeless")" >&2
        die "gave up: waiting does not help"
    fi
    {
        for deployment in "$@"; do
            kubectl -n "$in" rollout status "deployment/$deployment" --watch=false | grep -q 'successfully rolled out' ||
                explain "$in" "$deployment"
        done
        say "The latest events:"
        kubectl -n "$in" get events --sort-by=.lastTimestamp | tail -n 10 || true
    } >&2
    die "not everything became ready within $limit s"
}

if ((${#ours[@]} > 0)); then wait_in "$namespace" "${ours[@]}"; fi
if ((${#others[@]} > 0)); then
    for deployment in "${others[@]}"; do wait_in "${deployment%/*}" "${deployment#*/}"; done
fi
