#!/usr/bin/env bash
# DynamoDB without AWS: the emulator in the current cluster, its tables, and what the datastore has to know of it.
# Run again, it changes what differs and makes the tables that are missing.
source "$(dirname "$0")/lib.sh"
cd "$root"

home=$(tables_home)
if [[ $home == pocket ]]; then
    say "pocket has its emulator already; make -f k8s.mak dynamodb-init makes its tables"
    exit 0
fi
tools/image.sh build dynamodb
tools/apply.sh cluster/dynamodb-emulator.yaml
tools/tables.sh init
tools/secrets.sh
db=$(kubectl -n "$namespace" get deployment cmpt756db --ignore-not-found -o name)
if [[ -n $db && $home != emulator ]]; then
    say "The datastore runs with what it was started with: make -f k8s.mak rollout-db lets it see the emulator"
fi
