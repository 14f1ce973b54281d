"""As much of Amazon's and Google's APIs as the makefiles read, on this machine: what the real aws and gcloud are shown.

Each account has a cluster c756 with nodes, and things of somebody else beside it, which must not be taken for ours.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def _eks(name: str) -> dict[str, object]:
    arn = f"arn:aws:eks:us-west-2:123456789012:cluster/{name}"
    reached = {"endpoint": "https://127.0.0.1:1", "certificateAuthority": {"data": "Yw=="}}
    return {"cluster": {"name": name, "status": "ACTIVE", "arn": arn, **reached}}


EKS = {
    "/clusters": (200, {"clusters": ["c756", "other"]}),
    "/clusters/c756": (200, _eks("c756")),
    "/clusters/c756/node-groups/c756": (
        200, {"nodegroup": {"status": "ACTIVE", "scalingConfig": {"minSize": 0, "maxSize": 2, "desiredSize": 2}}},
    ),
    "/clusters/asleep": (200, _eks("asleep")),
    "/clusters/asleep/node-groups/asleep": (
        200, {"nodegroup": {"status": "ACTIVE", "scalingConfig": {"minSize": 0, "maxSize": 2, "desiredSize": 0}}},
    ),
}  # fmt: skip


def _members(tag: str, *members: str) -> str:
    return "".join(f"<{tag}>{member}</{tag}>" for member in members)


_NODE = "<instancesSet><item><instanceId>{}</instanceId><instanceType>t3.large</instanceType></item></instancesSet>"
_STACK = "<StackName>{}</StackName><StackStatus>CREATE_COMPLETE</StackStatus>"
_LB = "<LoadBalancerName>{0}</LoadBalancerName><LoadBalancerArn>arn:{0}</LoadBalancerArn><{vpc}>{1}</{vpc}>"
XML = {
    "Action=GetCallerIdentity": "<GetCallerIdentityResult><Account>1</Account></GetCallerIdentityResult>",
    "Action=DescribeStacks": "<DescribeStacksResult><Stacks>"
    + _members("member", *map(_STACK.format, ("eksctl-c756-cluster", "theirs", "eksctl-c756-nodegroup-c756")))
    + "</Stacks></DescribeStacksResult>",
    "Action=DescribeVpcs": "<vpcSet><item><vpcId>vpc-1</vpcId></item></vpcSet>",
    "Action=DescribeInstances": "<reservationSet>"
    + _members("item", *map(_NODE.format, ("i-1", "i-2")))
    + "</reservationSet>",
    "Action=DescribeVolumes": "<volumeSet/>",
    "Action=DescribeNatGateways": "<natGatewaySet><item><natGatewayId>nat-1</natGatewayId><state>available</state>"
    "</item></natGatewaySet>",
    "Action=DescribeAddresses": "<addressesSet><item><publicIp>203.0.113.7</publicIp><allocationId>eipalloc-1"
    "</allocationId></item></addressesSet>",
    "Version=2012-06-01": "<DescribeLoadBalancersResult><LoadBalancerDescriptions>"
    + _members("member", *(_LB.format(*pair, vpc="VPCId") for pair in (("old1", "vpc-1"), ("theirs", "vpc-2"))))
    + "</LoadBalancerDescriptions></DescribeLoadBalancersResult>",
    "Version=2015-12-01": "<DescribeLoadBalancersResult><LoadBalancers>"
    + _members("member", *(_LB.format(*pair, vpc="VpcId") for pair in (("new1", "vpc-1"), ("theirs", "vpc-2"))))
    + "</LoadBalancers></DescribeLoadBalancersResult>",
}


def _gke(name: str, zone: str, nodes: int) -> dict[str, object]:
    reached = {"endpoint": "127.0.0.1", "masterAuth": {"clusterCaCertificate": "Yw=="}}
    cluster: dict[str, object] = {"name": name, "status": "RUNNING", "location": zone, "zone": zone, **reached}
    return {**cluster, "currentNodeCount": nodes} if nodes else cluster


def _gce(kind: str, *items: dict[str, object]) -> dict[str, object]:
    place = {"zone": "https://compute/zones/us-west1-a"}
    return {"items": {"zones/us-west1-a": {kind: [{**place, **item} for item in items]}}}


def _rule(name: str, service: str) -> dict[str, object]:
    description = json.dumps({"kubernetes.io/service-name": service})
    return {"name": name, "IPAddress": "203.0.113.9", "description": description}


_LOGS = {"logGroups": [{"logGroupName": "/aws/eks/c756/cluster", "storedBytes": 7}]}
_OURS = {"goog-k8s-cluster-name": "c756", "goog-k8s-cluster-location": "us-west1-a"}
_FAR = {**_OURS, "goog-k8s-cluster-location": "us-east1-b"}
_TYPE = {"machineType": "https://compute/machineTypes/e2-standard-2"}
_CLUSTERS = [_gke("c756", "us-west1-a", 2), _gke("c756", "us-east1-b", 2), _gke("c7567", "us-west1-a", 0)]
GCP = {
    "/v1/projects/p/locations/-/clusters": (200, {"clusters": _CLUSTERS}),
    "/v1/projects/p/locations/us-west1-a/clusters/c756": (200, _CLUSTERS[0]),
    "/v1/projects/p/locations/us-west1-a/clusters/asleep": (200, _gke("asleep", "us-west1-a", 0)),
    "/compute/v1/projects/p/aggregated/instances": (
        200, _gce("instances", {"name": "gke-c756-default-pool-1", "labels": _OURS, **_TYPE},
                  {"name": "gke-c756-b-pool-1", "labels": {**_OURS, "goog-k8s-cluster-name": "c756-b"}, **_TYPE},
                  {"name": "gke-c756-default-pool-2", "labels": _FAR, **_TYPE}, {"name": "theirs", **_TYPE}),
    ),
    "/compute/v1/projects/p/aggregated/disks": (
        200, _gce("disks", {"name": "gke-c756-default-pool-1", "sizeGb": "40", "labels": _OURS},
                  {"name": "pvc-1", "sizeGb": "8", "labels": _OURS}, {"name": "pvc-2", "sizeGb": "8"},
                  {"name": "pvc-3", "sizeGb": "8", "labels": _FAR}),
    ),
    "/compute/v1/projects/p/aggregated/forwardingRules": (
        200, _gce("forwardingRules", _rule("a1", "istio-system/istio-ingressgateway"), _rule("a2", "default/x"),
                  {"name": "a3", "IPAddress": "203.0.113.8"}),
    ),
    "/compute/v1/projects/p/aggregated/addresses": (
        200, _gce("addresses", {"address": "203.0.113.9", **_rule("a1", "istio-system/istio-ingressgateway")},
                  {"address": "203.0.113.6", "name": "mine"}),
    ),
}  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def _answer(self, code: int, body: str, kind: str) -> None:
        data = body.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if code == 404:
            self.send_header("x-amzn-ErrorType", "ResourceNotFoundException")
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        error = {"code": 404, "message": f"Not found: {self.path}", "status": "NOT_FOUND"}
        code, body = (EKS | GCP).get(self.path.split("?")[0], (404, {"message": "none", "error": error}))
        self._answer(code, json.dumps(body), "application/json")

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if self.headers.get("X-Amz-Target", "").endswith(".DescribeLogGroups"):
            self._answer(200, json.dumps(_LOGS), "application/x-amz-json-1.1")
            return
        found = [xml for key, xml in XML.items() if key in asked]
        self._answer(200 if found else 500, f'<Response xmlns="http://x/">{"".join(found)}</Response>', "text/xml")


def serve() -> ThreadingHTTPServer:
    """Starts it, on a free port of the loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
