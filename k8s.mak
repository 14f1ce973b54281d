# Targets that any cluster understands; kubectl's current context says which one. `make -f k8s.mak help` lists them.

include config.mak
include common.mak

.ONESHELL:
ifeq ($(filter oneshell,$(.FEATURES)),)
$(error GNU make 3.82 or newer is needed, this is $(MAKE_VERSION). On macOS: brew install make, then type gmake)
endif

# Which version of the music service `s2`, `log-s2` and `shell-s2` mean: S2_VER=v2 make -e -f k8s.mak s2
S2_VER = v1

# The project's Python where it is set up (tools/setup.sh).
PYTHON := $(or $(wildcard .venv/bin/python),python3)
KC := kubectl --namespace c756ns

# The services, in the order in which they are deployed. Each is a folder, its objects cluster/NAME-*.yaml, and its word here.
# s2 is the one with versions.
SERVICES := db s1 s2
PLAIN := $(filter-out s2,$(SERVICES))
# What belongs to each, routes apart: those are in the hands of whoever shifts traffic.
objects = $(wildcard $(patsubst %,cluster/$(1)-%.yaml,svc dr dpl pdb sm)) $($(1)_MORE)
db_MORE := cluster/dynamodb-service-entry.yaml
COMMON_OBJECTS := cluster/service-accounts.yaml cluster/policies.yaml cluster/network-policies.yaml
HPA_OBJECTS := cluster/s2-hpa.yaml cluster/db-hpa.yaml

# --- the whole -------------------------------------------------------------------------------------------------------

## provision: install what the cluster lacks (Istio, Prometheus, Grafana, Kiali), deploy, autoscale where several nodes measure CPU
.PHONY: provision
provision: addons access deploy
	@if kubectl get --raw /apis/metrics.k8s.io/v1beta1 >/dev/null 2>&1; then
		nodes=$$(kubectl get nodes --output=name | wc -l)
		if ((nodes > 1)); then tools/apply.sh $(HPA_OBJECTS); fi
	fi

## addons: Istio, Prometheus, Grafana, Kiali by helm, where they are missing (cluster/addons); then as check-cluster
.PHONY: addons
addons: .venv/bin/python
	@.venv/bin/python -m tools.addons

## access: who may see Kiali, Grafana and Prometheus through the gateway: ALLOW_FROM in config.mak; again when your address changes
.PHONY: access
access: answers
	@$(PYTHON) tools/access.py

## check-cluster: has the cluster what is needed? Says everything that is missing
.PHONY: check-cluster
check-cluster:
	@$(PYTHON) -m tools.check_cluster

## deploy: everything: namespace, secrets, gateway, db, s1, s2 (v1, or the versions that run), monitoring, first routes
.PHONY: deploy
deploy: namespace secrets
	@versions=$$(tools/s2-versions.sh running | xargs)
	graph=$$(tools/graph.sh | xargs)
	tools/image.sh build $(PLAIN) $$(printf 's2-%s ' $$versions) $${graph:+graph}
	tools/apply.sh $(COMMON_OBJECTS) cluster/service-gateway.yaml $(foreach name,$(SERVICES),$(call objects,$(name))) $$(printf 'cluster/s2-dpl-%s.yaml ' $$versions) $$graph cluster/monitoring-virtualservice.yaml
	tools/routes.sh
	tools/wait.sh $(PLAIN:%=cmpt756%) $$(printf 'cmpt756s2-%s ' $$versions) $${graph:+istio-system/kiali}

## reinstate: after a cluster's nodes came back: wait for Istio and Prometheus, then for everything of ours
.PHONY: reinstate
reinstate: export WAIT = 300
reinstate: check-cluster access deploy

## scratch: remove everything from the namespace, the secrets apart
.PHONY: scratch
scratch: showcontext answers
	@echo "Emptying the namespace c756ns"
	$(KC) delete virtualservices.networking.istio.io,gateways.networking.istio.io,destinationrules,serviceentries --all
	if [[ $$(kubectl api-resources --api-group=gateway.networking.k8s.io -o name) == *httproutes* ]]; then
		$(KC) delete httproutes.gateway.networking.k8s.io --all
	fi
	$(KC) delete servicemonitors,horizontalpodautoscalers,poddisruptionbudgets --all
	$(KC) delete jobs,deployments,services --all
	$(KC) wait --for=delete pod --all --timeout=120s
	$(KC) delete peerauthentications,authorizationpolicies,networkpolicies --all
	$(KC) delete serviceaccounts $(SERVICES:%=cmpt756%) cmpt756loader --ignore-not-found

## clean: forget what was built for this cluster, so that the next deploy builds every image again
.PHONY: clean
clean:
	@tools/image.sh clean

# --- parts -----------------------------------------------------------------------------------------------------------

## namespace: the namespace, with sidecar injection
.PHONY: namespace
namespace:
	@tools/apply.sh cluster/namespace.yaml

## secrets: the token key and the credentials for DynamoDB; what is there stays, but ROTATE=1 takes a new key while all goes on
.PHONY: secrets
secrets: namespace .venv/bin/python
	@ROTATE="$(ROTATE)" .venv/bin/python -m c756 secrets

## gw: open the ingress gateway for the application
.PHONY: gw
gw: namespace
	@tools/apply.sh cluster/service-gateway.yaml

## %: build and deploy the service %
.PHONY: $(PLAIN)
$(PLAIN): %: secrets gw
	@tools/image.sh build $*
	tools/apply.sh $(COMMON_OBJECTS) $(call objects,$*)
	tools/routes.sh
	tools/wait.sh cmpt756$*

## s2: code and routes of version S2_VER of the music service: build, deploy beside the others, send it its traffic
.PHONY: s2
s2:
	@tools/s2-switch.sh "$(S2_VER)"

# Its code alone: the routes stay as they are. tools/s2-switch.sh knows what comes first.
.PHONY: s2-code
s2-code: secrets gw
	@tools/image.sh build s2-$(S2_VER)
	tools/apply.sh $(COMMON_OBJECTS) $(call objects,s2) cluster/s2-dpl-$(S2_VER).yaml
	tools/routes.sh
	tools/wait.sh cmpt756s2-$(S2_VER)

# What is released, and how: make -f k8s.mak canary VERSION=v2 CANARY_FLAGS="--steps 10,100"; tools/canary.sh --help
VERSION =
CANARY_FLAGS =

## canary: release VERSION of the music service step by step, judged against the one that runs (CANARY_FLAGS: tools/canary.sh --help)
.PHONY: canary
canary:
	@tools/canary.sh $(VERSION) $(CANARY_FLAGS)

## flagger: the same by Flagger: once without VERSION to install it, then with (docs/canary.md)
.PHONY: flagger
flagger: namespace secrets .venv/bin/python
	@.venv/bin/python -m tools.controllers flagger $(VERSION)

## argo-rollouts: the same by Argo Rollouts
.PHONY: argo-rollouts
argo-rollouts: namespace secrets .venv/bin/python
	@.venv/bin/python -m tools.controllers argo-rollouts $(VERSION)

## monitoring: the traffic graph, what Prometheus reads, and the paths /kiali, /prometheus and /grafana at the gateway
.PHONY: monitoring
monitoring: namespace
	@graph=$$(tools/graph.sh | xargs)
	tools/image.sh build $${graph:+graph}
	tools/apply.sh cluster/policies.yaml cluster/s1-sm.yaml cluster/s2-sm.yaml cluster/db-sm.yaml $$graph cluster/monitoring-virtualservice.yaml
	tools/wait.sh $${graph:+istio-system/kiali}

## routes: back to the first routes: music to v1, no delay and no fault in front of the datastore
.PHONY: routes
routes:
	@tools/apply.sh cluster/s1-vs.yaml cluster/db-vs.yaml cluster/s2-vs-v1.yaml cluster/s2-vs.yaml

## hpa: replicas of s2 and db by CPU; needs a cluster that measures it (metrics.k8s.io)
.PHONY: hpa
hpa: answers
	@if ! kubectl get --raw /apis/metrics.k8s.io/v1beta1 >/dev/null 2>&1; then
		echo "this cluster does not measure CPU (no metrics.k8s.io): install metrics-server first" >&2
		exit 1
	fi
	tools/apply.sh $(HPA_OBJECTS)

## loader: put the users and songs of gatling/resources into the tables
.PHONY: loader
loader: secrets
	@tools/loader.sh $(LOADER_FLAGS)

## stranger: somebody else's pod, which asks for the users (docs/exercise.md); the end of it: kubectl delete namespace stranger
.PHONY: stranger
stranger: answers
	@tools/image.sh build s1
	tools/apply.sh cluster/stranger.yaml
	tools/wait.sh stranger/stranger

# --- images ----------------------------------------------------------------------------------------------------------

## cri: build every image, changed or not, and push it where the cluster takes images from a registry
.PHONY: cri
cri: .venv/bin/python
	@names=($(PLAIN) $$(tools/s2-versions.sh known | sed 's/^/s2-/') loader graph dynamodb)
	code=0
	.venv/bin/python -m tools.load_build || code=$$?
	case $$code in
		0) names+=(gatling) ;;
		3) echo "Without that no image of the load simulations (gatling); all others:" ;;
		*) exit "$$code" ;;
	esac
	FORCE=1 tools/image.sh build "$${names[@]}"

## registry-login: log in to the registry as OWNER, with the token in CR_PAT
.PHONY: registry-login
registry-login:
	@tools/registry-login.sh

# --- day by day ------------------------------------------------------------------------------------------------------

## rollout: restart every pod of the application, one after the other, without losing a request
.PHONY: rollout
rollout: $(SERVICES:%=rollout-%)

## rollout-%: the same for %
## rollout-s2: the same for every version of s2 that runs
.PHONY: $(SERVICES:%=rollout-%)
$(SERVICES:%=rollout-%): rollout-%: answers
	@names=$$(tools/deployments.sh $* | xargs)
	$(KC) rollout restart deployment $$names
	tools/wait.sh $$names

## ls: what runs in the namespace, its routes, and the ingress gateway
.PHONY: ls
ls: showcontext answers
	@$(KC) get gateways,virtualservices,services,deployments,pods
	kubectl --namespace istio-system get services

## lsa: the services of all namespaces
.PHONY: lsa
lsa: showcontext answers
	@kubectl get services --all-namespaces

## lsd: the images of every pod, those of init containers and native sidecars last
.PHONY: lsd
lsd: showcontext answers
	@kubectl get pods --all-namespaces --output=jsonpath='{range .items[*]}{.metadata.name}{":\t"}{.spec.containers[*].image}{" "}{.spec.initContainers[*].image}{"\n"}{end}' | sort

# One Deployment of a service: of s2 that of version S2_VER.
deployment = deployment/cmpt756$(1)$(if $(filter s2,$(1)),-$(S2_VER))

## log-%: the latest lines of %
## log-s2: the latest lines of s2, version S2_VER
.PHONY: $(SERVICES:%=log-%)
$(SERVICES:%=log-%): log-%: answers
	@$(KC) logs $(call deployment,$*) --container=cmpt756$* --tail=100

## shell-%: a shell in a pod of %
## shell-s2: a shell in a pod of s2, version S2_VER
.PHONY: $(SERVICES:%=shell-%)
$(SERVICES:%=shell-%): shell-%: answers
	@$(KC) exec -it $(call deployment,$*) --container=cmpt756$* -- sh

## health-off: take the probes away, to debug a pod that would be restarted; deploy brings them back
.PHONY: health-off
health-off: answers
	@no_probes() {
		$(KC) patch deployment "$$1" --type=strategic --patch='{"spec":{"template":{"spec":{"containers":[{"name":"'"$$2"'","startupProbe":null,"readinessProbe":null,"livenessProbe":null}]}}}}'
	}
	for name in $(SERVICES); do
		deployments=$$(tools/deployments.sh $$name)
		for deployment in $$deployments; do no_probes "$$deployment" "cmpt756$$name"; done
	done

## showcontext: which cluster all this talks to
.PHONY: showcontext
showcontext:
	@$(PYTHON) -m c756 showcontext

# The cluster answers: asked first, instead of what kubectl says of each kind that it cannot look up.
.PHONY: answers
answers:
	@$(PYTHON) -m c756 require

# --- addresses -------------------------------------------------------------------------------------------------------

## extern: the ingress gateway's Service and its address
.PHONY: extern
extern: showcontext answers
	@kubectl --namespace istio-system get service istio-ingressgateway
	address=$$(tools/getip.sh)
	echo "http://$$address"

## kiali-url: the traffic graph
.PHONY: kiali-url
kiali-url:
	@address=$$(tools/getip.sh)
	echo "http://$$address/kiali/"

## grafana-url: the dashboards
.PHONY: grafana-url
grafana-url:
	@address=$$(tools/getip.sh)
	echo "http://$$address/grafana/"

## prometheus-url: the measurements
.PHONY: prometheus-url
prometheus-url:
	@address=$$(tools/getip.sh)
	echo "http://$$address/prometheus/"

# --- DynamoDB --------------------------------------------------------------------------------------------------------

## dynamodb-init: make the tables, where they are missing, and wait until they work
.PHONY: dynamodb-init
dynamodb-init: .venv/bin/python
	@.venv/bin/python -m c756 tables init

## dynamodb-clean: delete the tables and everything in them; at AWS after asking (YES=1 answers)
.PHONY: dynamodb-clean
dynamodb-clean: .venv/bin/python
	@.venv/bin/python -m c756 tables clean
	$(KC) delete job cmpt756loader --ignore-not-found

## ls-tables: the tables, their state and size
.PHONY: ls-tables
ls-tables: .venv/bin/python
	@.venv/bin/python -m c756 tables list

## emulator: DynamoDB without AWS, before deploy: an emulator in the cluster, with empty tables
.PHONY: emulator
emulator: namespace .venv/bin/python
	@.venv/bin/python -m c756 emulator

# --- load ------------------------------------------------------------------------------------------------------------

# How many virtual users run which simulation, in how many pods, and how long.
USERS =
SIM =
PODS = 1
DURATION = 5m

## load: load from pods, when one machine is not enough: USERS=200 SIM=ReadMusicSim PODS=4 DURATION=5m
.PHONY: load
load: namespace
	@tools/load-job.sh "$(USERS)" "$(SIM)" "$(PODS)" "$(DURATION)"

# --- the traffic, accounted for --------------------------------------------------------------------------------------

SERVICE = cmpt756s2
LAST = 10m
# Who knows where Prometheus is needs no cluster for these.
ASKED = $(if $(PROMETHEUS_URL),,answers)
FORMAT = text
OUT = graph.svg

## report: the traffic of a service in numbers: SERVICE=cmpt756s2 LAST=10m FORMAT=text (or json, csv)
.PHONY: report
report: $(ASKED) .venv/bin/python
	@.venv/bin/python -m graph report --namespace c756ns --service "$(SERVICE)" --last "$(LAST)" --format "$(FORMAT)"

## worksheet: the questions on the traffic of the last 10 minutes, its picture and its data: worksheet.md (LAST=10m)
.PHONY: worksheet
worksheet: $(ASKED) .venv/bin/python
	@LAST="$(LAST)" SERVICE="$(SERVICE)" FORCE="$(FORCE)" .venv/bin/python -m c756 worksheet

## submission: check that worksheet.md is filled in and agrees with itself, and make the PDF to hand in: STUDENT=301234567
.PHONY: submission
submission: .venv/bin/python
	@.venv/bin/python -m c756 submission "$(STUDENT)"

## snapshot: the traffic graph as a picture: OUT=graph.svg (or .png) LAST=10m
.PHONY: snapshot
snapshot: $(ASKED) .venv/bin/python
	@.venv/bin/python -m graph snapshot --namespace c756ns --last "$(LAST)" --output "$(OUT)"
