"""A simulated environment with one cluster, driven through the simulated account only: no engine, no program."""

import base64
import ssl
import time
from collections.abc import Callable
from typing import Any

import botocore.session
import httpx2
from botocore.credentials import Credentials
from botocore.model import ServiceId
from botocore.signers import RequestSigner

from local.cloud.model import CloudObject
from local.cloud.store import SqliteStore
from local.cluster.environment import DEPLOYER, LocalEnvironment

ADMIN_POLICY = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
CLUSTER = "alpha"


class SilentConsole:
    """Keeps what would be printed."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def print(self, *objects: object) -> None:
        self.lines.append(" ".join(map(str, objects)))


class World:
    """One environment that is up, with a cluster on demand."""

    def __init__(self, name: str) -> None:
        self.environment = LocalEnvironment(name)
        self.console = SilentConsole()
        self.environment.up(self.console)
        self.store = SqliteStore(self.environment.paths.account)

    def put(self, kind: str, identifier: str, **body: Any) -> None:
        self.store.put(CloudObject(kind=kind, id=identifier, region="us-east-1", body=body))

    def body(self, kind: str, identifier: str) -> dict[str, Any]:
        found = self.store.get(kind, identifier)
        if found is None:
            raise AssertionError(f"{kind} {identifier} is gone")
        return found.body

    def cluster(self, *, admit: bool = True, **vpc_config: Any) -> None:
        """Put a cluster object and wait until it is ACTIVE."""
        config = {"endpointPublicAccess": True, "publicAccessCidrs": ["203.0.113.0/24"], **vpc_config}
        self.put(
            "eks:Cluster", CLUSTER, name=CLUSTER, status="CREATING", resourcesVpcConfig=config,
            bootstrapSelfManagedAddons=False, kubernetesNetworkConfig={"serviceIpv4Cidr": "172.20.0.0/16"},
        )  # fmt: skip
        self.put(
            "ec2:Subnet", "subnet-1", SubnetId="subnet-1", VpcId="vpc-1", CidrBlock="10.0.0.0/24",
            AvailabilityZone="us-east-1a",
        )  # fmt: skip
        if admit:
            self.put("eks:AccessEntry", f"{CLUSTER}:{DEPLOYER}", clusterName=CLUSTER, principalArn=DEPLOYER)
            self.put(
                "eks:AccessPolicyAssociation", f"{CLUSTER}#{DEPLOYER}#{ADMIN_POLICY}", clusterName=CLUSTER,
                principalArn=DEPLOYER, policyArn=ADMIN_POLICY, accessScope={"type": "cluster"},
            )  # fmt: skip
        self.wait(lambda: self.body("eks:Cluster", CLUSTER)["status"] == "ACTIVE", 40)

    def node_group(self, name: str, desired: int, *, efa: int = 32) -> None:
        """Put a node group of p5.48xlarge with ``efa`` EFA interfaces."""
        cards = [{"NetworkCardIndex": 0, "DeviceIndex": 0, "InterfaceType": "interface", "Groups": ["sg-nodes"]}]
        cards += [{"NetworkCardIndex": card, "DeviceIndex": 1, "InterfaceType": "efa-only"} for card in range(efa)]
        self.put("ec2:LaunchTemplate", "lt-1", LaunchTemplateId="lt-1", DefaultVersionNumber=1, LatestVersionNumber=1)
        for version in (1, 2):
            data = {"InstanceType": "p5.48xlarge", "NetworkInterfaces": cards}
            self.put("ec2:LaunchTemplateVersion", f"lt-1:{version}", LaunchTemplateId="lt-1", LaunchTemplateData=data)
        self.put(
            "eks:Nodegroup", f"{CLUSTER}:{name}", clusterName=CLUSTER, nodegroupName=name, status="CREATING",
            scalingConfig={"minSize": 0, "maxSize": 8, "desiredSize": desired}, subnets=["subnet-1"],
            launchTemplate={"id": "lt-1", "version": "1"}, updateConfig={"maxUnavailable": 1},
        )  # fmt: skip

    def change_node_group(self, name: str, **changes: Any) -> None:
        """Update a node group and wait until it is ACTIVE again."""
        body = self.body("eks:Nodegroup", f"{CLUSTER}:{name}")
        self.put("eks:Nodegroup", f"{CLUSTER}:{name}", **{**body, "status": "UPDATING", **changes})
        self.wait_for_node_group(name)

    def wait_for_node_group(self, name: str, status: str = "ACTIVE") -> None:
        """Wait until the node group has ``status``."""
        self.wait(lambda: self.body("eks:Nodegroup", f"{CLUSTER}:{name}")["status"] == status, 40)

    def token(self, cluster: str = CLUSTER, principal: str = DEPLOYER, secret: str = "") -> str:
        """A token as ``slipway kube-token`` makes it."""
        key = self.store.credentials(principal)
        credentials = Credentials(key.access_key_id, secret or key.secret_access_key)
        events = botocore.session.get_session().get_component("event_emitter")
        signer = RequestSigner(ServiceId("STS"), "us-east-1", "sts", "v4", credentials, events)
        request = {
            "method": "GET", "url": "https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
            "body": {}, "headers": {"x-k8s-aws-id": cluster}, "context": {},
        }  # fmt: skip
        url = signer.generate_presigned_url(request, expires_in=60, operation_name="", region_name="us-east-1")
        return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")

    def call(
        self, path: str, token: str = "", method: str = "GET", body: Any = None, content_type: str = ""
    ) -> httpx2.Response:
        """A request to the published endpoint, verified with the published certificate authority."""
        cluster = self.body("eks:Cluster", CLUSTER)
        authority = base64.b64decode(cluster["certificateAuthority"]["data"]).decode()
        context = ssl.create_default_context(cadata=authority)
        headers = {"Authorization": f"Bearer {token or self.token()}"}
        if content_type:
            headers["Content-Type"] = content_type
        with httpx2.Client(verify=context, trust_env=False, timeout=10) as client:
            return client.request(method, cluster["endpoint"] + path, headers=headers, json=body)

    def nodes(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.call("/api/v1/nodes").json()["items"]
        return items

    def ready_nodes(self) -> int:
        return sum(
            condition["type"] == "Ready" and condition["status"] == "True"
            for node in self.nodes()
            for condition in node["status"].get("conditions", ())
        )

    def wait(self, condition: Callable[[], bool], seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s; {self.environment.status()}")
            time.sleep(0.1)
