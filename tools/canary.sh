#!/usr/bin/env bash
# Release a version of the music service step by step, with a judge: tools/canary.sh VERSION (--help: everything else)
source "$(dirname "$0")/lib.sh"
cd "$root"
# exec: signals are for the canary, which rolls back
if [[ -x .venv/bin/python ]]; then exec .venv/bin/python -m c756 canary "$@"; fi
exec python3 -m c756 canary "$@"
