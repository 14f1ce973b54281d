#!/usr/bin/env bash
# Load from pods of the current cluster: tools/load-job.sh USERS SIMULATION PODS DURATION
# What `make -f k8s.mak load` does: a Job whose pods share the users; returns when they run.
source "$(dirname "$0")/lib.sh"
cd "$root"
(($# == 4)) && [[ -n $1 && -n $2 ]] || die "usage: make -f k8s.mak load USERS=200 SIM=ReadMusicSim PODS=4 [DURATION=5m]"
users=$1 simulation=$2 pods=$3 duration=$4
[[ $pods =~ ^[1-9][0-9]{0,2}$ ]] || die "PODS is \"$pods\": it must be a whole number from 1 to 999"
((${#users} > 6)) || [[ ! $users =~ ^[0-9]+$ ]] || ((10#$users >= pods)) ||
    die "USERS=$users is less than PODS=$pods: some pods would have nothing to do"
limit=${WAIT:-300}

# The same questions as before a run from here: do the services answer, is there data? And what the simulations need.
python -m tools.load check "$users" "$simulation" --duration "$duration"
tools/image.sh build gatling

export LOAD_USERS=$users LOAD_SIM=$simulation LOAD_PODS=$pods LOAD_DURATION=$duration
LOAD_JOB=load-$(tr '[:upper:]' '[:lower:]' <<<"$simulation")
# Pods of pocket are processes beside the gateway; elsewhere they know it by its name in the cluster.
context=$(context_name)
if [[ $(context_kind "$context") == pocket ]]; then
    LOAD_URL=http://$(tools/getip.sh)
else
    LOAD_URL=http://istio-ingressgateway.istio-system.svc.cluster.local
fi
export LOAD_JOB LOAD_URL

kubectl -n "$namespace" delete job "$LOAD_JOB" --ignore-not-found --wait --timeout=120s
token=$(tools/token.sh)
kubectl -n "$namespace" create secret generic c756-load --from-file=token=/dev/stdin --dry-run=client -o yaml <<<"$token" |
    kubectl apply --server-side --force-conflicts -f - >/dev/null
tools/apply.sh cluster/load-job.yaml

# Pods that run or have run.
begun() {
    kubectl -n "$namespace" get pods -l "job-name=$LOAD_JOB" -o 'jsonpath={range .items[*]}{.status.phase}{"\n"}{end}' |
        grep -cxE 'Running|Succeeded|Failed' || true
}
# What the scheduler says of pods that no node has room for; mostly nothing.
unschedulable() {
    kubectl -n "$namespace" get pods -l "job-name=$LOAD_JOB" \
        -o 'jsonpath={range .items[*].status.conditions[?(@.reason=="Unschedulable")]}{.message}{"\n"}{end}' | sed -n 1p
}
end=$((SECONDS + limit))
told=
until (($(begun) >= pods)); do
    why=$(unschedulable)
    ((SECONDS < end)) ||
        die "not all of $LOAD_JOB's pods have started after $limit s. ${why:+$why
Fewer PODS need less; make more room, or ask for less CPU in cluster/load-job.yaml. }kubectl -n $namespace describe pods -l job-name=$LOAD_JOB"
    if [[ -n $why && -z $told ]]; then
        say "No room for every pod yet, waiting at most $limit s: $why"
        told=yes
    fi
    sleep 0.5
done
say "$simulation, $users users in $pods pods, runs for $duration as job $LOAD_JOB."
say "  its output, and the summary of each pod at the end:  kubectl -n $namespace logs -f -l job-name=$LOAD_JOB --prefix --tail=-1 --max-log-requests=$pods"
say "  wait for its end:                                    kubectl -n $namespace wait job/$LOAD_JOB --for=condition=Complete --timeout=1h"
say "  stop it before:                                      kubectl -n $namespace delete job $LOAD_JOB"
