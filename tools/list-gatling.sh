#!/usr/bin/env bash
# The load jobs that run, with their requests and failures so far (at most 5 seconds old): tools/list-gatling.sh
source "$(dirname "$0")/lib.sh"
cd "$root"
python -m tools.load list "$@"
