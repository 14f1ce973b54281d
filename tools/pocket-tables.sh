#!/usr/bin/env bash
# The tables of pocket's emulator, and the units that are provided for them, where pocket runs; whatever kubectl's context.
source "$(dirname "$0")/lib.sh"
cd "$root"

state=$(python -m pocket ls)
if [[ $state != *running* ]]; then exit; fi
export_lines "$(python -m pocket env)"
# An emulator takes any key.
export AWS_REGION=${REGION:?} AWS_ACCESS_KEY_ID=emulator AWS_SECRET_ACCESS_KEY=emulator
python -m db.tables list
