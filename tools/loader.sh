#!/usr/bin/env bash
# Run the loader's Job and follow it: tools/loader.sh [--once]
# Fails when a row failed. With --once, does nothing if it has run to its end before.
source "$(dirname "$0")/lib.sh"
cd "$root"
job=cmpt756loader
limit=${WAIT:-600}

# Complete, Failed, or nothing yet.
state() {
    local conditions
    conditions=$(kubectl -n "$namespace" get job "$job" --ignore-not-found \
        -o 'jsonpath={range .status.conditions[?(@.status=="True")]}{.type}{"\n"}{end}')
    grep -xE 'Complete|Failed' <<<"$conditions" || true
}

require_cluster
if [[ ${1:-} == --once ]]; then
    now=$(state)
    if [[ $now == Complete ]]; then
        say "the data was loaded before"
        exit 0
    fi
fi
tools/image.sh build loader
kubectl -n "$namespace" delete job "$job" --ignore-not-found --wait --timeout=60s
tools/apply.sh cluster/service-accounts.yaml cluster/loader.yaml

end=$((SECONDS + limit))
following=
now=
# A cluster that does not answer for a moment is no reason to give up.
until now=$(state) && [[ -n $now ]]; do
    ((SECONDS < end)) || die "$job has not ended after $limit s: kubectl -n $namespace describe job $job"
    if [[ -z $following ]]; then
        phase=$(kubectl -n "$namespace" get pods -l "job-name=$job" -o 'jsonpath={.items[*].status.phase}')
        if [[ $phase == Running || $phase == Succeeded || $phase == Failed ]]; then
            following=yes
            kubectl -n "$namespace" logs -f "job/$job" -c "$job"
        fi
    fi
    sleep 0.2
done
if [[ -z $following ]]; then kubectl -n "$namespace" logs "job/$job" -c "$job"; fi
[[ $now == Complete ]] || die "the loader failed; its log is above"
