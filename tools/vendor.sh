#!/usr/bin/env bash
# One vendor's cluster: tools/vendor.sh eks|az|gcp|mk start|stop|up|down|ls|lscl|status|cd
# What eks.mak, az.mak, gcp.mak and mk.mak run. Here is what the verbs mean; tools/clusters/VENDOR.sh says how it is done:
#
#   context, title, cluster_title     the context's name; the vendor's and the cluster's name for people
#   context_part, context_pattern     what the context's cluster (or user) is called in the kubeconfig if it is this very cluster's
#   vendor_check              are the CLIs there and logged in? Else die, or missing_cli
#   vendor_state              prints one of
#                               none      there is no such cluster
#                               running   it has nodes
#                               partial   it runs, but not all of it: start puts that right, down ends it
#                               down      it has none
#                               broken    it is half made, and only stop can put that right
#                               busy      the vendor is working on it
#   vendor_create, vendor_up, vendor_down
#   vendor_nodes              one line for each node that is still to be paid for, where vendor_down does not wait for that
#   vendor_credentials        put the context into the kubeconfig, and make it current
#   vendor_delete             the cluster and all that start made, as far as it is there
#   vendor_costs              one line for each thing of the cluster that costs money, the cluster included
#   vendor_clusters           every cluster of the account
#   vendor_others             the same without ours, a line for each
#   still_paid                what `down` goes on costing
#   broken_cure               what to try before stop where the state is broken
# Functions whose output is taken, as in x=$(vendor_state), begin with set -e: bash switches it off in there.
source "$(dirname "$0")/lib.sh"
cd "$root"

vendors=(tools/clusters/*.sh)
vendors=("${vendors[@]##*/}")
usage="usage: tools/vendor.sh $(IFS='|' && echo "${vendors[*]%.sh}") start|stop|up|down|ls|lscl|status|cd"
(($# == 2)) || die "$usage"
vendor=$1 verb=$2
[[ -e tools/clusters/$vendor.sh ]] || die "$usage"
case $verb in start | stop | up | down | ls | lscl | status | cd) ;; *) die "$usage" ;; esac

cluster=${CLUSTER:?set it in config.mak and use make}
nodes=${NODES:?set it in versions.mak and use make}
# Google's rule, the strictest; the name also becomes a part of other names, and of queries.
# https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters (name)
[[ $vendor == mk || $cluster =~ ^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$ ]] ||
    die "CLUSTER=\"$cluster\" in config.mak is no cluster's name: small letters, digits and hyphens, 40 at most, a letter first, no hyphen last"
readonly not_running=3 no_cli=4
# How long to wait for nodes, in seconds: until they are there, and until they are gone (EKS gives pods 15 minutes to leave).
limit=${WAIT:-900} leave_limit=${WAIT:-1500}

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
        reason=$(grep -iE 'error|unable|expired|denied|could not' <<<"$said" | head -n 1 || true)
        if [[ -z $reason ]]; then reason=$(grep -v '^ *$' <<<"$said" | tail -n 1 || true); fi
        # No network and a region that does not exist look alike: a name that cannot be resolved.
        if grep -qiE 'connect to the endpoint|failed to establish|find the server|resolve|timed out|unreachable' <<<"$said"; then
            die "$title cannot be reached. Is this machine on the network, and the region in config.mak a real one? ($1 says: $reason)"
        fi
        die "not logged in to $title. $cure ($1 says: ${reason:-nothing})"
    fi
}

# The output of a command; nothing where it fails because there is no such thing: unless_missing PATTERN COMMAND...
unless_missing() {
    local pattern=$1 errors code=0
    shift
    # Without input: a question would be asked where nobody sees it.
    { errors=$("$@" 2>&1 >&3 </dev/null) || code=$?; } 3>&1
    if ((code != 0)) && ! grep -qE "$pattern" <<<"$errors"; then
        say "$errors" >&2
        return "$code"
    fi
}

# What the vendor's file must set, and what it may leave as it is here.
context="" context_part=cluster context_pattern="" title="" cluster_title="" still_paid="" broken_cure="" wanted_nodes=$nodes
vendor_nodes() { :; }
# shellcheck source=/dev/null
source "tools/clusters/$vendor.sh"

# Until as many nodes are ready as there should be. A new control plane may not answer at once: its name has to get around.
wait_for_nodes() {
    local end=$((SECONDS + limit)) list ready news told=
    while :; do
        if list=$(kubectl --context "$context" get nodes -o \
            'jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}' 2>&1); then
            ready=$(grep -cx True <<<"$list" || true)
            if ((ready >= wanted_nodes)); then break; fi
            news="$ready of $wanted_nodes are ready"
        else
            news="no answer yet (${list##*$'\n'})"
        fi
        if [[ $told != "$news" ]]; then say "waiting for nodes: $news"; told=$news; fi
        ((SECONDS < end)) ||
            die "nodes of $cluster_title after $limit s: $news. See: kubectl --context $context describe nodes"
        sleep "${POLL:-5}"
    done
}

# Until no node has to be paid for any more.
wait_until_empty() {
    local end=$((SECONDS + leave_limit)) left told=
    left=$(vendor_nodes)
    while [[ -n $left ]]; do
        ((SECONDS < end)) ||
            die "nodes of $cluster_title are still there, and cost money, after $leave_limit s: ${left//$'\n'/, }. Look again: make -f $vendor.mak ls"
        if [[ $told != "$left" ]]; then
            say "waiting until its nodes are gone; pods have some minutes to leave them (^C ends only the waiting): ${left//$'\n'/, }"
            told=$left
        fi
        sleep "${POLL:-5}"
        left=$(vendor_nodes)
    done
}

has_context() {
    local contexts
    contexts=$(kubectl config get-contexts -o name) || die "kubectl cannot read its kubeconfig (see above)"
    grep -qxF "$context" <<<"$contexts"
}

# The name of our context's cluster or user in the kubeconfig: context_has cluster|user
context_has() { kubectl config view -o "jsonpath={.contexts[?(@.name==\"$context\")].context.$1}"; }

# Dies unless there is our context, and stands for this very cluster: CLUSTER, region or zone may have been others.
need_context() {
    local stands_for
    has_context || die "${1:-}this machine has no context $context: make -f $vendor.mak start"
    stands_for=$(context_has "$context_part")
    # shellcheck disable=SC2053  # a pattern
    [[ $stands_for == $context_pattern ]] ||
        die "${1:-}the context $context stands for another cluster ($stands_for): make -f $vendor.mak start makes it stand for this one"
}

# What to do about a cluster that is neither there nor away.
not_now() {
    case $1 in
        busy) die "$title is working on $cluster_title. Try again when it has finished: make -f $vendor.mak status" ;;
        broken) die "$cluster_title is half made. ${broken_cure}Clear it away first: make -f $vendor.mak stop" ;;
    esac
}

hint="" private=""
finish() {
    local code=$?
    if [[ -n $private ]]; then rm -rf "$private"; fi
    if ((code != 0)) && [[ -n $hint ]]; then say "$hint" >&2; fi
}
trap finish EXIT
# With a code of their own: bash calls `finish` with that of the command before the one that was interrupted.
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

start() {
    local state
    state=$(vendor_state)
    not_now "$state"
    if [[ $state != running ]]; then
        hint="$cluster_title may be half made, and cost money: the same command goes on with it if that can be done, make -f $vendor.mak stop clears it away"
    fi
    case $state in
        none)
            say "making $cluster_title (this takes some minutes)"
            vendor_create
            ;;
        down | partial)
            say "$cluster_title is not up: bringing it back"
            vendor_up
            ;;
        running)
            # It has the size that it has, whatever NODES says by now; down and up change it.
            wanted_nodes=1
            ;;
    esac
    vendor_credentials
    need_context "it runs, but "
    wait_for_nodes
    hint=
    say "$cluster_title runs. It is the current context: $context"
}

up() {
    local state
    state=$(vendor_state)
    not_now "$state"
    case $state in
        none) die "there is no $cluster_title to bring up: make -f $vendor.mak start" ;;
        running) say "$cluster_title is up already" ;;
        down | partial)
            vendor_up
            vendor_credentials
            need_context "it runs, but "
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
        down)
            wait_until_empty
            say "$cluster_title is down already"
            ;;
        running | partial)
            vendor_down
            wait_until_empty
            say "$cluster_title is down: its nodes cost nothing now."
            ;;
    esac
    if [[ $state != none ]]; then say "$still_paid"; fi
}

# Delete the Services that hold a load balancer, and wait until each is gone: Kubernetes lets go of such a Service only
# when its load balancer is away (finalizer service.kubernetes.io/load-balancer-cleanup,
# https://kubernetes.io/docs/concepts/services-networking/service/#loadbalancer).
# Neither a cluster that does not answer nor a load balancer that stays may keep the cluster alive, which costs more than
# they do: that is said, and what is left is looked for when the cluster is gone.
delete_load_balancers() {
    local list namespace name tries=3
    until list=$(kubectl --request-timeout=30s get services --all-namespaces -o \
        'jsonpath={range .items[?(@.spec.type=="LoadBalancer")]}{.metadata.namespace}{" "}{.metadata.name}{"\n"}{end}'); do
        tries=$((tries - 1))
        if ((tries == 0)); then
            say "the cluster does not answer: its load balancers are looked for when it is gone" >&2
            return
        fi
        sleep "${POLL:-5}"
    done
    while read -r namespace name; do
        [[ -n $name ]] || continue
        say "deleting the load balancer of $namespace/$name"
        kubectl --namespace "$namespace" delete service "$name" --ignore-not-found --wait --timeout=300s </dev/null ||
            say "the load balancer of $namespace/$name stays for now: it is looked for when the cluster is gone" >&2
    done <<<"$list"
}

# With a kubeconfig of its own: it is this cluster, whatever the context is called here, and nothing else changes.
clear_load_balancers() {
    local code
    private=$(mktemp -d)
    # Not as a condition: in there a failing command would not end anything.
    set +e
    (
        set -e
        export KUBECONFIG=$private/config
        vendor_credentials
        delete_load_balancers
    )
    code=$?
    set -e
    if ((code != 0)); then
        # What is half made may have no credentials to give.
        [[ $1 == broken ]] || exit "$code"
        say "it has no credentials to give: its load balancers are looked for when it is gone" >&2
    fi
}

# The context, with the cluster and the user that it names; one of the same name that stands for another cluster stays.
# https://kubernetes.io/docs/reference/kubectl/generated/kubectl_config/
remove_context() {
    local name kind known
    has_context || return 0
    name=$(context_has "$context_part")
    # shellcheck disable=SC2053  # a pattern
    if [[ $name != $context_pattern ]]; then
        say "the context $context stands for another cluster ($name), and stays"
        return
    fi
    # With several files in KUBECONFIG each may name one as the current one.
    for _ in {1..9}; do
        name=$(kubectl config view -o 'jsonpath={.current-context}')
        [[ $name == "$context" ]] || break
        kubectl config unset current-context
    done
    for kind in cluster user; do
        name=$(context_has "$kind")
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
    if [[ $state != none && $vendor != mk ]]; then clear_load_balancers "$state"; fi
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

# On standard output each line is a thing: tools/allclouds.py counts on it, and on what the lines of others begin with.
ls() {
    local costs code
    # What was found before a command failed is shown all the same.
    set +e
    costs=$(vendor_costs)
    code=$?
    set -e
    if [[ -n $costs ]]; then say "$costs"; fi
    ((code == 0)) || exit "$code"
    if [[ -z $costs ]]; then say "nothing of $cluster_title" >&2; fi
    vendor_others | sed 's/^/not ours        /'
}

status() {
    local state
    state=$(vendor_state)
    case $state in
        none) say "$cluster_title: there is none" ;;
        partial) say "$cluster_title: only a part of it runs" ;;
        broken) say "$cluster_title: half made" ;;
        busy) say "$cluster_title: $title is working on it" ;;
        *) say "$cluster_title: $state" ;;
    esac
    [[ $state == running ]] || exit "$not_running"
    need_context "it runs, but "
    kubectl --context "$context" get nodes
}

enter() {
    need_context
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
