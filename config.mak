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

export REGISTRY OWNER PLATFORMS REGION TABLE_SUFFIX
