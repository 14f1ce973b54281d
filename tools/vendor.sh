#!/usr/bin/env bash
# One vendor's cluster: tools/vendor.sh eks|az|gcp|mk start|stop|up|down|ls|lscl|status|cd
# What eks.mak, az.mak, gcp.mak and mk.mak run. Here is what the verbs mean; tools/clusters/VENDOR.sh says how it is done:
#
#   context, title, cluster_title     the context's name; the vendor's and the cluster's name for people
#   vendor_check              are the CLIs there and logged in? Else die, or missing_cli
#   vendor_state              prints one of
#                               none      there is no such cluster
#                               running   it has nodes
#                               down      it has none
#                               nodeless  it is half made: no nodes were ever added
#                               broken    it is half made in a way that only stop can put right
#                               busy      the vendor is working on it
#   vendor_create, vendor_add_nodes, vendor_up, vendor_down
#   vendor_credentials        put the context into the kubeconfig, and make it current
#   vendor_delete             the cluster and all that start made, as far as it is there
#   vendor_costs              one line for each thing of the cluster that costs money, the cluster included
#   vendor_clusters           every cluster of the account
#   still_paid                what `down` goes on costing
# Functions whose output is taken, as in x=$(vendor_state), begin with set -e: bash switches it off in there.
source "$(dirname "$0")/lib.sh"
cd "$root"

usage="usage: tools/vendor.sh eks|az|gcp|mk start|stop|up|down|ls|lscl|status|cd"
(($# == 2)) || die "$usage"
vendor=$1 verb=$2
case $vendor in eks | az | gcp | mk) ;; *) die "$usage" ;; esac
case $verb in start | stop | up | down | ls | lscl | status | cd) ;; *) die "$usage" ;; esac

# shellcheck disable=SC2034  # for the vendor's file
cluster=${CLUSTER:?set it in config.mak and use make}
nodes=${NODES:?set it in versions.mak and use make}
readonly not_running=3 no_cli=4
limit=${WAIT:-900}

missing_cli() {
    printf '%s is not installed, and %s cannot be used without it: %s\n' "$1" "$title" "$2" >&2
    exit "$no_cli"
}

# need_cli NAME WHERE-TO-GET-IT
need_cli() { command -v "$1" >/dev/null || missing_cli "$1" "$2"; }

# Run a command quietly that succeeds only when logged in: logged_in CURE COMMAND...
logged_in() {
    local cure=$1 said reason
    shift
    if ! said=$("$@" 2>&1 >/dev/null </dev/null); then
        # The line with the reason, or else the last one.
        reason=$(grep -iE 'error|unable|expired|denied' <<<"$said" | head -n 1 || true)
        if [[ -z $reason ]]; then reason=$(grep -v '^ *$' <<<"$said" | tail -n 1 || true); fi
        die "not logged in to $title. $cure ($1 says: ${reason:-nothing})"
    fi
}

# The output of a command; nothing where it fails because there is no such thing: unless_missing PATTERN COMMAND...
unless_missing() {
    local pattern=$1 errors code=0
    shift
    errors=$(mktemp)
    "$@" 2>"$errors" || code=$?
    if ((code != 0)) && ! grep -qE "$pattern" "$errors"; then
        cat "$errors" >&2
        rm -f "$errors"
        return "$code"
    fi
    rm -f "$errors"
}

# What the vendor's file must set.
context="" title="" cluster_title="" still_paid="" wanted_nodes=$nodes
# shellcheck source=/dev/null
source "tools/clusters/$vendor.sh"

# Until as many nodes are ready as there should be.
wait_for_nodes() {
    local end=$((SECONDS + limit)) list ready told=no
    while :; do
        list=$(kubectl --context "$context" get nodes -o \
            'jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}')
        ready=$(grep -cx True <<<"$list" || true)
        if ((ready >= wanted_nodes)); then break; fi
        ((SECONDS < end)) ||
            die "$ready of $wanted_nodes nodes of $cluster_title are ready after $limit s: kubectl --context $context describe nodes"
        if [[ $told != "$ready" ]]; then say "waiting for nodes: $ready of $wanted_nodes are ready"; told=$ready; fi
        sleep "${POLL:-5}"
    done
}

has_context() {
    local contexts
    contexts=$(kubectl config get-contexts -o name) || die "kubectl cannot read its kubeconfig (see above)"
    grep -qx "$context" <<<"$contexts"
}

# What to do about a cluster that is neither there nor away.
not_now() {
    case $1 in
        busy) die "$title is working on $cluster_title. Try again when it has finished: make -f $vendor.mak status" ;;
        broken) die "$cluster_title is half made. Clear it away first: make -f $vendor.mak stop" ;;
    esac
}

hint="" private=""
finish() {
    local code=$?
    if [[ -n $private ]]; then rm -rf "$private"; fi
    if ((code != 0)) && [[ -n $hint ]]; then say "$hint" >&2; fi
}
trap finish EXIT

start() {
    local state
    state=$(vendor_state)
    not_now "$state"
    if [[ $state != running ]]; then
        hint="$cluster_title may be half made, and cost money: the same command goes on with it, make -f $vendor.mak stop clears it away"
    fi
    case $state in
        none)
            say "making $cluster_title (this takes some minutes)"
            vendor_create
            ;;
        nodeless)
            say "$cluster_title has no nodes yet: adding them"
            vendor_add_nodes
            ;;
        down)
            say "$cluster_title is down: bringing its nodes back"
            vendor_up
            ;;
        running) ;;
    esac
    vendor_credentials
    wait_for_nodes
    hint=
    say "$cluster_title runs. It is the current context: $context"
}

up() {
    local state
    state=$(vendor_state)
    not_now "$state"
    case $state in
        none | nodeless) die "there is no $cluster_title to bring up: make -f $vendor.mak start" ;;
        running) say "$cluster_title is up already" ;;
        down)
            vendor_up
            vendor_credentials
            wait_for_nodes
            say "$cluster_title is up. Next: make -f k8s.mak reinstate"
            ;;
    esac
}

down() {
    local state
    state=$(vendor_state)
    not_now "$state"
    case $state in
        none) say "there is no $cluster_title: nothing to pay for" ;;
        down | nodeless) say "$cluster_title is down already" ;;
        running)
            vendor_down
            say "$cluster_title is down: its nodes cost nothing now."
            ;;
    esac
    if [[ $state != none ]]; then say "$still_paid"; fi
}

# Delete the Services that hold a load balancer, and wait until each is gone: Kubernetes lets go of such a Service only
# when its load balancer is away (finalizer service.kubernetes.io/load-balancer-cleanup,
# https://kubernetes.io/docs/concepts/services-networking/service/#loadbalancer).
delete_load_balancers() {
    local list namespace name
    if ! list=$(kubectl --request-timeout=30s get services --all-namespaces -o \
        'jsonpath={range .items[?(@.spec.type=="LoadBalancer")]}{.metadata.namespace}{" "}{.metadata.name}{"\n"}{end}'); then
        say "the cluster does not answer: its load balancers go with it, and are looked for afterwards" >&2
        return
    fi
    while read -r namespace name; do
        [[ -n $name ]] || continue
        say "deleting the load balancer of $namespace/$name"
        kubectl --namespace "$namespace" delete service "$name" --ignore-not-found --wait --timeout=300s
    done <<<"$list"
}

# The context, with the cluster and the user that it names.
remove_context() {
    local name kind known current
    has_context || return 0
    current=$(kubectl config view -o 'jsonpath={.current-context}')
    if [[ $current == "$context" ]]; then kubectl config unset current-context; fi
    for kind in cluster user; do
        name=$(kubectl config view -o "jsonpath={.contexts[?(@.name==\"$context\")].context.$kind}")
        known=$(kubectl config "get-${kind}s")
        if grep -qxF "$name" <<<"$known"; then kubectl config "delete-$kind" "$name"; fi
    done
    kubectl config delete-context "$context"
}

stop() {
    local state left end
    state=$(vendor_state)
    if [[ $state == busy ]]; then not_now busy; fi
    hint="$cluster_title is not all gone, and may cost money: run make -f $vendor.mak stop again"
    case $state in
        running | down)
            if [[ $vendor != mk ]]; then
                # A kubeconfig of its own: it is this cluster, whatever the context is called here, and nothing else changes.
                private=$(mktemp -d)
                (
                    export KUBECONFIG=$private/config
                    vendor_credentials
                    delete_load_balancers
                )
            fi
            ;;
    esac
    vendor_delete "$state"
    # Lists of things lag behind.
    end=$((SECONDS + ${LEFT_WAIT:-120}))
    left=$(vendor_costs)
    while [[ -n $left ]] && ((SECONDS < end)); do
        sleep "${POLL:-5}"
        left=$(vendor_costs)
    done
    remove_context
    if [[ -n $left ]]; then
        printf 'left of %s, and to be paid:\n%s\n' "$cluster_title" "$left" >&2
        exit 1
    fi
    hint=
    say "$cluster_title is gone, and nothing is left at $title that costs money"
}

ls() {
    local costs
    costs=$(vendor_costs)
    if [[ -z $costs ]]; then
        # Not on standard output, where each line is a thing: tools/allclouds.py counts on it.
        say "nothing of $cluster_title" >&2
    else
        say "$costs"
    fi
}

status() {
    local state
    state=$(vendor_state)
    case $state in
        none) say "$cluster_title: there is none" ;;
        nodeless | broken) say "$cluster_title: half made" ;;
        busy) say "$cluster_title: $title is working on it" ;;
        *) say "$cluster_title: $state" ;;
    esac
    [[ $state == running ]] || exit "$not_running"
    has_context ||
        die "it runs, but this machine has no context $context: make -f $vendor.mak start"
    kubectl --context "$context" get nodes
}

enter() {
    has_context ||
        die "this machine has no context $context: make -f $vendor.mak start"
    kubectl config use-context "$context"
}

case $verb in ls | lscl) ;; *) need_cli kubectl "make setup, which puts one into this folder" ;; esac
if [[ $verb == cd ]]; then
    enter
    exit 0
fi
vendor_check
case $verb in
    start) start ;;
    stop) stop ;;
    up) up ;;
    down) down ;;
    ls) ls ;;
    lscl) vendor_clusters ;;
    status) status ;;
esac
