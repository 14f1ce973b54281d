#!/usr/bin/env bash
# Give each service its first route, where it has none. Routes that exist belong to whoever shifts traffic at the moment:
# deploying again does not touch them.
source "$(dirname "$0")/lib.sh"
cd "$root"

existing=$(kube -n "$namespace" get virtualservices.networking.istio.io -o name)
# HTTPRoutes (ROUTES=gateway-api tools/s2ver.sh) stand for the VirtualServices of their names.
if [[ $(kubectl api-resources --api-group=gateway.networking.k8s.io -o name) == *httproutes* ]]; then
    routes=$(kubectl -n "$namespace" get httproutes.gateway.networking.k8s.io -o 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}')
    existing+=$'\n'$(sed 's#^#virtualservice.networking.istio.io/#p; s#cmpt756s2$#cmpt756s2-weights#' <<<"$routes")
fi
has() { grep -qx "virtualservice.networking.istio.io/$1" <<<"$existing"; }

# Of before the weights had an object of their own: there the roots hold them. What is in force moves, then the roots
# lead there.
if has cmpt756s2; then
    route=$(kubectl -n "$namespace" get virtualservice/cmpt756s2 --ignore-not-found -o 'jsonpath={.spec.http[0].route}')
    if [[ -n $route ]]; then
        # A line for each field: what begins with a brace kubectl takes for JSON.
        kubectl apply -f - <<END
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cmpt756s2-weights, namespace: $namespace}
spec: {http: [{route: $route}]}
END
        kubectl apply -f cluster/s2-vs.yaml
        existing+=$'\nvirtualservice.networking.istio.io/cmpt756s2-weights'
    fi
fi

# Of the music service: the weights before what refers to them.
has cmpt756s2-weights || kubectl apply -f cluster/s2-vs-v1.yaml
for file in cluster/*-vs.yaml; do
    name=${file#cluster/}
    has "cmpt756${name%-vs.yaml}" || kubectl apply -f "$file"
done
