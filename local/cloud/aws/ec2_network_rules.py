"""What EC2 refuses of VPCs, subnets, internet gateways, addresses and NAT gateways."""

from ipaddress import IPv4Network

from local.cloud.aws import scenarios as on
from local.cloud.aws.common import get, joined, refuse
from local.cloud.aws.ec2_network import zone_of
from local.cloud.aws.facts import zone_id, zone_name, zones
from local.cloud.aws.quotas import exceeded, quota
from local.cloud.aws.rulebook import CREATE, DELETE, WRITE, RuleBook, prior_id
from local.cloud.model import Account, Request

RULES = RuleBook()
SMALLEST, LARGEST = 28, 16
_SMALL_VPC = {"cidrBlock": "10.0.0.0/16"}
_QUOTAS = "VPC user guide, Amazon VPC quotas"
_API = "EC2 API reference, "
_NAT = {"allocationId": "${eip}", "subnetId": "${a}"}
_BEFORE_NAT = (on.VPC, on.SUBNET_A, on.GATEWAY, on.EIP)
_WITH_NAT = (*_BEFORE_NAT, (on.NAT_TOKEN, "nat", _NAT))
_SUBNET = {"vpcId": "${vpc}", "cidrBlock": "10.0.8.0/24", "availabilityZone": "us-east-1a"}
_INTERFACE_ENDPOINT = (
    on.ENDPOINT_TOKEN,
    "ecr",
    {
        "vpcId": "${vpc}",
        "serviceName": "com.amazonaws.us-east-1.ecr.api",
        "vpcEndpointType": "Interface",
        "subnetIds": ["${a}"],
    },
)


def network_of(value: object) -> IPv4Network | None:
    """The network of a CIDR text, or None when it is no IPv4 network (host bits set, not an address)."""
    try:
        return IPv4Network(str(value))
    except ValueError:
        return None


@RULES.rule(
    "ec2-vpc-block",
    on.VPC_TOKEN,
    CREATE,
    "InvalidVpc.Range",
    source="VPC user guide, VPC CIDR blocks: between a /28 netmask and a /16 netmask",
    accepts=on.creation(_SMALL_VPC),
    refuses=on.creation({"cidrBlock": "10.0.0.0/8"}),
)
def _vpc_block(request: Request) -> None:
    cidr = get(request.body, "CidrBlock")
    network = network_of(cidr)
    if network is None or not LARGEST <= network.prefixlen <= SMALLEST:
        refuse("InvalidVpc.Range", f"The CIDR '{cidr}' is invalid.")


@RULES.rule(
    "ec2-vpc-quota",
    on.VPC_TOKEN,
    CREATE,
    "VpcLimitExceeded",
    source=f"{_QUOTAS}: 5 VPCs per Region",
    accepts=on.creation(_SMALL_VPC, on.SECOND_VPC),
    refuses=on.creation(_SMALL_VPC, on.SECOND_VPC, quota__ec2__vpcs=1),
)
def _vpc_quota(request: Request) -> None:
    if request.account.count("ec2:Vpc") >= quota(request.account, "ec2:vpcs"):
        exceeded("VpcLimitExceeded", "The maximum number of VPCs has been reached.")


@RULES.rule(
    "ec2-vpc-dns-hostnames",
    on.VPC_TOKEN,
    WRITE,
    "InvalidParameterCombination",
    source=f"{_API}ModifyVpcAttribute: EnableDnsHostnames only if you've enabled DNS support",
    accepts=on.creation({**_SMALL_VPC, "enableDnsHostnames": True}),
    refuses=on.creation({**_SMALL_VPC, "enableDnsHostnames": True, "enableDnsSupport": False}),
)
def _vpc_dns(request: Request) -> None:
    if get(request.body, "EnableDnsHostnames", False) and not get(request.body, "EnableDnsSupport", True):
        refuse("InvalidParameterCombination", "enableDnsHostnames requires enableDnsSupport to be true")


@RULES.rule(
    "ec2-subnet-block",
    on.SUBNET_TOKEN,
    CREATE,
    "InvalidSubnet.Range",
    source="VPC user guide, Subnet sizing: between a /28 netmask and /16 netmask",
    accepts=on.creation(_SUBNET, on.VPC),
    refuses=on.creation({**_SUBNET, "cidrBlock": "10.0.8.0/29"}, on.VPC),
)
def _subnet_block(request: Request) -> None:
    cidr = get(request.body, "CidrBlock")
    network = network_of(cidr)
    if network is None or not LARGEST <= network.prefixlen <= SMALLEST:
        refuse("InvalidSubnet.Range", f"The CIDR '{cidr}' is invalid.")


@RULES.rule(
    "ec2-subnet-inside-vpc",
    on.SUBNET_TOKEN,
    CREATE,
    "InvalidSubnet.Range",
    source=f"{_API}CreateSubnet: the CIDR block of a subnet is the VPC's or a subset of it",
    accepts=on.creation(_SUBNET, on.VPC),
    refuses=on.creation({**_SUBNET, "cidrBlock": "10.1.0.0/24"}, on.VPC),
)
def _subnet_inside(request: Request) -> None:
    vpc = request.account.get("ec2:Vpc", str(request.body["VpcId"]))
    network = network_of(get(request.body, "CidrBlock"))
    if vpc and network and not network.subnet_of(IPv4Network(vpc.body["CidrBlock"])):
        refuse("InvalidSubnet.Range", f"The CIDR '{network}' is invalid.")


@RULES.rule(
    "ec2-subnet-overlap",
    on.SUBNET_TOKEN,
    CREATE,
    "InvalidSubnet.Conflict",
    source=f"{_API}CreateSubnet: the CIDR blocks of the subnets of a VPC cannot overlap",
    accepts=on.creation(_SUBNET, on.VPC, on.SUBNET_A),
    refuses=on.creation({**_SUBNET, "cidrBlock": "10.0.0.128/25"}, on.VPC, on.SUBNET_A),
)
def _subnet_overlap(request: Request) -> None:
    network = network_of(get(request.body, "CidrBlock"))
    for other in request.account.find("ec2:Subnet", VpcId=request.body["VpcId"]):
        if network and network.overlaps(IPv4Network(other.body["CidrBlock"])):
            refuse("InvalidSubnet.Conflict", f"The CIDR '{network}' conflicts with another subnet")


@RULES.rule(
    "ec2-subnet-zone",
    on.SUBNET_TOKEN,
    CREATE,
    "InvalidParameterValue",
    source=f"{_API}CreateSubnet, member AvailabilityZone; wording: hashicorp/terraform-provider-aws issues",
    accepts=on.creation(_SUBNET, on.VPC),
    refuses=on.creation({**_SUBNET, "availabilityZone": "us-east-1z"}, on.VPC),
)
def _subnet_zone(request: Request) -> None:
    region = request.account.region
    asked, identifier = get(request.body, "AvailabilityZone"), get(request.body, "AvailabilityZoneId")
    if (asked and zone_id(region, asked)) or (identifier and zone_name(region, identifier)):
        return
    if asked or identifier:
        refuse(
            "InvalidParameterValue",
            f"Value ({asked or identifier}) for parameter availabilityZone{'' if asked else 'Id'} is invalid. "
            "Subnets can currently only be created in the following availability zones: "
            f"{joined(zone.name for zone in zones(region))}.",
        )


@RULES.rule(
    "ec2-subnet-quota",
    on.SUBNET_TOKEN,
    CREATE,
    "SubnetLimitExceeded",
    source=f"{_QUOTAS}: 200 subnets per VPC",
    accepts=on.creation(_SUBNET, on.VPC, on.SUBNET_A),
    refuses=on.creation(_SUBNET, on.VPC, on.SUBNET_A, **{"quota__ec2__subnets-per-vpc": 1}),
)
def _subnet_quota(request: Request) -> None:
    made = request.account.find("ec2:Subnet", VpcId=request.body["VpcId"])
    if len(made) >= quota(request.account, "ec2:subnets-per-vpc"):
        exceeded("SubnetLimitExceeded", "The maximum number of subnets has been reached.")


@RULES.rule(
    "ec2-subnet-in-use",
    on.SUBNET_TOKEN,
    DELETE,
    "DependencyViolation",
    source=f"{_API}DeleteSubnet: all running instances and network interfaces of the subnet go first",
    accepts=on.removal("b", on.VPC, on.SUBNET_A, on.SUBNET_B, _INTERFACE_ENDPOINT),
    refuses=on.removal("a", on.VPC, on.SUBNET_A, on.SUBNET_B, _INTERFACE_ENDPOINT),
)
def _subnet_free(request: Request) -> None:
    subnet = prior_id(request)
    if request.account.find("ec2:NetworkInterface", SubnetId=subnet):
        refuse("DependencyViolation", f"The subnet '{subnet}' has dependencies and cannot be deleted.")


@RULES.rule(
    "ec2-gateway-one-per-vpc",
    on.GATEWAY_TOKEN,
    WRITE,
    "InvalidParameterValue",
    source="VPC user guide, Internet gateways: one per VPC",
    accepts=on.creation({"vpcId": "${other}"}, on.VPC, on.SECOND_VPC, on.GATEWAY),
    refuses=on.creation({"vpcId": "${vpc}"}, on.VPC, on.SECOND_VPC, on.GATEWAY),
)
def _one_gateway(request: Request) -> None:
    others = [item for item in request.account.find("ec2:InternetGateway") if item.id != prior_id(request)]
    for wanted in request.body.get("Attachments") or []:
        vpc = wanted["VpcId"]
        if any(taken["VpcId"] == vpc for other in others for taken in other.body.get("Attachments") or []):
            refuse("InvalidParameterValue", f"Network {vpc} already has an internet gateway attached")


@RULES.rule(
    "ec2-gateway-quota",
    on.GATEWAY_TOKEN,
    CREATE,
    "InternetGatewayLimitExceeded",
    source=f"{_QUOTAS}: 5 internet gateways per Region",
    accepts=on.creation({}, on.VPC, on.GATEWAY),
    refuses=on.creation({}, on.VPC, on.GATEWAY, **{"quota__ec2__internet-gateways": 1}),
)
def _gateway_quota(request: Request) -> None:
    if request.account.count("ec2:InternetGateway") >= quota(request.account, "ec2:internet-gateways"):
        exceeded("InternetGatewayLimitExceeded", "The maximum number of internet gateways has been reached.")


@RULES.rule(
    "ec2-gateway-in-use",
    on.GATEWAY_TOKEN,
    DELETE,
    "DependencyViolation",
    source=f"{_API}DetachInternetGateway: the VPC must not hold running instances with Elastic IP addresses",
    accepts=on.removal("igw", *_BEFORE_NAT),
    refuses=on.removal("igw", *_WITH_NAT),
)
def _gateway_idle(request: Request) -> None:
    attached = {item["VpcId"] for item in (request.prior.body.get("Attachments") or [])} if request.prior else set()
    mapped = {address.body.get("NetworkInterfaceId") for address in request.account.find("ec2:Address")}
    for eni in request.account.find("ec2:NetworkInterface"):
        if eni.body["VpcId"] in attached and eni.id in mapped:
            refuse(
                "DependencyViolation",
                f"Network {eni.body['VpcId']} has some mapped public address(es). "
                "Please unmap those public address(es) before detaching the gateway.",
            )


@RULES.rule(
    "ec2-address-quota",
    on.EIP_TOKEN,
    CREATE,
    "AddressLimitExceeded",
    source=f"{_QUOTAS}: 5 Elastic IP addresses per Region",
    accepts=on.creation({"domain": "vpc"}, on.EIP),
    refuses=on.creation({"domain": "vpc"}, on.EIP, **{"quota__ec2__elastic-ips": 1}),
)
def _address_quota(request: Request) -> None:
    if request.account.count("ec2:Address") >= quota(request.account, "ec2:elastic-ips"):
        exceeded("AddressLimitExceeded", "The maximum number of addresses has been reached.")


def attached_gateway(account: Account, vpc: str) -> bool:
    """Whether the VPC has an internet gateway."""
    gateways = account.find("ec2:InternetGateway")
    return any(item["VpcId"] == vpc for gateway in gateways for item in gateway.body.get("Attachments") or [])


@RULES.rule(
    "ec2-nat-needs-gateway",
    on.NAT_TOKEN,
    CREATE,
    "Gateway.NotAttached",
    source="VPC user guide, Troubleshoot NAT gateways: Network vpc-xxxxxxxx has no Internet gateway attached",
    accepts=on.creation(_NAT, *_BEFORE_NAT),
    refuses=on.creation(_NAT, on.VPC, on.SUBNET_A, on.EIP),
)
def _nat_way_out(request: Request) -> None:
    subnet = request.account.get("ec2:Subnet", str(request.body["SubnetId"]))
    if get(request.body, "ConnectivityType", "public") != "public" or subnet is None:
        return
    if not attached_gateway(request.account, subnet.body["VpcId"]):
        refuse("Gateway.NotAttached", f"Network {subnet.body['VpcId']} has no Internet gateway attached")


@RULES.rule(
    "ec2-nat-address",
    on.NAT_TOKEN,
    CREATE,
    "MissingParameter",
    source=f"{_API}CreateNatGateway: AllocationId is required for a public NAT gateway",
    accepts=on.creation({"subnetId": "${a}", "connectivityType": "private"}, *_BEFORE_NAT),
    refuses=on.creation({"subnetId": "${a}"}, *_BEFORE_NAT),
)
def _nat_address(request: Request) -> None:
    allocation = request.body["NatGatewayAddresses"][0].get("AllocationId")
    if get(request.body, "ConnectivityType", "public") == "public" and allocation is None:
        refuse("MissingParameter", "The request must include the AllocationId parameter. Add the required parameter.")


@RULES.rule(
    "ec2-nat-address-free",
    on.NAT_TOKEN,
    CREATE,
    "Resource.AlreadyAssociated",
    source="VPC user guide, Troubleshoot NAT gateways: Elastic IP address is already associated",
    accepts=on.creation({**_NAT, "allocationId": "${eip2}"}, *_WITH_NAT, (on.EIP_TOKEN, "eip2", {"domain": "vpc"})),
    refuses=on.creation(_NAT, *_WITH_NAT),
)
def _nat_address_free(request: Request) -> None:
    allocation = request.body["NatGatewayAddresses"][0].get("AllocationId")
    elastic = request.account.get("ec2:Address", str(allocation)) if allocation is not None else None
    if elastic is not None and elastic.body.get("AssociationId"):
        refuse("Resource.AlreadyAssociated", f"Elastic IP address [{allocation}] is already associated")


@RULES.rule(
    "ec2-nat-quota",
    on.NAT_TOKEN,
    CREATE,
    "NatGatewayLimitExceeded",
    source=f"{_QUOTAS}: 5 NAT gateways per Availability Zone",
    accepts=on.creation({"subnetId": "${a}", "connectivityType": "private"}, *_WITH_NAT),
    refuses=on.creation(
        {"subnetId": "${a}", "connectivityType": "private"}, *_WITH_NAT, **{"quota__ec2__nat-gateways-per-zone": 1}
    ),
)
def _nat_quota(request: Request) -> None:
    account = request.account
    subnet = account.get("ec2:Subnet", str(request.body["SubnetId"]))
    if subnet is None:
        return
    limit, zone = quota(account, "ec2:nat-gateways-per-zone"), zone_of(subnet.body, account.region)
    homes = [account.get("ec2:Subnet", nat.body["SubnetId"]) for nat in account.find("ec2:NatGateway")]
    if sum(home is not None and home.body["AvailabilityZone"] == zone for home in homes) >= limit:
        exceeded("NatGatewayLimitExceeded", f"Performing this operation would exceed the limit of {limit} NAT gateways")
