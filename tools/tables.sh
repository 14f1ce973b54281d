#!/usr/bin/env bash
# The DynamoDB tables of the current cluster: tools/tables.sh init|clean|list
source "$(dirname "$0")/lib.sh"
(($# == 1)) || die "usage: tools/tables.sh init|clean|list"
cd "$root"

# An emulator takes any credentials.
any_credentials() { export AWS_ACCESS_KEY_ID=emulator AWS_SECRET_ACCESS_KEY=emulator; }

# Opens a way to the emulator in the cluster for as long as this script runs; sets DYNAMODB_URL.
forward() {
    local line pattern='^Forwarding from (127\.0\.0\.1:[0-9]+) '
    kubectl -n dynamodb rollout status deployment/dynamodb --timeout="${WAIT:-180}s" >/dev/null
    exec {forwarded}< <(exec kubectl -n dynamodb port-forward service/dynamodb :8000)
    # shellcheck disable=SC2064  # this very process
    trap "kill $! 2>/dev/null || true" EXIT
    # kubectl says this once it listens, or ends with its reason on standard error.
    while read -r -t 60 line <&"$forwarded"; do
        if [[ $line =~ $pattern ]]; then
            export DYNAMODB_URL=http://${BASH_REMATCH[1]}
            return
        fi
    done
    die "kubectl port-forward does not reach the emulator: kubectl -n dynamodb get pods"
}

home=$(tables_home)
case $home in
    pocket)
        any_credentials
        settings=$(python -m pocket env | grep '^DYNAMODB_URL=')
        export_lines "$settings"
        ;;
    emulator)
        any_credentials
        forward
        ;;
    aws) ;;
esac
export AWS_REGION=${REGION:?set it in config.mak and use make} TABLE_SUFFIX=${TABLE_SUFFIX:?set it in config.mak and use make}
arguments=("$1")
# Whoever types `make -f k8s.mak dynamodb-clean` means it.
if [[ $1 == clean ]]; then arguments+=(--yes); fi
python -m db.tables "${arguments[@]}"
