"""The Gateway API, translated to Istio's own Gateways and VirtualServices, as istiod does."""
