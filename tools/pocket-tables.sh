#!/usr/bin/env bash
# The tables of pocket's emulator, and the units that are provided for them, where pocket runs; whatever kubectl's context.
source "$(dirname "$0")/lib.sh"
cd "$root"

state=$(python -m pocket ls)
if [[ $state != *running* ]]; then exit; fi
DYNAMODB_URL=$(python -m pocket env | sed -n 's/^DYNAMODB_URL=//p')
# An emulator takes any key.
export DYNAMODB_URL AWS_REGION=${REGION:?} AWS_ACCESS_KEY_ID=emulator AWS_SECRET_ACCESS_KEY=emulator
python -m db.tables list
