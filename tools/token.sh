#!/usr/bin/env bash
# Print a token that the services of the current cluster accept: tools/token.sh [USER_ID]
# It is an operator's, for everything; with USER_ID that user's own, who may change and delete itself only.
# The signing key goes from the cluster's Secret into the environment of one process, and nowhere else.
source "$(dirname "$0")/lib.sh"
(($# <= 1)) || die "usage: tools/token.sh [USER_ID]"
cd "$root"
require_cluster

encoded=$(kubectl -n "$namespace" get secret c756-auth -o 'jsonpath={.data.jwt-secret}') ||
    die "no signing key in the cluster (see above). Deploy first: make up, or make -f k8s.mak deploy"
JWT_SECRET=$(base64 -d <<<"$encoded")
export JWT_SECRET
python -m servicekit.token "$@"
