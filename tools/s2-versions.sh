#!/usr/bin/env bash
# Versions of the music service: tools/s2-versions.sh known | running
#   known     every version there is a cluster/s2-dpl-VERSION.yaml for
#   running   those that have a Deployment in the current cluster; v1 where there is none yet
source "$(dirname "$0")/lib.sh"
cd "$root"

case ${1:-} in
    known)
        for file in cluster/s2-dpl-*.yaml; do
            file=${file#cluster/s2-dpl-}
            say "${file%.yaml}"
        done
        ;;
    running)
        found=$(kube -n "$namespace" get deployments -l app=cmpt756s2 \
            -o 'jsonpath={range .items[*]}{.metadata.labels.version}{"\n"}{end}')
        say "${found:-v1}"
        ;;
    *) die "usage: tools/s2-versions.sh known | running" ;;
esac
