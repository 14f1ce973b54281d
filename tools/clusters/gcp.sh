# shellcheck shell=bash disable=SC2034,SC2154  # sourced by tools/vendor.sh, which explains the names
# Google GKE. Options of gcloud: https://cloud.google.com/sdk/gcloud/reference/container/clusters (create, describe,
# resize, get-credentials, delete, list), .../reference/compute (instances, disks, addresses, forwarding-rules),
# .../reference/auth/print-access-token and .../reference/config/get; filters and formats: .../reference/topic (filters, formats).
zone=${GCP_ZONE:?set it in config.mak and use make}
context=gcp756
# https://cloud.google.com/kubernetes-engine/docs/how-to/cluster-access-for-kubectl
context_pattern="gke_*_${zone}_$cluster"
title="Google GKE"
cluster_title="GKE cluster $cluster in $zone"
still_paid="The control plane and load balancers go on costing; make -f gcp.mak stop ends that."
place=(--location "$zone")
# https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters (conditions)
broken_cure="Why: gcloud container clusters describe $cluster ${place[*]} --format 'value(conditions)'. "
# A question (enable this API?) would be asked where nobody sees it; without one the answer is the error.
# https://cloud.google.com/sdk/docs/scripting-gcloud
export CLOUDSDK_CORE_DISABLE_PROMPTS=1
# What belongs to this cluster and no other, by the labels that GKE gives
# (https://cloud.google.com/kubernetes-engine/docs/how-to/creating-managing-labels). Patterns, because gcloud announces that
# c756 with = will soon find c756-b, too (`gcloud topic filters`).
ours="labels.goog-k8s-cluster-name~^$cluster\$ AND labels.goog-k8s-cluster-location~^$zone\$"

vendor_check() {
    need_cli gcloud "https://cloud.google.com/sdk/docs/install"
    case $verb in ls | lscl | down) ;; *) need_cli gke-gcloud-auth-plugin "gcloud components install gke-gcloud-auth-plugin" ;; esac
    logged_in "Type: gcloud auth login." gcloud auth print-access-token --quiet
    project=$(unless_missing '^\(unset\)' gcloud config get project --quiet)
    [[ -n $project ]] || die "gcloud has no project: gcloud config set project PROJECT"
}

# States: https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters (Status)
vendor_state() {
    set -e
    local state
    state=$(unless_missing 'NOT_FOUND|Not found|code=404' \
        gcloud container clusters describe "$cluster" "${place[@]}" --format 'value(status,currentNodeCount)')
    case $state in
        "") say none ;;
        ERROR* | DEGRADED*) say broken ;;
        PROVISIONING* | STOPPING*) say busy ;;
        *[[:space:]][1-9]*) say running ;;
        *) say down ;;
    esac
}

# Google's own Prometheus is off: it would run in every node, beside ours.
vendor_create() {
    gcloud container clusters create "$cluster" "${place[@]}" --cluster-version "$GCP_VERSION" --release-channel regular \
        --num-nodes "$nodes" --machine-type "$GCP_NODE" --disk-size "$NODE_DISK" \
        --no-enable-managed-prometheus --quiet
}

resize() {
    gcloud container clusters resize "$cluster" "${place[@]}" --node-pool default-pool --num-nodes "$1" --quiet
}
vendor_up() { resize "$nodes"; }
vendor_down() { resize 0; }

vendor_nodes() {
    set -e
    gcloud compute instances list --filter "$ours" --format 'value(name,machineType.basename())'
}

# gcloud calls the context gke_PROJECT_ZONE_CLUSTER; an old one of our name is in the way of the new one.
vendor_credentials() {
    local theirs=gke_${project}_${zone}_$cluster
    gcloud container clusters get-credentials "$cluster" "${place[@]}"
    if has_context; then kubectl config delete-context "$context"; fi
    kubectl config rename-context "$theirs" "$context"
    kubectl config use-context "$context"
}

vendor_delete() {
    if [[ $1 != none ]]; then gcloud container clusters delete "$cluster" "${place[@]}" --quiet; fi
}

# A load balancer and its address have the Service in their description. That does not name the cluster: with two of them
# in one project it may be the other one's.
vendor_costs() {
    set -e
    local services='description~"(istio-system|c756ns)/"'
    gcloud container clusters list --filter "name~^$cluster\$ AND location~^$zone\$" --format 'value(name,status)' |
        sed 's/^/cluster         /'
    vendor_nodes | sed 's/^/node            /'
    gcloud compute disks list --filter "$ours" --format 'value(name,sizeGb)' |
        sed 's/^/disk            /'
    gcloud compute forwarding-rules list --filter "$services" --format 'value(name,IPAddress)' |
        sed 's/^/load balancer   /'
    gcloud compute addresses list --filter "$services" --format 'value(name,address)' |
        sed 's/^/address         /'
}

vendor_clusters() {
    gcloud container clusters list --format 'value(name,location,status,currentNodeCount)'
}
vendor_others() {
    gcloud container clusters list --filter "NOT (name~^$cluster\$ AND location~^$zone\$)" \
        --format 'value(name,location,status,currentNodeCount)'
}
