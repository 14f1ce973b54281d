#!/usr/bin/env bash
# Stop load jobs in order, so that their reports are written: tools/kill-gatling.sh [PID|all], without an argument all.
source "$(dirname "$0")/lib.sh"
cd "$root"
python -m tools.load kill "$@"
