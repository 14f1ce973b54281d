# All that a person edits before a cloud run. On pocket the values may stay as they are.
# One value for one run: make -f k8s.mak deploy OWNER=someone

# Where images are pushed: REGISTRY/OWNER/cmpt756s2:v2 and so on. OWNER in lower case, your GitHub name for ghcr.io.
REGISTRY = ghcr.io
OWNER = c756

# What the nodes of your clusters are: images are built for these (comma-separated, linux/amd64,linux/arm64).
PLATFORMS = linux/amd64

# The AWS region of the DynamoDB tables, and the ending of their names: Music-SUFFIX, User-SUFFIX.
# Everybody who shares the account needs an ending of their own.
REGION = us-west-2
TABLE_SUFFIX = $(OWNER)

# Your clusters' name, and where they are: EKS in REGION, AKS in AZ_LOCATION, GKE in GCP_ZONE.
# Everybody who shares an account needs a name of their own. Versions and sizes stand in versions.mak.
CLUSTER = c756
AZ_LOCATION = westus2
GCP_ZONE = us-west1-a

# On EKS: the ARN of a role that may use the tables (docs/clusters.md says how to make it). The datastore then needs no keys.
DB_ROLE =

# From where Kiali, Grafana and Prometheus of a cloud's cluster may be seen: addresses or ranges (203.0.113.7,198.51.100.0/24),
# or auto: this machine's address as the internet sees it. There is no login; everything is view-only.
ALLOW_FROM = auto

export REGISTRY OWNER PLATFORMS REGION TABLE_SUFFIX CLUSTER AZ_LOCATION GCP_ZONE ALLOW_FROM DB_ROLE
