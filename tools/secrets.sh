#!/usr/bin/env bash
# The Secrets of the application, made at deploy time. No value is ever written to a file or put on a command line.
#
#   c756-auth   the key that signs tokens and the loader's credential: JWT_SECRET and LOADER_TOKEN from the environment,
#               else random. Made once and then left alone, so that tokens stay valid.
#   c756-aws    what the datastore signs its requests to DynamoDB with: from the usual AWS sources (environment, profile,
#               role). Brought up to date each time; absent where there are no credentials.
source "$(dirname "$0")/lib.sh"
cd "$root"

if ! kubectl -n "$namespace" get secret c756-auth -o name --ignore-not-found | grep -q .; then
    python tools/secret.py auth | kubectl create -f -
fi

settings=$(tools/dynamodb-env.sh)
manifest=$(
    export_lines "$settings"
    python tools/secret.py aws
)
if [[ -n $manifest ]]; then
    kubectl apply --server-side --force-conflicts -f - <<<"$manifest" >/dev/null
else
    say "no AWS credentials found: the datastore needs a role of its own (EKS), or run this again with AWS_PROFILE set"
fi
