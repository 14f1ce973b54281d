"""The mesh: Istio objects, Services and pods in, Envoy configuration out."""
