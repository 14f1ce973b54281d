# shellcheck shell=bash disable=SC2034,SC2154  # sourced by tools/vendor.sh, which explains the names
# Amazon EKS. Options of aws: https://docs.aws.amazon.com/cli/latest/reference/ (eks, elb, elbv2, ec2, cloudformation),
# of eksctl: https://docs.aws.amazon.com/eks/latest/eksctl/ (creating and managing clusters, VPC networking).
region=${REGION:?set it in config.mak and use make}
context=aws756
title="Amazon EKS"
cluster_title="EKS cluster $cluster in $region"
still_paid="The control plane and load balancers go on costing; make -f eks.mak stop ends that."

vendor_check() {
    need_cli aws "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
    case $verb in start | stop) need_cli eksctl "https://docs.aws.amazon.com/eks/latest/eksctl/installation.html" ;; esac
    logged_in "Type: aws configure, or aws sso login." aws sts get-caller-identity --region "$region" --output text
}

# CloudFormation's stacks of this cluster, with their state. eksctl names them like this:
# https://docs.aws.amazon.com/eks/latest/eksctl/troubleshooting.html
stacks() {
    aws cloudformation describe-stacks --region "$region" --output text --query \
        "Stacks[?StackName=='eksctl-$cluster-cluster' || starts_with(StackName,'eksctl-$cluster-nodegroup-') || starts_with(StackName,'eksctl-$cluster-addon-')].[StackName,StackStatus]"
}

cluster_status() {
    unless_missing ResourceNotFoundException \
        aws eks describe-cluster --region "$region" --name "$cluster" --query cluster.status --output text
}

vendor_state() {
    set -e
    local status group left
    status=$(cluster_status)
    case $status in
        "")
            left=$(stacks)
            case $left in
                "") say none ;;
                *IN_PROGRESS*) say busy ;;
                *) say broken ;;
            esac
            return
            ;;
        FAILED) say broken && return ;;
        CREATING | DELETING | PENDING) say busy && return ;;
    esac
    group=$(unless_missing ResourceNotFoundException \
        aws eks describe-nodegroup --region "$region" --cluster-name "$cluster" --nodegroup-name "$cluster" \
        --query '[nodegroup.status,nodegroup.scalingConfig.desiredSize]' --output text)
    case $group in
        "") say nodeless ;;
        *FAILED*) say broken ;;
        CREATING* | DELETING*) say busy ;;
        *[[:space:]]0) say down ;;
        *) say running ;;
    esac
}

# Nodes have public addresses and need no NAT gateway, which would cost half as much as the control plane.
# --with-oidc: pods can have a role of their own instead of keys (docs/clusters.md).
vendor_create() {
    eksctl create cluster --region "$region" --name "$cluster" --version "$EKS_VERSION" \
        --nodegroup-name "$cluster" --nodes "$nodes" --nodes-min 0 --nodes-max "$nodes" \
        --node-type "$EKS_NODE" --node-volume-size "$NODE_DISK" \
        --vpc-nat-mode Disable --with-oidc --write-kubeconfig=false
}

vendor_add_nodes() {
    eksctl create nodegroup --region "$region" --cluster "$cluster" --name "$cluster" \
        --nodes "$nodes" --nodes-min 0 --nodes-max "$nodes" --node-type "$EKS_NODE" --node-volume-size "$NODE_DISK"
}

scale() {
    aws eks update-nodegroup-config --region "$region" --cluster-name "$cluster" --nodegroup-name "$cluster" \
        --scaling-config "minSize=0,maxSize=$nodes,desiredSize=$1" --output text --query update.status
    aws eks wait nodegroup-active --region "$region" --cluster-name "$cluster" --nodegroup-name "$cluster"
}

vendor_up() { scale "$nodes"; }
vendor_down() { scale 0; }

vendor_credentials() {
    aws eks update-kubeconfig --region "$region" --name "$cluster" --alias "$context"
}

vendor_delete() {
    local status name left
    status=$(cluster_status)
    if [[ -n $status ]]; then
        # The last option: PodDisruptionBudgets must not keep nodes alive, and it is said to be for this.
        eksctl delete cluster --region "$region" --name "$cluster" --wait --disable-nodegroup-eviction
    fi
    # What a start that failed has left, or eksctl. The cluster's own stack is what the others stand on: it goes last.
    left=$(stacks | cut -f 1)
    for name in $(grep -v -- '-cluster$' <<<"$left" || true) $(grep -- '-cluster$' <<<"$left" || true); do
        aws cloudformation delete-stack --region "$region" --stack-name "$name"
        aws cloudformation wait stack-delete-complete --region "$region" --stack-name "$name"
    done
}

vendor_costs() {
    set -e
    local network networks here
    cluster_status | sed "s/^/cluster         $cluster  /"
    aws ec2 describe-instances --region "$region" --output text --query 'Reservations[].Instances[].[InstanceId,InstanceType]' \
        --filters "Name=tag:eks:cluster-name,Values=$cluster" Name=instance-state-name,Values=pending,running,stopping,stopped |
        sed 's/^/node            /'
    # A load balancer keeps its network from being deleted: where the network is gone, there is none.
    networks=$(aws ec2 describe-vpcs --region "$region" --output text --query 'Vpcs[].VpcId' \
        --filters "Name=tag:alpha.eksctl.io/cluster-name,Values=$cluster")
    for network in $networks; do
        here="[?VPCId=='$network'].LoadBalancerName"
        aws elb describe-load-balancers --region "$region" --output text --query "LoadBalancerDescriptions$here" |
            tr '\t' '\n' | sed -e '/^$/d' -e 's/^/load balancer   /'
        here="[?VpcId=='$network'].LoadBalancerName"
        aws elbv2 describe-load-balancers --region "$region" --output text --query "LoadBalancers$here" |
            tr '\t' '\n' | sed -e '/^$/d' -e 's/^/load balancer   /'
    done
    # Disks that pods asked for: https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/docs/tagging.md
    aws ec2 describe-volumes --region "$region" --output text --query 'Volumes[].[VolumeId,Size,State]' \
        --filters "Name=tag:kubernetes.io/cluster/$cluster,Values=owned" |
        sed 's/^/disk            /'
    stacks | sed 's/^/stack           /'
}

vendor_clusters() {
    aws eks list-clusters --region "$region" --output text --query 'clusters[]' | tr '\t' '\n'
}
