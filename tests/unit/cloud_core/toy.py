"""A cloud of three kinds over real AWS tokens, small enough to see through: the core without the aws package."""

import ipaddress

from local.cloud.model import (
    Account,
    ApiError,
    Autoname,
    Binding,
    CloudObject,
    CloudPackage,
    Constraint,
    Context,
    Invoke,
    Lifecycle,
    Maker,
    Operation,
    Reference,
    Request,
    Rule,
    Scenario,
)
from local.cloud.simulator import Simulator
from local.cloud.values import Json

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
CLUSTER = "aws:eks/cluster:Cluster"
DATABASE = "aws:rds/cluster:Cluster"
ZONES = "aws:index/getAvailabilityZones:getAvailabilityZones"


def _operations(shape: str) -> dict[Operation, str]:
    return {
        Operation.CREATE: f"Create{shape}",
        Operation.UPDATE: f"Modify{shape}Attribute",
        Operation.DELETE: f"Delete{shape}",
    }


def _make_vpc(body: dict[str, Json], context: Context) -> None:
    body["VpcId"] = context.account.new_id("vpc-")
    body["OwnerId"] = context.account.account_id


def _make_subnet(body: dict[str, Json], context: Context) -> None:
    body["SubnetId"] = context.account.new_id("subnet-")
    body["State"] = "available"


def _default_group(item: CloudObject, context: Context) -> None:
    group = context.account.new_id("sg-")
    item.body["DefaultSecurityGroupId"] = group
    context.account.put(
        CloudObject(
            kind="ec2:SecurityGroup",
            id=group,
            region=item.region,
            body={"GroupId": group, "VpcId": item.id, "GroupName": "default"},
            maker=Maker.SERVICE,
        )
    )


def _remove_default_group(item: CloudObject, context: Context) -> None:
    for group in context.account.find("ec2:SecurityGroup", VpcId=item.id, GroupName="default"):
        context.account.remove(group.kind, group.id)


def _inside(request: Request) -> None:
    vpc = request.account.get("ec2:Vpc", request.body["VpcId"])
    cidr = request.body["CidrBlock"]
    if vpc is None:
        return  # the reference says so
    if not ipaddress.IPv4Network(cidr).subnet_of(ipaddress.IPv4Network(vpc.body["CidrBlock"])):
        raise ApiError("InvalidSubnet.Range", f"The CIDR '{cidr}' is invalid.")


def _apart(request: Request) -> None:
    cidr = ipaddress.ip_network(request.body["CidrBlock"])
    for other in request.account.find("ec2:Subnet", VpcId=request.body["VpcId"]):
        if cidr.overlaps(ipaddress.ip_network(other.body["CidrBlock"])):
            raise ApiError("InvalidSubnet.Conflict", f"The CIDR '{cidr}' conflicts with another subnet")


def _prefix_length(request: Request) -> None:
    length = ipaddress.ip_network(request.body["CidrBlock"]).prefixlen
    if not 16 <= length <= 28:
        raise ApiError("InvalidSubnet.Range", f"The CIDR '{request.body['CidrBlock']}' is invalid.")


def _make_cluster(body: dict[str, Json], context: Context) -> None:
    account, name = context.account, body["name"]
    body["arn"] = f"arn:aws:eks:{account.region}:{account.account_id}:cluster/{name}"
    body["resourcesVpcConfig"]["vpcId"] = "vpc-of-the-cluster"


def _complete_cluster(body: dict[str, Json], context: Context) -> None:
    body["endpoint"] = "https://cluster.example"


def _zones(arguments: dict[str, Json], account: Account) -> dict[str, Json]:
    return {"id": account.region, "names": [f"{account.region}{letter}" for letter in "abc"]}


def _configure(config: dict[str, Json]) -> None:
    if config.get("allowedAccountIds") != ["000000000000"]:
        raise ApiError("NotSimulated", 'allowedAccountIds must be ["000000000000"]')


def _seed(account: Account) -> None:
    account.put(
        CloudObject(kind="ec2:AvailabilityZone", id="us-east-1a", region="us-east-1", body={}, maker=Maker.SERVICE)
    )


VPC_BINDING = Binding(
    token=VPC,
    kind="ec2:Vpc",
    operations=_operations("Vpc"),
    identity="{VpcId}",
    create_only=["cidrBlock"],
    defaults={"InstanceTenancy": "default", "EnableDnsSupport": True},
    constraints=[Constraint(path="instanceTenancy", values=["default", "dedicated"], source="botocore ec2 Tenancy")],
    compute=_make_vpc,
    after_create=_default_group,
    before_delete=_remove_default_group,
)
SUBNET_BINDING = Binding(
    token=SUBNET,
    kind="ec2:Subnet",
    operations=_operations("Subnet"),
    identity="{SubnetId}",
    create_only=["cidrBlock", "vpcId", "availabilityZone"],
    references=[
        Reference(
            body_path="VpcId",
            kind="ec2:Vpc",
            missing_code="InvalidVpcID.NotFound",
            missing_message="The vpc ID '{value}' does not exist",
            in_use_message="The vpc '{target}' has dependencies and cannot be deleted.",
        )
    ],
    compute=_make_subnet,
)
CLUSTER_BINDING = Binding(
    token=CLUSTER,
    kind="eks:Cluster",
    operations={
        Operation.CREATE: "CreateCluster",
        Operation.UPDATE: "UpdateClusterConfig",
        Operation.DELETE: "DeleteCluster",
    },
    identity="{name}",
    camel_case_body=True,
    fields={"vpcConfig": "resourcesVpcConfig"},
    create_only=["name", "vpcConfig.subnetIds", "roleArn"],
    client_only=["bootstrapSelfManagedAddons"],
    constraints=[Constraint(path="vpcConfig.publicAccessCidrs[]", pattern=r"^\d+\.\d+\.\d+\.\d+/\d+$")],
    autoname=Autoname(property="name", max_length=20),
    references=[Reference(body_path="resourcesVpcConfig.subnetIds[]", kind="ec2:Subnet")],
    lifecycle=Lifecycle(
        path="status",
        creating="CREATING",
        ready="ACTIVE",
        failed="FAILED",
        deleting="DELETING",
        updating="UPDATING",
        effect=True,
        failure_path="health.issues",
        complete=_complete_cluster,
    ),
    compute=_make_cluster,
    tags="tags",
    tags_as_map=True,
)

RULES = [
    Rule(
        id="inside-vpc",
        tokens=[SUBNET],
        operations=[Operation.CREATE],
        check=_inside,
        code="InvalidSubnet.Range",
        source="test",
        accepts=Scenario(),
        refuses=Scenario(),
    ),
    Rule(
        id="no-overlap",
        tokens=[SUBNET],
        operations=[Operation.CREATE],
        check=_apart,
        code="InvalidSubnet.Conflict",
        source="test",
        accepts=Scenario(),
        refuses=Scenario(),
    ),
    Rule(
        id="prefix-length",
        tokens=[SUBNET],
        operations=[Operation.CREATE],
        check=_prefix_length,
        code="InvalidSubnet.Range",
        source="test",
        accepts=Scenario(),
        refuses=Scenario(),
    ),
]

PACKAGE = CloudPackage(
    name="aws",
    sdk="pulumi_aws",
    bindings={binding.token: binding for binding in (VPC_BINDING, SUBNET_BINDING, CLUSTER_BINDING)},
    rules=RULES,
    invokes={ZONES: Invoke(token=ZONES, call=_zones)},
    configure=_configure,
    seed=_seed,
    service_names={"ec2": "EC2", "eks": "EKS"},
    throttling={"ec2": ("RequestLimitExceeded", "Request limit exceeded.")},
)


# --- what many tests begin with ------------------------------------------------------------------------------------


MARKED = {"region": "us-east-1", "allowedAccountIds": '["000000000000"]'}
"""A provider's configuration as the engine writes it, marked as a simulation's."""


def urn_of(token: str, name: str) -> str:
    """A URN as the engine makes it."""
    return f"urn:pulumi:s::p::slipway:aws:Network${token}::{name}"


def make_vpc(simulator: Simulator, cidr: str = "10.0.0.0/16", urn: str = "") -> str:
    return simulator.create(VPC, "v", {"cidrBlock": cidr}, urn=urn).id


def make_subnet(simulator: Simulator, vpc: str, cidr: str = "10.0.0.0/24") -> str:
    return simulator.create(SUBNET, "s", {"vpcId": vpc, "cidrBlock": cidr}).id


def cluster_inputs(simulator: Simulator, **more: Json) -> dict[str, Json]:
    subnet = make_subnet(simulator, make_vpc(simulator))
    return {"name": "c", "roleArn": "arn:x", "vpcConfig": {"subnetIds": [subnet]}, **more}
