#!/usr/bin/env bash
# For teachers: compare the worksheets of a folder with their own data: tools/check-worksheets.sh FOLDER [--csv]
# TOLERANCE=0.02 in the environment: how far off a rate may be, as a share of it.
source "$(dirname "$0")/lib.sh"

[[ -d ${1:-} ]] || die "usage: tools/check-worksheets.sh FOLDER [--csv]"
folder=$(cd "$1" && pwd)
cd "$root"
python -m c756 check-worksheets "$folder" "${@:2}"
