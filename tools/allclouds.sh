#!/usr/bin/env bash
# What runs where, what it costs, stop it all: tools/allclouds.sh ls|stop. What allclouds.mak runs; see tools/allclouds.py.
source "$(dirname "$0")/lib.sh"
cd "$root"
python -m tools.allclouds "$@"
