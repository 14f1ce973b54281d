#!/usr/bin/env bash
# Has the current cluster what the application needs? Says everything that is missing, not only the first thing.
# WAIT=seconds gives it time to come up (default: none).
source "$(dirname "$0")/lib.sh"

context=$(context_name)
missing=()

# need WHAT CURE COMMAND...: note WHAT as missing if the command does not succeed in time.
need() {
    local what=$1 cure=$2 end=$((SECONDS + ${WAIT:-0})) told=
    shift 2
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= end)); then
            missing+=("$what ($cure)")
            return
        fi
        if [[ -z $told ]]; then say "waiting for $what"; told=yes; fi
        sleep 1
    done
}

# Where nodes run containers, the sidecar's redirection must come from istio-cni: see cluster/namespace.yaml.
has_cni_if_needed() {
    kubectl get --raw /apis/apps/v1 | grep -q '"daemonsets"' || return 0
    kubectl get daemonsets --all-namespaces -l k8s-app=istio-cni-node -o name | grep -q .
}

kubectl get --raw /version >/dev/null || die "the cluster of context \"$context\" does not answer (see above)."
need "Istio's kinds" "make -f k8s.mak provision installs Istio" kubectl get --raw /apis/networking.istio.io/v1
need "Istio's ingress gateway" "istio-ingressgateway in istio-system" \
    kubectl -n istio-system rollout status deployment/istio-ingressgateway --timeout=1s
need "istio-cni" "Istio must be installed with its CNI plugin" has_cni_if_needed
need "the Prometheus operator's kinds" "make -f k8s.mak provision installs Prometheus" kubectl get --raw /apis/monitoring.coreos.com/v1
need "Prometheus" "Service prometheus in istio-system" kubectl -n istio-system get service prometheus

if ((${#missing[@]} > 0)); then
    printf 'missing in the cluster of context "%s": %s\n' "$context" "${missing[0]}" >&2
    if ((${#missing[@]} > 1)); then printf '                                            %s\n' "${missing[@]:1}" >&2; fi
    exit 1
fi
say "the cluster of context \"$context\" has Istio with its ingress gateway, and Prometheus"
