#!/usr/bin/env bash
# Send load to the current cluster: tools/gatling.sh USERS SIMULATION [--duration 10m] [--max-errors 1%]
# Starts a background job and follows its output. Without arguments it lists the simulations. More: docs/load.md
source "$(dirname "$0")/lib.sh"
cd "$root"
python -m tools.load start "$@"
