#!/usr/bin/env bash
# The address of the ingress gateway, with :PORT where it is not 80.
# tools/getip.sh [KUBECTL NAMESPACE SERVICE], by default: kubectl istio-system svc/istio-ingressgateway
source "$(dirname "$0")/lib.sh"
(($# == 0 || $# == 3)) || die "usage: tools/getip.sh [KUBECTL NAMESPACE SERVICE]"
kc=${1:-kubectl}
service=${3:-svc/istio-ingressgateway}
if (($# == 0)) || [[ $kc == kubectl ]]; then require_cluster; fi

{
    # shellcheck disable=SC2086  # KUBECTL may be a command with options
    $kc -n "${2:-istio-system}" get "$service" -o json
    # shellcheck disable=SC2086
    $kc get nodes -o json
} | python "$root/tools/address.py"
