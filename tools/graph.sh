#!/usr/bin/env bash
# The traffic graph and the metrics pages, for clusters that have neither Kiali nor Grafana: under their names, so that
# /kiali and /grafana at the gateway lead to them. Where the real ones are installed, nothing is done.
source "$(dirname "$0")/lib.sh"
cd "$root"

services=$(kubectl -n istio-system get services \
    -o 'jsonpath={range .items[*]}{.metadata.name} {.metadata.labels.app\.kubernetes\.io/part-of}{"\n"}{end}')
for service in kiali grafana; do
    if grep "^$service " <<<"$services" | grep -qv ' c756$'; then
        say "$service is installed in this cluster: no graph of our own"
        exit 0
    fi
done
tools/image.sh build graph
files=(cluster/graph.yaml)
# Who may read what is only asked where the cluster tells its users apart.
if kubectl get --raw /apis/rbac.authorization.k8s.io/v1 >/dev/null 2>&1; then files=(cluster/graph-rbac.yaml "${files[@]}"); fi
tools/apply.sh "${files[@]}"
kubectl -n istio-system rollout status deployment/kiali --timeout="${WAIT:-180}s"
