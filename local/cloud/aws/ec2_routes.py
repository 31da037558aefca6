"""EC2: route tables, routes, associations. Routes and associations are objects of their own here.

The API nests both in the route table; the provider has a type for each, and so has CloudFormation.
"""

import zlib

from local.cloud.aws.binding import bind, calls
from local.cloud.aws.common import get, unmodelled
from local.cloud.aws.ec2_network import SUBNET_REFERENCE, VPC_REFERENCE, own
from local.cloud.model import Account, CloudObject, Context, Reference
from local.cloud.values import Json

TABLE_REFERENCE = Reference(
    body_path="RouteTableId",
    kind="ec2:RouteTable",
    missing_code="InvalidRouteTableID.NotFound",
    missing_message="The routeTable ID '{value}' does not exist",
    in_use_message="The routeTable '{target}' has dependencies and cannot be deleted.",
)
DESTINATIONS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")


def _table_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    unmodelled(inputs, "routes", instead="make every route an aws.ec2.Route")
    return {"VpcId": inputs["vpcId"], "PropagatingVgws": inputs.get("propagatingVgws") or []}


def _compute_table(body: dict[str, Json], context: Context) -> None:
    account = context.account
    body["RouteTableId"] = account.new_id("rtb-")
    body["OwnerId"] = account.account_id
    body["Associations"] = []
    vpc = account.get("ec2:Vpc", str(body["VpcId"]))
    block = vpc.body["CidrBlock"] if vpc else ""
    local = {"DestinationCidrBlock": block, "GatewayId": "local", "Origin": "CreateRouteTable", "State": "active"}
    body["Routes"] = [local]


ROUTE_TABLE = bind(
    "aws:ec2/routeTable:RouteTable",
    "ec2:RouteTable",
    calls("CreateRouteTable", "DeleteRouteTable", "EnableVgwRoutePropagation"),
    identity="{RouteTableId}",
    create_only=("vpcId",),
    to_body=_table_body,
    compute=_compute_table,
    references=(VPC_REFERENCE,),
    to_state=lambda item, account: {
        "arn": own(account, f"route-table/{item.id}"),
        "propagatingVgws": item.body.get("PropagatingVgws") or [],
        "routes": [],  # those of aws.ec2.Route are that type's to report
    },
)


def destination(body: Json) -> str:
    """What a route leads to: an IPv4 or IPv6 block, or a prefix list."""
    return str(next((body[name] for name in DESTINATIONS if get(body, name) is not None), ""))


def _compute_route(body: dict[str, Json], context: Context) -> None:
    body["State"] = "active"
    body["Origin"] = "CreateRoute"
    body["InstanceOwnerId"] = ""
    # As the provider makes it (hashicorp/terraform-provider-aws, ``RouteCreateID``): EC2 gives routes no ids.
    body["RouteId"] = f"r-{body['RouteTableId']}{zlib.crc32(destination(body).encode())}"
    del context


def _route_state(item: CloudObject, _account: Account) -> dict[str, Json]:
    return {"state": item.body["State"], "origin": item.body["Origin"], "instanceId": "", "instanceOwnerId": ""}


ROUTE = bind(
    "aws:ec2/route:Route",
    "ec2:Route",
    calls("CreateRoute", "DeleteRoute", "ReplaceRoute"),
    identity="{RouteId}",
    create_only=("routeTableId", "destinationCidrBlock", "destinationIpv6CidrBlock", "destinationPrefixListId"),
    fields={"egressOnlyGatewayId": "EgressOnlyInternetGatewayId"},
    tags=None,
    compute=_compute_route,
    references=(
        TABLE_REFERENCE,
        Reference(
            body_path="GatewayId",
            kind="ec2:InternetGateway",
            missing_code="InvalidGatewayID.NotFound",
            missing_message="The gateway ID '{value}' does not exist",
            holds=False,  # EC2 lets the gateway go and turns the route into a black hole
        ),
        Reference(
            body_path="NatGatewayId",
            kind="ec2:NatGateway",
            missing_code="InvalidNatGatewayID.NotFound",
            missing_message="The natGateway ID '{value}' does not exist",
            holds=False,
        ),
        Reference(
            body_path="VpcEndpointId",
            kind="ec2:VpcEndpoint",
            missing_code="InvalidVpcEndpointId.NotFound",
            missing_message="The Vpc Endpoint Id '{value}' does not exist",
            holds=False,
        ),
    ),
    to_state=_route_state,
)


def _compute_association(body: dict[str, Json], context: Context) -> None:
    body["RouteTableAssociationId"] = context.account.new_id("rtbassoc-")
    body["Main"] = False
    body["AssociationState"] = {"State": "associated"}


ASSOCIATION = bind(
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "ec2:RouteTableAssociation",
    calls("AssociateRouteTable", "DisassociateRouteTable", "ReplaceRouteTableAssociation"),
    identity="{RouteTableAssociationId}",
    create_only=("subnetId", "gatewayId"),
    tags=None,
    compute=_compute_association,
    references=(
        TABLE_REFERENCE,
        # DeleteSubnet takes its association along, so it holds nothing.
        Reference(
            body_path="SubnetId",
            kind=SUBNET_REFERENCE.kind,
            missing_code=SUBNET_REFERENCE.missing_code,
            missing_message=SUBNET_REFERENCE.missing_message,
            holds=False,
        ),
    ),
)
BINDINGS = (ROUTE_TABLE, ROUTE, ASSOCIATION)
