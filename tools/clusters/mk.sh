# shellcheck shell=bash disable=SC2034,SC2154  # sourced by tools/vendor.sh, which explains the names
# minikube, a cluster on this machine. Options: https://minikube.sigs.k8s.io/docs/commands/ (start, status, stop, delete, profile)
# Its profile has minikube's own name for it, so that the context is called as people know it.
context=minikube
title=minikube
cluster_title="the minikube cluster"
still_paid="It only takes room on the disk; make -f mk.mak stop frees that."
wanted_nodes=1
profile=(--profile minikube)

vendor_check() {
    need_cli minikube "https://minikube.sigs.k8s.io/docs/start/"
}

# The exit code is a sum of bits where something does not run, and 85 (GUEST_NOT_FOUND) where there is no profile:
# https://minikube.sigs.k8s.io/docs/contrib/errorcodes/
vendor_state() {
    set -e
    local said code=0
    said=$(minikube status "${profile[@]}" --format '{{.Host}} {{.APIServer}}') || code=$?
    case "$code $said" in
        85*) say none ;;
        *Nonexistent*) say broken ;;
        "0 Running Running") say running ;;
        *Running* | *Stopped* | *Paused*) say down ;;
        *) die "minikube status says: $said" ;;
    esac
}

# metrics-server: autoscalers need it.
vendor_create() {
    minikube start "${profile[@]}" --kubernetes-version "$MK_VERSION" --cpus "$MK_CPUS" --memory "$MK_MEMORY" \
        --disk-size "${NODE_DISK}g" --addons metrics-server
}

vendor_add_nodes() { vendor_create; }
vendor_up() { minikube start "${profile[@]}"; }
vendor_down() { minikube stop "${profile[@]}"; }

vendor_credentials() {
    minikube update-context "${profile[@]}"
    kubectl config use-context "$context"
}

vendor_delete() {
    if [[ $1 != none ]]; then minikube delete "${profile[@]}"; fi
}

# Nothing of it costs money; what there is, is the cluster.
vendor_costs() {
    set -e
    local state
    state=$(vendor_state)
    if [[ $state != none ]]; then say "cluster         minikube  $state"; fi
}

vendor_clusters() { minikube profile list; }
