"""EC2: NAT gateways."""

from local.cloud.aws.binding import bind, calls
from local.cloud.aws.common import iso_time
from local.cloud.aws.ec2_network import SUBNET_REFERENCE, host_address, interface
from local.cloud.model import Account, CloudObject, Context, Reference
from local.cloud.values import Json


def _nat_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    address: dict[str, Json] = {"IsPrimary": True}
    if inputs.get("allocationId") is not None:
        address["AllocationId"] = inputs["allocationId"]
    if inputs.get("privateIp") is not None:
        address["PrivateIp"] = inputs["privateIp"]
    return {
        "SubnetId": inputs.get("subnetId"),
        "NatGatewayAddresses": [address],
        "ConnectivityType": inputs.get("connectivityType"),
        "AvailabilityMode": inputs.get("availabilityMode"),
    }


def _compute_nat(body: dict[str, Json], context: Context) -> None:
    account = context.account
    subnet = account.get("ec2:Subnet", str(body["SubnetId"]))
    body["NatGatewayId"] = account.new_id("nat-")
    body["VpcId"] = subnet.body["VpcId"] if subnet else ""
    body["State"] = "available"
    body["CreateTime"] = iso_time(account)
    address = body["NatGatewayAddresses"][0]
    elastic = account.get("ec2:Address", str(address.get("AllocationId", "")))
    address["NetworkInterfaceId"] = account.new_id("eni-")
    address.setdefault("PrivateIp", host_address(subnet, account) if subnet else "")
    address["Status"] = "succeeded"
    if elastic is not None:
        address["PublicIp"] = elastic.body["PublicIp"]
        address["AssociationId"] = account.new_id("eipassoc-")


def _plug_nat(nat: CloudObject, context: Context) -> None:
    account, address = context.account, nat.body["NatGatewayAddresses"][0]
    subnet = account.get("ec2:Subnet", str(nat.body["SubnetId"]))
    if subnet is None:
        return
    account.put(
        interface(
            subnet,
            context,
            NetworkInterfaceId=address["NetworkInterfaceId"],
            PrivateIpAddress=address["PrivateIp"],
            InterfaceType="nat_gateway",
            Description=f"Interface for NAT Gateway {nat.id}",
        )
    )
    elastic = account.get("ec2:Address", str(address.get("AllocationId", "")))
    if elastic is not None:
        elastic.body |= {
            "AssociationId": address["AssociationId"],
            "NetworkInterfaceId": address["NetworkInterfaceId"],
            "PrivateIpAddress": address["PrivateIp"],
            "NetworkInterfaceOwnerId": account.account_id,
        }
        account.put(elastic)


def _unplug_nat(nat: CloudObject, context: Context) -> None:
    address = nat.body["NatGatewayAddresses"][0]
    context.account.remove("ec2:NetworkInterface", str(address["NetworkInterfaceId"]))
    elastic = context.account.get("ec2:Address", str(address.get("AllocationId", "")))
    if elastic is not None:
        for member in ("AssociationId", "NetworkInterfaceId", "PrivateIpAddress", "NetworkInterfaceOwnerId"):
            elastic.body.pop(member, None)
        context.account.put(elastic)


def _keep_nat(before: CloudObject, after: CloudObject, context: Context) -> None:
    old, new = before.body["NatGatewayAddresses"][0], after.body["NatGatewayAddresses"][0]
    after.body["NatGatewayAddresses"] = [{**old, **new}]
    context.account.put(after)


def _nat_state(item: CloudObject, _account: Account) -> dict[str, Json]:
    address = item.body["NatGatewayAddresses"][0]
    given = {"allocationId": address["AllocationId"]} if "AllocationId" in address else {}
    return given | {
        "associationId": address.get("AssociationId", ""),
        "networkInterfaceId": address.get("NetworkInterfaceId", ""),
        "privateIp": address.get("PrivateIp", ""),
        "publicIp": address.get("PublicIp", ""),
        "autoProvisionZones": "",
        "autoScalingIps": "",
        "regionalNatGatewayAddresses": [],
        "regionalNatGatewayAutoMode": "",
        "routeTableId": "",
    }


NAT_GATEWAY = bind(
    "aws:ec2/natGateway:NatGateway",
    "ec2:NatGateway",
    calls("CreateNatGateway", "DeleteNatGateway", "TagResources"),
    identity="{NatGatewayId}",
    create_only=("allocationId", "subnetId", "connectivityType", "privateIp", "availabilityMode"),
    defaults={"ConnectivityType": "public", "AvailabilityMode": "zonal"},
    to_body=_nat_body,
    compute=_compute_nat,
    after_create=_plug_nat,
    after_update=_keep_nat,
    before_delete=_unplug_nat,
    references=(
        SUBNET_REFERENCE,
        Reference(
            body_path="NatGatewayAddresses[].AllocationId",
            kind="ec2:Address",
            missing_code="InvalidAllocationID.NotFound",
            missing_message="The allocation ID '{value}' does not exist",
            in_use_code="InvalidIPAddress.InUse",
            in_use_message="Address {target} is in use.",
        ),
    ),
    to_state=_nat_state,
)
BINDINGS = (NAT_GATEWAY,)
