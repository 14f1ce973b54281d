"""The part of the Kubernetes API that kubectl needs, over pocket's store."""
