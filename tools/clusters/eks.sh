# shellcheck shell=bash disable=SC2034,SC2154  # sourced by tools/vendor.sh, which explains the names
# Amazon EKS. Options of aws: https://docs.aws.amazon.com/cli/latest/reference/SERVICE/COMMAND.html for each SERVICE COMMAND
# below; of eksctl: https://docs.aws.amazon.com/eks/latest/eksctl/creating-and-managing-clusters.html, .../vpc-configuration.html,
# and `eksctl create cluster --help`, `eksctl delete cluster --help`, where the documentation leaves options out.
region=${REGION:?set it in config.mak and use make}
context=aws756
# https://docs.aws.amazon.com/cli/latest/reference/eks/update-kubeconfig.html: it calls the cluster by its ARN.
context_pattern="arn:aws*:eks:$region:*:cluster/$cluster"
title="Amazon EKS"
cluster_title="EKS cluster $cluster in $region"
still_paid="The control plane, load balancers (an NLB for the gateway) and their addresses go on costing; make -f eks.mak stop ends that."
# https://docs.aws.amazon.com/eks/latest/eksctl/troubleshooting.html
broken_cure="Why: eksctl utils describe-stacks --region $region --cluster $cluster. "
# Output is never to wait in a pager: https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-pagination.html
export AWS_PAGER=""

vendor_check() {
    need_cli aws "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
    case $verb in start | stop) need_cli eksctl "https://docs.aws.amazon.com/eks/latest/eksctl/installation.html" ;; esac
    logged_in "Type: aws configure, or aws sso login." aws sts get-caller-identity --region "$region" --output text
}

# CloudFormation's stacks of this cluster, with their state. eksctl names them like this:
# https://docs.aws.amazon.com/eks/latest/eksctl/troubleshooting.html
stacks() {
    aws cloudformation describe-stacks --region "$region" --output text --query \
        "Stacks[?StackName=='eksctl-$cluster-cluster' || starts_with(StackName,'eksctl-$cluster-nodegroup-') || starts_with(StackName,'eksctl-$cluster-addon-') || starts_with(StackName,'eksctl-$cluster-podidentityrole-')].[StackName,StackStatus]"
}

# States: https://docs.aws.amazon.com/eks/latest/APIReference/API_Cluster.html
cluster_status() {
    unless_missing ResourceNotFoundException \
        aws eks describe-cluster --region "$region" --name "$cluster" --query cluster.status --output text
}

# States of a node group: https://docs.aws.amazon.com/eks/latest/APIReference/API_Nodegroup.html
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
        "")
            # Nodes alone may not help: before them eksctl puts the network and the DNS into the cluster, which may be missing, and
            # it makes no node group where a stack of that name was rolled back. Whoever has nodes has the rest.
            left=$(stacks)
            case $left in
                *IN_PROGRESS*) say busy ;;
                *) say broken ;;
            esac
            ;;
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

scale() {
    aws eks update-nodegroup-config --region "$region" --cluster-name "$cluster" --nodegroup-name "$cluster" \
        --scaling-config "minSize=0,maxSize=$nodes,desiredSize=$1" --output text --query update.status
    aws eks wait nodegroup-active --region "$region" --cluster-name "$cluster" --nodegroup-name "$cluster"
}

# The node group is active again long before its nodes are gone: each is emptied, for up to 15 minutes, and then ended.
# https://docs.aws.amazon.com/eks/latest/userguide/managed-node-groups.html
vendor_up() { scale "$nodes"; }
vendor_down() { scale 0; }

vendor_nodes() {
    set -e
    aws ec2 describe-instances --region "$region" --output text --query 'Reservations[].Instances[].[InstanceId,InstanceType]' \
        --filters "Name=tag:eks:cluster-name,Values=$cluster" Name=instance-state-name,Values=pending,running,stopping,stopped
}

vendor_credentials() {
    aws eks update-kubeconfig --region "$region" --name "$cluster" --alias "$context"
}

# The networks that eksctl has made for this cluster: nothing else is in them.
networks() {
    aws ec2 describe-vpcs --region "$region" --output text --query 'Vpcs[].VpcId' \
        --filters "Name=tag:alpha.eksctl.io/cluster-name,Values=$cluster" | tr '\t' '\n'
}

# Load balancers of a network, of the old kind (their names) and of the new one (their ARNs).
old_load_balancers() {
    aws elb describe-load-balancers --region "$region" --output text \
        --query "LoadBalancerDescriptions[?VPCId=='$1'].LoadBalancerName" | tr '\t' '\n' | sed '/^$/d'
}
new_load_balancers() {
    aws elbv2 describe-load-balancers --region "$region" --output text \
        --query "LoadBalancers[?VpcId=='$1'].LoadBalancerArn" | tr '\t' '\n' | sed '/^$/d'
}

# Those that Kubernetes could not delete: they would keep the network from being deleted, and with it the cluster's stack.
delete_left_load_balancers() {
    local all network names arns each
    all=$(networks)
    for network in $all; do
        names=$(old_load_balancers "$network")
        for each in $names; do
            say "deleting the load balancer $each"
            aws elb delete-load-balancer --region "$region" --load-balancer-name "$each"
        done
        arns=$(new_load_balancers "$network")
        for each in $arns; do
            say "deleting the load balancer $each"
            aws elbv2 delete-load-balancer --region "$region" --load-balancer-arn "$each"
            aws elbv2 wait load-balancers-deleted --region "$region" --load-balancer-arns "$each"
        done
    done
}

vendor_delete() {
    local status name left
    delete_left_load_balancers
    status=$(cluster_status)
    if [[ -n $status ]]; then
        # --force: also where the cluster does not answer. The last option: PodDisruptionBudgets must not keep nodes alive.
        # https://docs.aws.amazon.com/eks/latest/eksctl/creating-and-managing-clusters.html (delete cluster)
        eksctl delete cluster --region "$region" --name "$cluster" --wait --force --disable-nodegroup-eviction
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
    local network all
    cluster_status | sed "s/^/cluster         $cluster  /"
    vendor_nodes | sed 's/^/node            /'
    # A load balancer keeps its network from being deleted: where the network is gone, there is none.
    all=$(networks)
    for network in $all; do
        old_load_balancers "$network" | sed 's/^/load balancer   /'
        new_load_balancers "$network" | sed 's/^/load balancer   /'
    done
    # start makes no NAT gateway and reserves no address, but somebody may have changed that; the cluster's stack
    # hands its tags on to both.
    aws ec2 describe-nat-gateways --region "$region" --output text --query 'NatGateways[].[NatGatewayId,State]' \
        --filter "Name=tag:alpha.eksctl.io/cluster-name,Values=$cluster" Name=state,Values=pending,available |
        sed 's/^/NAT gateway     /'
    aws ec2 describe-addresses --region "$region" --output text --query 'Addresses[].[PublicIp,AllocationId]' \
        --filters "Name=tag:alpha.eksctl.io/cluster-name,Values=$cluster" | sed 's/^/address         /'
    # Disks that pods asked for: https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/docs/tagging.md
    aws ec2 describe-volumes --region "$region" --output text --query 'Volumes[].[VolumeId,Size,State]' \
        --filters "Name=tag:kubernetes.io/cluster/$cluster,Values=owned" |
        sed 's/^/disk            /'
    # There are some where logging was switched on: https://docs.aws.amazon.com/eks/latest/userguide/control-plane-logs.html
    aws logs describe-log-groups --region "$region" --output text --query 'logGroups[].[logGroupName,storedBytes]' \
        --log-group-name-prefix "/aws/eks/$cluster/" | sed 's/^/log group       /'
    stacks | sed 's/^/stack           /'
}

vendor_clusters() {
    aws eks list-clusters --region "$region" --output text --query 'clusters[]' | tr '\t' '\n'
}
vendor_others() {
    aws eks list-clusters --region "$region" --output text --query "clusters[?@!='$cluster']" | tr '\t' '\n' | sed '/^$/d'
}
