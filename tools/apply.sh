#!/usr/bin/env bash
# Apply objects of cluster/ to the current cluster: tools/apply.sh FILE...
# Placeholders get their values from config.mak (through make) and from the images that were built last.
source "$(dirname "$0")/lib.sh"
(($# > 0)) || die "usage: tools/apply.sh FILE..."
cd "$root"

pins=
if grep -q 'PIN_' "$@"; then pins=$(tools/image.sh env); fi
# shellcheck disable=SC2086  # one word for each NAME=value
rendered=$(env $pins "$(command -v python3)" tools/render.py "$@")
# Only what changed is worth a line. kubectl says "configured" of every PodDisruptionBudget each time, changed or not: the
# API asks for its selector to be replaced as a whole, so there always is something to send.
kube apply -f - <<<"$rendered" | sed -e '/ unchanged$/d' -e '/^poddisruptionbudget.* configured$/d'
