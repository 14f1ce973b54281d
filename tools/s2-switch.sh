#!/usr/bin/env bash
# Switch music traffic: tools/s2-switch.sh VERSION, called by `S2_VER=VERSION make -e -f k8s.mak s2` and tools/s2ver.sh.
#
# The weights are those of a VirtualService; with ROUTES=gateway-api, of an HTTPRoute (cluster/gateway-api/): whichever is
# asked for takes the place of the other.
#
# Deploys version VERSION of the music service, applies its weights (cluster/s2-vs-VERSION.yaml), waits until both are in
# force, and says what is served now. Nothing is lost on the way:
#   1. no route points at a version before its pods are ready;
#   2. going back to a version that still runs, the routes come first: the way out does not wait for a build;
#   3. versions that lose their traffic keep running. Subsets are never removed (cluster/s2-dr.yaml).
source "$(dirname "$0")/lib.sh"
cd "$root"

version=${1:-}
known=$(tools/s2-versions.sh known | xargs)
if (($# != 1)) || [[ " $known " != *" $version "* ]]; then
    die "unknown version \"$version\" of s2. Known: $known"
fi
routes=${ROUTES:-virtualservice}
case $routes in
    virtualservice)
        weights=cluster/s2-vs-$version.yaml kind=virtualservices.networking.istio.io
        object=virtualservice/cmpt756s2-weights
        beside=(-f cluster/s2-vs.yaml)
        others=(httproutes.gateway.networking.k8s.io cmpt756s1 cmpt756s2)
        ;;
    gateway-api)
        weights=cluster/gateway-api/s2-route-$version.yaml kind=httproutes.gateway.networking.k8s.io
        object=$kind/cmpt756s2
        beside=(-f cluster/gateway-api/gateway.yaml -f cluster/gateway-api/s2-svc.yaml -f cluster/gateway-api/s1-route.yaml)
        others=(virtualservices.networking.istio.io cmpt756s1 cmpt756s2 cmpt756s2-mesh cmpt756s2-weights)
        ;;
    *) die "ROUTES=$ROUTES: it is virtualservice (or nothing) or gateway-api" ;;
esac
[[ -e $weights ]] || die "$weights is not there: version $version has no routes"

require_cluster
# Who is at it with tools/canary.sh is not fought.
canary=$(kubectl -n "$namespace" get virtualservices.networking.istio.io -o 'jsonpath={.items[*].metadata.annotations.c756\.io/canary}')
[[ -z $canary ]] || python -m c756 canary refuse
host=cmpt756s2.c756ns.svc.cluster.local
wanted=$(kubectl create --dry-run=client -o json -f "$weights" | python tools/traffic_split.py wanted "$host") ||
    die "$weights is not applied (see above): mend it and say it again"
[[ -n $wanted ]] || die "$weights has no route to $host"

# Which change of the weights the cluster holds: its generation is another after each. Empty where there are none yet.
weights_now() { kubectl -n "$namespace" get "$object" --ignore-not-found -o 'jsonpath={.metadata.generation}'; }

# Ends where somebody else has changed the weights since they were of generation $1: what we say would not be true.
end_if_changed() {
    local now
    now=$(weights_now)
    [[ -z $1 || $now == "$1" ]] || die "somebody else changed the weights meanwhile: they are not those of $weights.
kubectl -n $namespace get $object -o yaml shows them. Agree on who shifts traffic, and say it again"
}

# Does version $1 have a Deployment with a pod that serves?
serves() {
    local available
    available=$(kubectl -n "$namespace" get deployment "cmpt756s2-$1" --ignore-not-found -o 'jsonpath={.status.availableReplicas}')
    ((${available:-0} > 0))
}

deploy() { S2_VER=$version make -e --no-print-directory -f k8s.mak s2-code; }

# First the weights, then what refers to them.
apply_routes() {
    local share
    for share in $wanted; do
        serves "${share%%=*}" ||
            die "$weights sends ${share##*=} % to ${share%%=*}, which does not run. First: tools/s2ver.sh ${share%%=*}"
    done
    end_if_changed "$mine"
    kubectl apply -f "$weights" "${beside[@]}"
    mine=$(weights_now)
    replace_others
}

# The routes of the other kind go away, once these are there: HTTPRoutes when Istio has taken them up.
replace_others() {
    if [[ $routes == gateway-api ]]; then
        kubectl -n "$namespace" wait httproutes.gateway.networking.k8s.io/cmpt756s2 --timeout="${WAIT:-60}s" \
            --for='jsonpath={.status.parents[0].conditions[?(@.type=="Accepted")].status}=True'
    else
        [[ $(kubectl api-resources --api-group=gateway.networking.k8s.io -o name) == *httproutes* ]] || return 0
        [[ -n $(kubectl -n "$namespace" get httproutes.gateway.networking.k8s.io cmpt756s1 -o name --ignore-not-found) ]] || return 0
        kubectl apply -f cluster/s1-vs.yaml
    fi
    kubectl -n "$namespace" delete "${others[@]}" --ignore-not-found
}

# The shares by the configuration that each gateway's Envoy works with at this moment; one line where they agree.
in_force() {
    local pod
    for pod in $(kubectl -n istio-system get pods -l istio=ingressgateway --field-selector=status.phase=Running -o name); do
        kubectl -n istio-system exec "$pod" -c istio-proxy -- \
            pilot-agent request GET 'config_dump?resource=dynamic_route_configs' | python tools/traffic_split.py served "$host"
    done | sort -u
}

# Ends with the words of the proxy that refuses the weights, where one does (Istio says so in the condition Reconciled).
end_if_refused() {
    [[ $routes != gateway-api ]] || return 0
    local state generation seen status message condition='.status.conditions[?(@.type=="Reconciled")]'
    state=$(kubectl -n "$namespace" get virtualservice/cmpt756s2-weights -o \
        "jsonpath={.metadata.generation}|{.status.observedGeneration}|{$condition.status}|{$condition.message}")
    IFS='|' read -r generation seen status message <<<"$state"
    [[ $status != False || $generation != "$seen" ]] ||
        die "the weights of $weights are not in force: $message.
kubectl -n $namespace describe virtualservice/cmpt756s2-weights shows it; mend the file and say it again"
}

wait_for_routes() {
    local limit=${WAIT:-60} now=
    local end=$((SECONDS + limit))
    until now=$(in_force) && [[ $now == "$wanted" ]]; do
        end_if_refused
        end_if_changed "$mine"
        ((SECONDS < end)) || die "after $limit s the ingress gateway still serves \"${now//$'\n'/ or }\" and not \"$wanted\".
Are the routes as $weights and ${beside[*]#-f} say? kubectl -n $namespace get $kind -o yaml"
        sleep 0.2
    done
}

mine=$(weights_now)
if [[ $wanted == "$version=100" ]] && serves "$version"; then
    apply_routes
    wait_for_routes
    deploy
else
    deploy
    apply_routes
    wait_for_routes
fi
end_if_changed "$mine"
say "music is served by: $(sed -E 's/=([0-9]+)/ \1 %/g; s/% v/%, v/g' <<<"$wanted") (in force at the ingress gateway)"
