#!/usr/bin/env bash
# The Deployments of services: tools/deployments.sh NAME...; of the music service those of the versions that run.
source "$(dirname "$0")/lib.sh"
cd "$root"

for name in "$@"; do
    if [[ $name == s2 ]]; then
        tools/s2-versions.sh running | sed 's/^/cmpt756s2-/'
    else
        say "cmpt756$name"
    fi
done
