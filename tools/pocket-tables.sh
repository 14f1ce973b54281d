#!/usr/bin/env bash
# The tables of pocket's emulator, and the units that are provided for them, where pocket runs; whatever kubectl's context.
source "$(dirname "$0")/lib.sh"
cd "$root"

state=$(python -m pocket ls)
if [[ $state != *running* ]]; then exit; fi
said=$(python -m pocket env)
set -a
eval "$said"
AWS_REGION=${REGION:?} python -m db.tables list
