#!/usr/bin/env bash
# Wait until Deployments run what was asked for, every pod ready: tools/wait.sh DEPLOYMENT... (WAIT=seconds, 180)
# When that does not happen in time, show what is missing.
source "$(dirname "$0")/lib.sh"
(($# > 0)) || die "usage: tools/wait.sh DEPLOYMENT..."

if ! kubectl -n "$namespace" rollout status --timeout="${WAIT:-180}s" "${@/#/deployment/}"; then
    for deployment in "$@"; do
        if ! kubectl -n "$namespace" rollout status "deployment/$deployment" --watch=false | grep -q 'successfully rolled out'; then
            {
                say "$deployment is not ready. Its pods, the end of its log:"
                kubectl -n "$namespace" get pods -l "app=${deployment%-v*}" -o wide || true
                kubectl -n "$namespace" logs "deployment/$deployment" -c "${deployment%-v*}" --tail=20 || true
            } >&2
        fi
    done
    {
        say "The latest events:"
        kubectl -n "$namespace" get events --sort-by=.lastTimestamp | tail -n 10 || true
    } >&2
    die "not everything became ready within ${WAIT:-180} s"
fi
