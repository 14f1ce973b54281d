#!/usr/bin/env bash
# Switch music traffic: tools/s2ver.sh VERSION. The same as: S2_VER=VERSION make -e -f k8s.mak s2
source "$(dirname "$0")/lib.sh"
cd "$root"

(($# == 1)) || die "usage: tools/s2ver.sh VERSION. Known: $(tools/s2-versions.sh known | xargs)"
S2_VER=$1 exec make -e --no-print-directory -f k8s.mak s2
