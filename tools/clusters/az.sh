# shellcheck shell=bash disable=SC2034,SC2154  # sourced by tools/vendor.sh, which explains the names
# Azure AKS. Options of az: https://learn.microsoft.com/cli/azure/aks, .../group, .../resource, .../account
# Everything is in two resource groups: one that start makes, with the cluster in it, and one that AKS makes, with the nodes,
# the load balancer, addresses and disks. The second goes with the cluster.
place=${AZ_LOCATION:?set it in config.mak and use make}
group=$cluster
node_group=$cluster-nodes
mark=made-by=c756-start
context=az756
# Without other options it asks, and then makes the cluster what it should be: https://learn.microsoft.com/cli/azure/aks#az-aks-update
broken_cure="If it has worked before, try: az aks update --resource-group $group --name $cluster. "
# az calls the cluster as the context, so only the user says whose it is: clusterUser_GROUP_NAME.
# https://learn.microsoft.com/azure/aks/control-kubeconfig-access
context_part=user context_pattern="cluster*_${group}_$cluster"
title="Azure AKS"
cluster_title="AKS cluster $cluster in $place"
still_paid="Load balancers, public addresses and disks go on costing; make -f az.mak stop ends that."

vendor_check() {
    need_cli az "https://learn.microsoft.com/cli/azure/install-azure-cli"
    # `az account show` would be content with what it remembers; a token has to be had for real.
    logged_in "Type: az login." az account get-access-token --query expiresOn --output tsv
}

# Is there a group of this name, and is it ours? "", ours or foreign
group_is() {
    set -e
    local there tag
    there=$(az group exists --name "$group")
    [[ $there == true ]] || return 0
    tag=$(az group show --name "$group" --query 'tags."made-by"' --output tsv)
    if [[ $tag == "${mark#*=}" ]]; then say ours; else say foreign; fi
}

no_foreign_group() {
    [[ $1 != foreign ]] ||
        die "the resource group $group exists, and was not made by az.mak start: give CLUSTER another name in config.mak"
}

# States: https://learn.microsoft.com/rest/api/aks/managed-clusters/get (provisioningState, powerState), and
# https://learn.microsoft.com/azure/aks/start-stop-cluster
vendor_state() {
    set -e
    local state
    state=$(unless_missing 'ResourceNotFound|ResourceGroupNotFound' \
        az aks show --resource-group "$group" --name "$cluster" \
        --query "join(' ', [provisioningState, powerState.code])" --output tsv)
    case $state in
        "") say none ;;
        "Succeeded Running") say running ;;
        "Succeeded Stopped") say down ;;
        Failed* | Canceled*) say broken ;;
        *) say busy ;;
    esac
}

# The free tier has no fee for the control plane: https://learn.microsoft.com/azure/aks/free-standard-pricing-tiers
vendor_create() {
    local ours
    ours=$(group_is)
    no_foreign_group "$ours"
    az group create --name "$group" --location "$place" --tags "$mark" --output none
    az aks create --resource-group "$group" --name "$cluster" --location "$place" --kubernetes-version "$AZ_VERSION" \
        --tier free --node-count "$nodes" --node-vm-size "$AZ_NODE" --node-osdisk-size "$NODE_DISK" \
        --node-resource-group "$node_group" --no-ssh-key --output none
}

# Both come back when it is done: https://learn.microsoft.com/azure/aks/start-stop-cluster
vendor_up() { az aks start --resource-group "$group" --name "$cluster"; }
vendor_down() { az aks stop --resource-group "$group" --name "$cluster"; }

vendor_credentials() {
    az aks get-credentials --resource-group "$group" --name "$cluster" --context "$context" --overwrite-existing
}

vendor_delete() {
    local ours
    ours=$(group_is)
    no_foreign_group "$ours"
    if [[ $1 != none ]]; then az aks delete --resource-group "$group" --name "$cluster" --yes; fi
    if [[ $ours == ours ]]; then az group delete --name "$group" --yes; fi
}

# What is in the two groups, each thing with its kind; an empty group costs nothing, but ours should be gone too.
vendor_costs() {
    set -e
    local ours there
    ours=$(group_is)
    if [[ $ours == ours ]]; then list_group "$group"; fi
    there=$(az group exists --name "$node_group")
    if [[ $there == true ]]; then list_group "$node_group"; fi
}
list_group() {
    say "resource group  $1"
    az resource list --resource-group "$1" --query '[].[type, name]' --output tsv | sed 's/^/in it           /'
}

vendor_clusters() {
    az aks list --query '[].[name, location, resourceGroup, powerState.code]' --output tsv
}
vendor_others() {
    az aks list --query "[?!(name=='$cluster' && resourceGroup=='$group')].[name, location, resourceGroup, powerState.code]" \
        --output tsv
}
