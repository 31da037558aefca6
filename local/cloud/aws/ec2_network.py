"""EC2: VPC, subnet, internet gateway, elastic IP, and the network interfaces that services make."""

from ipaddress import ip_network

from local.cloud.aws.binding import bind, calls, service_made
from local.cloud.aws.common import arn, get, public_address
from local.cloud.aws.facts import zone_id, zone_name, zones
from local.cloud.model import Account, CloudObject, Context, Reference
from local.cloud.values import Json

VPC_REFERENCE = Reference(
    body_path="VpcId",
    kind="ec2:Vpc",
    missing_code="InvalidVpcID.NotFound",
    missing_message="The vpc ID '{value}' does not exist",
    in_use_message="The vpc '{target}' has dependencies and cannot be deleted.",
)
SUBNET_REFERENCE = Reference(
    body_path="SubnetId",
    kind="ec2:Subnet",
    missing_code="InvalidSubnetID.NotFound",
    missing_message="The subnet ID '{value}' does not exist",
    in_use_message="The subnet '{target}' has dependencies and cannot be deleted.",
)
ALL_TRAFFIC = "-1"


def own(account: Account, name: str) -> str:
    """The account-wide part of an EC2 ARN of ``name``, for example ``vpc/vpc-0a…``."""
    return arn("ec2", name, account)


def _compute_vpc(body: dict[str, Json], context: Context) -> None:
    account = context.account
    body["VpcId"] = account.new_id("vpc-")
    body["OwnerId"] = account.account_id
    body["State"] = "available"
    body["IsDefault"] = False
    body["DhcpOptionsId"] = "dopt-0000000000000000a"  # the region's default set; every account has one
    association = {"AssociationId": account.new_id("vpc-cidr-assoc-"), "CidrBlock": body.get("CidrBlock")}
    body["CidrBlockAssociationSet"] = [association | {"CidrBlockState": {"State": "associated"}}]


def _furnish_vpc(vpc: CloudObject, context: Context) -> None:
    """What CreateVpc makes besides: security group, route table and network ACL (VPC user guide, default parts)."""
    account = context.account
    owner: dict[str, Json] = {"VpcId": vpc.id, "OwnerId": account.account_id}
    group = account.new_id("sg-")
    everyone = {"IpProtocol": ALL_TRAFFIC, "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "UserIdGroupPairs": []}
    itself = {"IpProtocol": ALL_TRAFFIC, "IpRanges": [], "UserIdGroupPairs": [{"GroupId": group}]}
    body = owner | {
        "GroupId": group,
        "GroupName": "default",
        "Description": "default VPC security group",
        "SecurityGroupArn": own(account, f"security-group/{group}"),
        "IpPermissions": [itself],
        "IpPermissionsEgress": [everyone],
        "Tags": [],
    }
    account.put(service_made("ec2:SecurityGroup", group, body, context))
    table, association = account.new_id("rtb-"), account.new_id("rtbassoc-")
    main = {"RouteTableAssociationId": association, "RouteTableId": table, "Main": True}
    local = {"DestinationCidrBlock": vpc.body["CidrBlock"], "GatewayId": "local", "State": "active"}
    body = owner | {
        "RouteTableId": table,
        "Associations": [main | {"AssociationState": {"State": "associated"}}],
        "Routes": [local | {"Origin": "CreateRouteTable"}],
        "Tags": [],
    }
    account.put(service_made("ec2:RouteTable", table, body, context))
    acl = account.new_id("acl-")
    body = owner | {"NetworkAclId": acl, "IsDefault": True, "Associations": [], "Entries": [], "Tags": []}
    account.put(service_made("ec2:NetworkAcl", acl, body, context))


def default_group(account: Account, vpc_id: str) -> CloudObject | None:
    """The VPC's default security group."""
    found = account.find("ec2:SecurityGroup", VpcId=vpc_id, GroupName="default")
    return found[0] if found else None


def main_table(account: Account, vpc_id: str) -> CloudObject | None:
    """The VPC's main route table."""
    tables = account.find("ec2:RouteTable", VpcId=vpc_id)
    return next((table for table in tables if any(a.get("Main") for a in table.body.get("Associations", []))), None)


def _empty_vpc(vpc: CloudObject, context: Context) -> None:
    account = context.account
    for kind, found in (
        ("ec2:SecurityGroup", default_group(account, vpc.id)),
        ("ec2:RouteTable", main_table(account, vpc.id)),
    ):
        if found is not None:
            account.remove(kind, found.id)
            account.remove("ec2:AdoptedDefaultSecurityGroup", found.id)
    for acl in account.find("ec2:NetworkAcl", VpcId=vpc.id):
        account.remove(acl.kind, acl.id)


def _vpc_state(vpc: CloudObject, account: Account) -> dict[str, Json]:
    group, table = default_group(account, vpc.id), main_table(account, vpc.id)
    acls = account.find("ec2:NetworkAcl", VpcId=vpc.id)
    return {
        "arn": own(account, f"vpc/{vpc.id}"),
        "defaultSecurityGroupId": group.id if group else "",
        "mainRouteTableId": table.id if table else "",
        "defaultRouteTableId": table.id if table else "",
        "defaultNetworkAclId": acls[0].id if acls else "",
        "ipv6AssociationId": "",
        "ipv6CidrBlock": "",
    }


VPC = bind(
    "aws:ec2/vpc:Vpc",
    "ec2:Vpc",
    calls("CreateVpc", "DeleteVpc", "ModifyVpcAttribute"),
    identity="{VpcId}",
    create_only=("cidrBlock", "instanceTenancy", "ipv4IpamPoolId", "ipv4NetmaskLength", "ipv6IpamPoolId"),
    defaults={
        "InstanceTenancy": "default",
        "EnableDnsSupport": True,
        "EnableDnsHostnames": False,
        "EnableNetworkAddressUsageMetrics": False,
        "AssignGeneratedIpv6CidrBlock": False,
    },
    compute=_compute_vpc,
    after_create=_furnish_vpc,
    before_delete=_empty_vpc,
    to_state=_vpc_state,
)


def zone_of(body: Json, region: str) -> str:
    """The zone name of a request that may name the zone by id or leave the choice to EC2 (then: the first)."""
    if get(body, "AvailabilityZone"):
        return str(body["AvailabilityZone"])
    if get(body, "AvailabilityZoneId"):
        return zone_name(region, str(body["AvailabilityZoneId"])) or ""
    return zones(region)[0].name


def _compute_subnet(body: dict[str, Json], context: Context) -> None:
    account = context.account
    body["SubnetId"] = account.new_id("subnet-")
    body["SubnetArn"] = own(account, f"subnet/{body['SubnetId']}")
    body["OwnerId"] = account.account_id
    body["State"] = "available"
    body["DefaultForAz"] = False
    body["AvailabilityZone"] = zone_of(body, account.region)
    body["AvailabilityZoneId"] = zone_id(account.region, body["AvailabilityZone"])
    prefix = int(str(body["CidrBlock"]).split("/")[1])
    body["AvailableIpAddressCount"] = 2 ** (32 - prefix) - 5  # EC2 keeps five addresses of every subnet
    options = body.setdefault("PrivateDnsNameOptionsOnLaunch", {})
    options.setdefault("HostnameType", "ip-name")
    options.setdefault("EnableResourceNameDnsARecord", False)
    options.setdefault("EnableResourceNameDnsAAAARecord", False)


SUBNET = bind(
    "aws:ec2/subnet:Subnet",
    "ec2:Subnet",
    calls("CreateSubnet", "DeleteSubnet", "ModifySubnetAttribute"),
    identity="{SubnetId}",
    create_only=(
        "vpcId",
        "cidrBlock",
        "availabilityZone",
        "availabilityZoneId",
        "ipv4IpamPoolId",
        "ipv4NetmaskLength",
        "ipv6IpamPoolId",
        "ipv6Native",
        "ipv6NetmaskLength",
        "outpostArn",
    ),
    fields={
        "arn": "SubnetArn",
        "enableDns64": "EnableDns64",
        "privateDnsHostnameTypeOnLaunch": "PrivateDnsNameOptionsOnLaunch.HostnameType",
        "enableResourceNameDnsARecordOnLaunch": "PrivateDnsNameOptionsOnLaunch.EnableResourceNameDnsARecord",
        "enableResourceNameDnsAaaaRecordOnLaunch": "PrivateDnsNameOptionsOnLaunch.EnableResourceNameDnsAAAARecord",
    },
    defaults={
        "MapPublicIpOnLaunch": False,
        "AssignIpv6AddressOnCreation": False,
        "EnableDns64": False,
        "Ipv6Native": False,
    },
    compute=_compute_subnet,
    references=(VPC_REFERENCE,),
    to_state=lambda _item, _account: {"ipv6CidrBlockAssociationId": ""},
)


def _gateway_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    vpc_id = inputs.get("vpcId")
    return {"Attachments": [{"VpcId": vpc_id, "State": "available"}] if vpc_id is not None else []}


def _compute_gateway(body: dict[str, Json], context: Context) -> None:
    body["InternetGatewayId"] = context.account.new_id("igw-")
    body["OwnerId"] = context.account.account_id


def _gateway_state(item: CloudObject, account: Account) -> dict[str, Json]:
    attached = item.body.get("Attachments") or []
    return {
        "arn": own(account, f"internet-gateway/{item.id}"),
        **({"vpcId": attached[0]["VpcId"]} if attached else {}),
    }


INTERNET_GATEWAY = bind(
    "aws:ec2/internetGateway:InternetGateway",
    "ec2:InternetGateway",
    calls("CreateInternetGateway", "DeleteInternetGateway", "AttachInternetGateway"),
    identity="{InternetGatewayId}",
    to_body=_gateway_body,
    compute=_compute_gateway,
    references=(
        Reference(
            body_path="Attachments[].VpcId",
            kind="ec2:Vpc",
            missing_code="InvalidVpcID.NotFound",
            missing_message="The vpc ID '{value}' does not exist",
            in_use_message="The vpc '{target}' has dependencies and cannot be deleted.",
        ),
    ),
    to_state=_gateway_state,
)


def _compute_address(body: dict[str, Json], context: Context) -> None:
    body["AllocationId"] = context.account.new_id("eipalloc-")
    body["PublicIp"] = public_address(body["AllocationId"])
    body["NetworkBorderGroup"] = body.get("NetworkBorderGroup") or context.account.region


def _address_state(item: CloudObject, account: Account) -> dict[str, Json]:
    body = item.body
    held = account.get("ec2:NetworkInterface", str(body.get("NetworkInterfaceId", "")))
    # An input that nobody gave: showing the NAT gateway's interface here would make every refresh report drift.
    by_nat = held is not None and held.body["InterfaceType"] == "nat_gateway"
    zone = "compute-1" if account.region == "us-east-1" else f"{account.region}.compute"
    return {
        "arn": own(account, f"elastic-ip/{item.id}"),
        "publicDns": f"ec2-{str(body['PublicIp']).replace('.', '-')}.{zone}.amazonaws.com",
        "networkInterface": "" if by_nat else body.get("NetworkInterfaceId", ""),
        "instance": body.get("InstanceId", ""),
        "associationId": body.get("AssociationId", ""),
        "privateIp": body.get("PrivateIpAddress", ""),
        "carrierIp": "",
        "customerOwnedIp": "",
        "privateDns": "",
        "ptrRecord": "",
    }


EIP = bind(
    "aws:ec2/eip:Eip",
    "ec2:Address",
    calls("AllocateAddress", "ReleaseAddress", "AssociateAddress"),
    identity="{AllocationId}",
    create_only=("domain", "address", "networkBorderGroup", "publicIpv4Pool", "customerOwnedIpv4Pool", "ipamPoolId"),
    defaults={"Domain": "vpc", "PublicIpv4Pool": "amazon"},
    fields={"instance": "InstanceId", "networkInterface": "NetworkInterfaceId"},
    compute=_compute_address,
    to_state=_address_state,
)


def host_address(subnet: CloudObject, account: Account) -> str:
    """The next address of a subnet that no interface has; the first four belong to EC2."""
    used = {eni.body.get("PrivateIpAddress") for eni in account.find("ec2:NetworkInterface", SubnetId=subnet.id)}
    hosts = list(ip_network(str(subnet.body["CidrBlock"])))[4:-1]
    return next((str(host) for host in hosts if str(host) not in used), "")


def interface(subnet: CloudObject, context: Context, **extra: Json) -> CloudObject:
    """A network interface that a service makes in a subnet; ``extra`` overrides members of the EC2 shape."""
    account = context.account
    identifier = str(extra.pop("NetworkInterfaceId", "")) or account.new_id("eni-")
    body: dict[str, Json] = {
        "NetworkInterfaceId": identifier,
        "SubnetId": subnet.id,
        "VpcId": subnet.body["VpcId"],
        "AvailabilityZone": subnet.body["AvailabilityZone"],
        "OwnerId": account.account_id,
        "PrivateIpAddress": extra.pop("PrivateIpAddress", "") or host_address(subnet, account),
        "InterfaceType": "interface",
        "RequesterManaged": True,
        "Status": "in-use",
        "Groups": [],
        "TagSet": [],
    }
    return service_made("ec2:NetworkInterface", identifier, body | extra, context)


BINDINGS = (VPC, SUBNET, INTERNET_GATEWAY, EIP)
