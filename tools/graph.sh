#!/usr/bin/env bash
# Which objects put the traffic graph and the metrics pages into the current cluster: prints their files, for
# tools/apply.sh. They stand under the names of Kiali and Grafana, so that /kiali and /grafana at the gateway lead to
# them. Prints nothing where the real ones are installed.
source "$(dirname "$0")/lib.sh"

services=$(kube -n istio-system get services \
    -o 'jsonpath={range .items[*]}{.metadata.name} {.metadata.labels.app\.kubernetes\.io/part-of}{"\n"}{end}')
for service in kiali grafana; do
    if grep "^$service " <<<"$services" | grep -qv ' c756$'; then
        say "$service is installed in this cluster: no graph of our own" >&2
        exit 0
    fi
done
# Who may read what is only asked where the cluster tells its users apart.
if said=$(kubectl get --raw /apis/rbac.authorization.k8s.io/v1 2>&1 >/dev/null); then
    say cluster/graph-rbac.yaml
elif [[ $said != *"(NotFound)"* ]]; then
    die "the cluster does not say whether it tells its users apart: $said"
fi
say cluster/graph.yaml
