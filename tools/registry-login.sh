#!/usr/bin/env bash
# Log in to the registry that the current cluster takes images from. The token (for ghcr.io a personal access token with
# write:packages) comes from CR_PAT and reaches docker through a pipe, not through its arguments.
source "$(dirname "$0")/lib.sh"

context=$(context_name)
if [[ $(context_kind "$context") != registry ]]; then
    say "the cluster of context \"$context\" takes images from this machine: no login needed"
    exit 0
fi
[[ -n ${CR_PAT:-} ]] || die "CR_PAT is not set: put a token for $REGISTRY into it"
command -v docker >/dev/null || die "docker is not installed"
printf '%s' "$CR_PAT" | docker login "$REGISTRY" --username "$OWNER" --password-stdin
