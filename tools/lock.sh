#!/usr/bin/env bash
# Resolve every requirements.in anew into its lock: tools/lock.sh [--upgrade]
# Without --upgrade, versions stay as they are and only what changed in a .in file changes. One resolution serves all:
# the locks of the images and of the tests are held to the versions of requirements.lock.
source "$(dirname "$0")/lib.sh"
cd "$root"

compile() {
    .venv/bin/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 "$@"
}

[[ -x .venv/bin/uv ]] || die "uv is not there. First: tools/setup.sh test"
say "requirements.lock"
compile "$@" requirements.in -o requirements.lock
for part in servicekit db graph gatling; do
    say "$part/requirements.lock"
    compile -c requirements.lock "$part/requirements.in" -o "$part/requirements.lock"
done
say "requirements-dev.lock"
compile "$@" requirements-dev.in -o requirements-dev.lock
