"""What EC2 refuses of route tables, routes and associations."""

from local.cloud.aws import scenarios as on
from local.cloud.aws.common import get, refuse
from local.cloud.aws.ec2_routes import destination
from local.cloud.aws.quotas import exceeded, quota
from local.cloud.aws.rulebook import CREATE, WRITE, RuleBook
from local.cloud.model import Request

RULES = RuleBook()
_EVERYWHERE = {"routeTableId": "${rtb}", "destinationCidrBlock": "0.0.0.0/0", "gatewayId": "${igw}"}
_OTHER_GATEWAY = (on.GATEWAY_TOKEN, "igw2", {"vpcId": "${other}"})
_OTHER_TABLE = (on.ROUTE_TABLE_TOKEN, "rtb2", {"vpcId": "${other}"})
_SECOND_TABLE = (on.ROUTE_TABLE_TOKEN, "rtb3", {"vpcId": "${vpc}"})
_BASE = (on.VPC, on.SUBNET_A, on.SUBNET_B, on.GATEWAY, on.TABLE)
_ROUTE = (on.ROUTE_TOKEN, "everywhere", _EVERYWHERE)
_JOIN_A = (on.ASSOCIATION_TOKEN, "join", {"routeTableId": "${rtb}", "subnetId": "${a}"})
TARGETS = (
    "GatewayId",
    "NatGatewayId",
    "TransitGatewayId",
    "VpcEndpointId",
    "NetworkInterfaceId",
    "VpcPeeringConnectionId",
    "EgressOnlyInternetGatewayId",
    "CarrierGatewayId",
    "LocalGatewayId",
    "CoreNetworkArn",
    "OdbNetworkArn",
)


@RULES.rule(
    "ec2-route-duplicate",
    on.ROUTE_TOKEN,
    CREATE,
    "RouteAlreadyExists",
    source="EC2 API error codes: RouteAlreadyExists",
    accepts=on.creation({**_EVERYWHERE, "destinationCidrBlock": "192.0.2.0/24"}, *_BASE, _ROUTE),
    refuses=on.creation(_EVERYWHERE, *_BASE, _ROUTE),
)
def _route_once(request: Request) -> None:
    table, wanted = request.body["RouteTableId"], destination(request.body)
    routes = request.account.find("ec2:Route", RouteTableId=table)
    holder = request.account.get("ec2:RouteTable", str(table))
    own = (holder.body.get("Routes") or []) if holder else []  # the local route, which nobody can replace
    if wanted in {destination(body) for body in [*(route.body for route in routes), *own]}:
        refuse("RouteAlreadyExists", f"The route identified by {wanted} already exists.")


@RULES.rule(
    "ec2-route-destination",
    on.ROUTE_TOKEN,
    CREATE,
    "MissingParameter",
    source="EC2 API reference, CreateRoute: you must provide a destination",
    accepts=on.creation(_EVERYWHERE, *_BASE),
    refuses=on.creation(on.without(_EVERYWHERE, "destinationCidrBlock"), *_BASE),
)
def _route_destination(request: Request) -> None:
    if not destination(request.body):
        refuse("MissingParameter", "The request must contain the parameter destinationCidrBlock")


@RULES.rule(
    "ec2-route-one-target",
    on.ROUTE_TOKEN,
    WRITE,
    "InvalidParameterCombination",
    source="EC2 API reference, CreateRoute: you must specify one of the targets",
    accepts=on.creation(_EVERYWHERE, *_BASE),
    refuses=on.creation(on.without(_EVERYWHERE, "gatewayId"), *_BASE),
)
def _route_target(request: Request) -> None:
    given = [name for name in TARGETS if get(request.body, name) is not None]
    if len(given) != 1:
        refuse(
            "InvalidParameterCombination",
            "The request must contain exactly one of gatewayId, natGatewayId, networkInterfaceId, "
            "vpcPeeringConnectionId, egressOnlyInternetGatewayId, transitGatewayId, localGatewayId, "
            f"carrierGatewayId or vpcEndpointId; it contains {', '.join(given) or 'none'}.",
        )


@RULES.rule(
    "ec2-route-gateway-network",
    on.ROUTE_TOKEN,
    WRITE,
    "InvalidParameterValue",
    source="EC2 CreateRoute, wording as in hashicorp/terraform-provider-aws issues: belong to different networks",
    accepts=on.creation(_EVERYWHERE, *_BASE),
    refuses=on.creation({**_EVERYWHERE, "gatewayId": "${igw2}"}, *_BASE, on.SECOND_VPC, _OTHER_GATEWAY),
)
def _route_gateway(request: Request) -> None:
    gateway_id, table_id = get(request.body, "GatewayId"), get(request.body, "RouteTableId")
    table = request.account.get("ec2:RouteTable", str(table_id))
    gateway = request.account.get("ec2:InternetGateway", str(gateway_id)) if gateway_id is not None else None
    if table is None or gateway is None:
        return
    if all(item["VpcId"] != table.body["VpcId"] for item in gateway.body.get("Attachments") or []):
        refuse(
            "InvalidParameterValue",
            f"route table {table_id} and network gateway {gateway_id} belong to different networks",
        )


@RULES.rule(
    "ec2-route-quota",
    on.ROUTE_TOKEN,
    CREATE,
    "RouteLimitExceeded",
    source="VPC user guide, Amazon VPC quotas: routes per route table",
    accepts=on.creation({**_EVERYWHERE, "destinationCidrBlock": "192.0.2.0/24"}, *_BASE, _ROUTE),
    refuses=on.creation(
        {**_EVERYWHERE, "destinationCidrBlock": "192.0.2.0/24"},
        *_BASE,
        _ROUTE,
        **{"quota__ec2__routes-per-table": 1},
    ),
)
def _route_quota(request: Request) -> None:
    table = request.body["RouteTableId"]
    if len(request.account.find("ec2:Route", RouteTableId=table)) >= quota(request.account, "ec2:routes-per-table"):
        exceeded("RouteLimitExceeded", "The maximum number of routes has been reached.")


@RULES.rule(
    "ec2-route-table-quota",
    on.ROUTE_TABLE_TOKEN,
    CREATE,
    "RouteTableLimitExceeded",
    source="VPC user guide, Amazon VPC quotas: 200 route tables per VPC",
    accepts=on.creation({"vpcId": "${vpc}"}, *_BASE),
    refuses=on.creation({"vpcId": "${vpc}"}, *_BASE, **{"quota__ec2__route-tables-per-vpc": 2}),
)
def _table_quota(request: Request) -> None:
    tables = request.account.find("ec2:RouteTable", VpcId=request.body["VpcId"])
    if len(tables) >= quota(request.account, "ec2:route-tables-per-vpc"):
        exceeded("RouteTableLimitExceeded", "The maximum number of route tables has been reached.")


@RULES.rule(
    "ec2-association-once",
    on.ASSOCIATION_TOKEN,
    CREATE,
    "Resource.AlreadyAssociated",
    source="EC2 API error codes: Resource.AlreadyAssociated; a subnet has one route table",
    accepts=on.creation({"routeTableId": "${rtb}", "subnetId": "${b}"}, *_BASE, _JOIN_A),
    refuses=on.creation({"routeTableId": "${rtb3}", "subnetId": "${a}"}, *_BASE, _JOIN_A, _SECOND_TABLE),
)
def _associate_once(request: Request) -> None:
    subnet, table = get(request.body, "SubnetId"), get(request.body, "RouteTableId")
    if subnet is not None and request.account.find("ec2:RouteTableAssociation", SubnetId=subnet):
        refuse(
            "Resource.AlreadyAssociated",
            f"the specified association for route table {table} conflicts with an existing association",
        )


@RULES.rule(
    "ec2-association-network",
    on.ASSOCIATION_TOKEN,
    WRITE,
    "InvalidParameterValue",
    source="EC2 AssociateRouteTable: the subnet and the route table are in the same VPC",
    accepts=on.creation({"routeTableId": "${rtb}", "subnetId": "${a}"}, *_BASE),
    refuses=on.creation({"routeTableId": "${rtb2}", "subnetId": "${a}"}, *_BASE, on.SECOND_VPC, _OTHER_TABLE),
)
def _associate_inside(request: Request) -> None:
    subnet_id, table_id = get(request.body, "SubnetId"), get(request.body, "RouteTableId")
    subnet = request.account.get("ec2:Subnet", str(subnet_id)) if subnet_id is not None else None
    table = request.account.get("ec2:RouteTable", str(table_id))
    if subnet and table and subnet.body["VpcId"] != table.body["VpcId"]:
        refuse("InvalidParameterValue", f"Route table {table_id} and subnet {subnet_id} belong to different networks")
