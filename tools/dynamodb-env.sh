#!/usr/bin/env bash
# How to reach the tables of the current cluster, as NAME=value lines: on pocket its emulator, which takes any
# credentials; for every other cluster nothing, which means AWS and the usual sources of credentials.
source "$(dirname "$0")/lib.sh"
cd "$root"

context=$(context_name)
if [[ $(context_kind "$context") == pocket ]]; then
    python -m pocket env | grep '^DYNAMODB_URL='
    say AWS_ACCESS_KEY_ID=pocket
    say AWS_SECRET_ACCESS_KEY=pocket
fi
