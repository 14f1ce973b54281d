# shellcheck shell=bash disable=SC2034,SC2154  # sourced by tools/vendor.sh, which explains the names
# Google GKE. Options of gcloud: https://cloud.google.com/sdk/gcloud/reference/container/clusters (create, describe,
# resize, get-credentials, delete, list) and .../reference/compute (instances, disks, forwarding-rules).
zone=${GCP_ZONE:?set it in config.mak and use make}
context=gcp756
title="Google GKE"
cluster_title="GKE cluster $cluster in $zone"
still_paid="The control plane and load balancers go on costing; make -f gcp.mak stop ends that."
place=(--location "$zone")

vendor_check() {
    need_cli gcloud "https://cloud.google.com/sdk/docs/install"
    case $verb in ls | lscl | down) ;; *) need_cli gke-gcloud-auth-plugin "gcloud components install gke-gcloud-auth-plugin" ;; esac
    logged_in "Type: gcloud auth login." gcloud auth print-access-token --quiet
    project=$(unless_missing '^\(unset\)' gcloud config get project --quiet)
    [[ -n $project ]] || die "gcloud has no project: gcloud config set project PROJECT"
}

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

# The nodes come with the cluster.
vendor_add_nodes() { vendor_up; }

resize() {
    gcloud container clusters resize "$cluster" "${place[@]}" --node-pool default-pool --num-nodes "$1" --quiet
}
vendor_up() { resize "$nodes"; }
vendor_down() { resize 0; }

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

# Nodes are called gke-CLUSTER-..., what pods asked for carries the cluster's name as a label
# (https://cloud.google.com/kubernetes-engine/docs/how-to/creating-managing-labels), and a load balancer has the Service
# in its description. That does not name the cluster: with two of them in one project it may be the other one's.
vendor_costs() {
    set -e
    local ours="name~^gke-$cluster- OR labels.goog-k8s-cluster-name=$cluster"
    gcloud container clusters list --filter "name=$cluster AND location=$zone" --format 'value(name,status)' |
        sed 's/^/cluster         /'
    gcloud compute instances list --filter "$ours" --format 'value(name,machineType.basename())' |
        sed 's/^/node            /'
    gcloud compute disks list --filter "$ours" --format 'value(name,sizeGb)' |
        sed 's/^/disk            /'
    gcloud compute forwarding-rules list --filter 'description~"(istio-system|c756ns)/"' --format 'value(name,IPAddress)' |
        sed 's/^/load balancer   /'
}

vendor_clusters() {
    gcloud container clusters list --format 'value(name,location,status,currentNodeCount)'
}
