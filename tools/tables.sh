#!/usr/bin/env bash
# The DynamoDB tables of the current cluster: tools/tables.sh init|clean|list
source "$(dirname "$0")/lib.sh"
(($# == 1)) || die "usage: tools/tables.sh init|clean|list"
cd "$root"

settings=$(tools/dynamodb-env.sh)
export_lines "$settings"
export AWS_REGION=${REGION:?set it in config.mak and use make} TABLE_SUFFIX=${TABLE_SUFFIX:?set it in config.mak and use make}
arguments=("$1")
# Whoever types `make -f k8s.mak dynamodb-clean` means it.
if [[ $1 == clean ]]; then arguments+=(--yes); fi
python -m db.tables "${arguments[@]}"
