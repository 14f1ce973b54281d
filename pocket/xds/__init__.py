"""Envoy's own protocol: delta xDS by gRPC over a Unix socket (docs/pocket.md, "How configuration travels")."""
