# shellcheck shell=bash disable=SC2034,SC2154  # sourced by tools/vendor.sh, which explains the names
# minikube, a cluster on this machine. Options: https://minikube.sigs.k8s.io/docs/commands/ (start, status, stop, delete, profile,
# update-context)
# Its profile has minikube's own name for it, so that the context is called as people know it.
context=minikube
context_pattern=minikube
title=minikube
cluster_title="the minikube cluster"
still_paid="It only takes room on the disk; make -f mk.mak stop frees that."
broken_cure="If its driver (Docker) does not run, start that. "
wanted_nodes=1
profile=(--profile minikube)

vendor_check() {
    need_cli minikube "https://minikube.sigs.k8s.io/docs/start/"
}

# The exit code is a sum of bits where something does not run or the kubeconfig does not fit, and 85 (GUEST_NOT_FOUND) where
# there is no profile. Where there is a profile and no machine, it is 0 and nothing is said. Other lines may be news of a
# newer minikube, or a warning about the kubeconfig.
# https://minikube.sigs.k8s.io/docs/commands/status/ https://minikube.sigs.k8s.io/docs/contrib/errorcodes/
vendor_state() {
    set -e
    local said line code=0
    said=$(minikube status "${profile[@]}" --format 'state: {{.Host}} {{.Kubelet}} {{.APIServer}}{{"\n"}}') || code=$?
    if ((code == 85)); then
        say none
        return
    fi
    line=$(sed -n 's/^state: //p' <<<"$said")
    case $line in
        "Running Running Running") say running ;;
        Running* | Paused* | InsufficientStorage*) say partial ;;
        Stopped* | Saved*) say down ;;
        Starting* | Stopping*) say busy ;;
        Nonexistent* | Error* | Timeout*) say broken ;;
        *)
            ((code == 0)) || die "minikube status ends with $code and says: $said"
            say broken
            ;;
    esac
}

# metrics-server: autoscalers need it.
vendor_create() {
    minikube start "${profile[@]}" --kubernetes-version "$MK_VERSION" --cpus "$MK_CPUS" --memory "$MK_MEMORY" \
        --disk-size "${NODE_DISK}g" --addons metrics-server
}

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
# Other profiles cost nothing either.
vendor_others() { :; }
