#!/usr/bin/env bash
# The Secrets of the application, made at deploy time. No value is ever written to a file or put on a command line.
#
#   c756-auth   the key that signs tokens and the loader's credential: JWT_SECRET and LOADER_TOKEN from the environment,
#               else random. Made once and then left alone, so that tokens stay valid.
#   c756-aws    what the datastore signs its requests to DynamoDB with: from the usual AWS sources (environment, profile,
#               role). Brought up to date each time; absent where there are no credentials, or where the datastore has
#               a role of its own (DB_ROLE in config.mak, EKS), which its service account is told here.
#               An emulator takes any credentials; of the one in the cluster the datastore is told the address here.
source "$(dirname "$0")/lib.sh"
cd "$root"

if ! kubectl -n "$namespace" get secret c756-auth -o name --ignore-not-found | grep -q .; then
    python tools/secret.py auth | kubectl create -f -
fi

home=$(tables_home)
if [[ -n ${DB_ROLE:-} && $home == aws ]]; then
    tools/apply.sh cluster/service-accounts.yaml
    # https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
    kubectl -n "$namespace" annotate --overwrite serviceaccount cmpt756db "eks.amazonaws.com/role-arn=$DB_ROLE"
    # Keys would be preferred to the role.
    kubectl -n "$namespace" delete secret c756-aws --ignore-not-found
    exit 0
fi
case $home in
    pocket) manifest=$(python tools/secret.py emulator) ;;
    emulator) manifest=$(python tools/secret.py emulator http://dynamodb.dynamodb:8000) ;;
    aws) manifest=$(python tools/secret.py aws) ;;
esac
if [[ -n $manifest ]]; then
    kubectl apply --server-side --force-conflicts -f - <<<"$manifest" >/dev/null
else
    say "no AWS credentials found: the datastore needs a role of its own (DB_ROLE in config.mak, on EKS), or run this again with AWS_PROFILE set; without an AWS account: make -f k8s.mak emulator"
fi
