"""EC2: VPC endpoints and flow logs."""

from local.cloud.aws.binding import bind, calls
from local.cloud.aws.common import as_iso, digest, get, iso_time, known
from local.cloud.aws.ec2_network import VPC_REFERENCE, interface, own
from local.cloud.aws.ec2_security import GROUP_MISSING, GROUP_MISSING_TEXT
from local.cloud.model import Account, CloudObject, Context, Reference
from local.cloud.values import Json

GATEWAY_SERVICES = ("s3", "dynamodb")
INTERFACE_SERVICES = (
    "autoscaling",
    "bedrock-runtime",
    "dynamodb",
    "ec2",
    "ec2messages",
    "ecr.api",
    "ecr.dkr",
    "ecs",
    "eks",
    "eks-auth",
    "elasticfilesystem",
    "elasticloadbalancing",
    "fsx",
    "kms",
    "logs",
    "monitoring",
    "s3",
    "sagemaker.api",
    "sagemaker.runtime",
    "secretsmanager",
    "servicequotas",
    "sqs",
    "ssm",
    "ssmmessages",
    "sts",
    "xray",
)
"""Services of DescribeVpcEndpointServices that a cluster can need (AWS PrivateLink guide, integrated services)."""
FULL_ACCESS = '{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}]}'


def short_service(name: str, region: str) -> str:
    """``ecr.api`` of ``com.amazonaws.us-east-1.ecr.api``; the name itself when it is not of this region."""
    return name.removeprefix(f"com.amazonaws.{region}.")


def _compute_endpoint(body: dict[str, Json], context: Context) -> None:
    account = context.account
    identifier = account.new_id("vpce-")
    service = short_service(str(body["ServiceName"]), account.region)
    body |= {
        "VpcEndpointId": identifier,
        "OwnerId": account.account_id,
        "State": "available",
        "RequesterManaged": False,
        "CreationTimestamp": iso_time(account),
        "NetworkInterfaceIds": [],
        "DnsEntries": [],
        "IpAddressType": body.get("IpAddressType") or "ipv4",
    }
    if body["VpcEndpointType"] == "Interface":
        name = f"{identifier}-{digest(identifier)}.{service.replace('.', '-')}.{account.region}.vpce.amazonaws.com"
        body["DnsEntries"] = [{"DnsName": name, "HostedZoneId": "Z7HUB22UULQXV"}]
        body["NetworkInterfaceIds"] = [account.new_id("eni-") for _ in body.get("SubnetIds") or []]
        if not body.get("Groups"):
            default = account.find("ec2:SecurityGroup", VpcId=body["VpcId"], GroupName="default")
            body["Groups"] = [{"GroupId": group.id} for group in default]


def _endpoint_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    groups = inputs.get("securityGroupIds")
    options = inputs.get("dnsOptions") or {}
    return {
        "VpcId": inputs["vpcId"],
        "ServiceName": inputs.get("serviceName"),
        "VpcEndpointType": inputs.get("vpcEndpointType"),
        "RouteTableIds": inputs.get("routeTableIds"),
        "SubnetIds": inputs.get("subnetIds"),
        "Groups": None if groups is None else [{"GroupId": group} for group in groups],
        "PolicyDocument": inputs.get("policy"),
        "PrivateDnsEnabled": inputs.get("privateDnsEnabled"),
        "IpAddressType": inputs.get("ipAddressType"),
        "DnsOptions": {name[:1].upper() + name[1:]: value for name, value in options.items()} or None,
    }


def prefix_list(region: str, service: str) -> str:
    """The id of AWS's own prefix list of a gateway service: the same for everyone in a region."""
    return "pl-63a5400a" if (region, service) == ("us-east-1", "s3") else f"pl-{digest(region, service)}"


def _endpoint_state(item: CloudObject, account: Account) -> dict[str, Json]:
    body = item.body
    service = short_service(str(body["ServiceName"]), account.region)
    gateway = body.get("VpcEndpointType") == "Gateway"
    options = body.get("DnsOptions") or {}
    return {
        "arn": own(account, f"vpc-endpoint/{item.id}"),
        "policy": body.get("PolicyDocument") or FULL_ACCESS,
        "securityGroupIds": [group["GroupId"] for group in body.get("Groups") or []],
        "dnsEntries": [
            {"dnsName": entry["DnsName"], "hostedZoneId": entry["HostedZoneId"]}
            for entry in body.get("DnsEntries") or []
        ],
        "dnsOptions": {name[:1].lower() + name[1:]: value for name, value in options.items()} or None,
        "prefixListId": prefix_list(account.region, service) if gateway else "",
        "cidrBlocks": ["52.216.0.0/15", "54.231.0.0/16"] if gateway and service == "s3" else [],
        "routeTableIds": body.get("RouteTableIds") or [],
        "subnetIds": body.get("SubnetIds") or [],
    }


def _plug_endpoint(item: CloudObject, context: Context) -> None:
    """One interface per subnet, which DeleteVpcEndpoints takes away again."""
    body, account = item.body, context.account
    wanted = [str(subnet) for subnet in body.get("SubnetIds") or []] if body["VpcEndpointType"] == "Interface" else []
    mine = [eni for eni in account.find("ec2:NetworkInterface") if item.id in str(eni.body.get("Description"))]
    kept = {eni.body["SubnetId"]: eni.id for eni in mine if eni.body["SubnetId"] in wanted}
    for eni in mine:
        if eni.id not in kept.values():
            account.remove(eni.kind, eni.id)
    groups = body.get("Groups") or []
    for subnet_id in wanted:
        subnet = account.get("ec2:Subnet", subnet_id)
        if subnet is not None:
            known_id = kept.get(subnet_id) or account.new_id("eni-")
            existing = account.get("ec2:NetworkInterface", known_id)
            address = existing.body["PrivateIpAddress"] if existing else ""
            made = interface(
                subnet,
                context,
                NetworkInterfaceId=known_id,
                PrivateIpAddress=address,
                InterfaceType="vpc_endpoint",
                Description=f"VPC Endpoint Interface {item.id}",
                Groups=groups,
            )
            account.put(made)
            kept[subnet_id] = known_id
    body["NetworkInterfaceIds"] = [kept[subnet] for subnet in wanted if subnet in kept]
    account.put(item)


def _unplug_endpoint(item: CloudObject, context: Context) -> None:
    for eni in item.body.get("NetworkInterfaceIds") or []:
        context.account.remove("ec2:NetworkInterface", str(eni))


VPC_ENDPOINT = bind(
    "aws:ec2/vpcEndpoint:VpcEndpoint",
    "ec2:VpcEndpoint",
    calls("CreateVpcEndpoint", "DeleteVpcEndpoints", "ModifyVpcEndpoint"),
    identity="{VpcEndpointId}",
    create_only=(
        "vpcId",
        "serviceName",
        "vpcEndpointType",
        "serviceRegion",
        "resourceConfigurationArn",
        "serviceNetworkArn",
    ),
    client_only=("autoAccept",),
    defaults={"VpcEndpointType": "Gateway", "PrivateDnsEnabled": False},
    to_body=_endpoint_body,
    compute=_compute_endpoint,
    after_create=_plug_endpoint,
    after_update=lambda _before, after, context: _plug_endpoint(after, context),
    before_delete=_unplug_endpoint,
    references=(
        VPC_REFERENCE,
        Reference(
            body_path="RouteTableIds[]",
            kind="ec2:RouteTable",
            missing_code="InvalidRouteTableId.NotFound",
            missing_message="The routeTable ID '{value}' does not exist",
            holds=False,
        ),
        Reference(
            body_path="SubnetIds[]",
            kind="ec2:Subnet",
            missing_code="InvalidSubnetId.NotFound",
            missing_message="The subnet ID '{value}' does not exist",
            holds=False,  # its interfaces hold the subnet
        ),
        Reference(
            body_path="Groups[].GroupId",
            kind="ec2:SecurityGroup",
            missing_code=GROUP_MISSING,
            missing_message=GROUP_MISSING_TEXT,
            holds=False,
        ),
    ),
    to_state=_endpoint_state,
)

RESOURCE_PROPERTIES = {
    "vpcId": "vpc-",
    "subnetId": "subnet-",
    "eniId": "eni-",
    "transitGatewayId": "tgw-",
    "transitGatewayAttachmentId": "tgw-attach-",
    "regionalNatGatewayId": "nat-",
}


def _flow_log_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    given = [inputs[name] for name in RESOURCE_PROPERTIES if inputs.get(name) is not None]
    options = inputs.get("destinationOptions")
    spelled = {name[:1].upper() + name[1:]: value for name, value in options.items()} if options else None
    return {
        "ResourceId": given[0] if given else None,
        "TrafficType": inputs.get("trafficType"),
        "LogDestinationType": inputs.get("logDestinationType"),
        "LogDestination": inputs.get("logDestination"),
        "DeliverLogsPermissionArn": inputs.get("iamRoleArn"),
        "DeliverCrossAccountRole": inputs.get("deliverCrossAccountRole"),
        "LogFormat": inputs.get("logFormat"),
        "MaxAggregationInterval": inputs.get("maxAggregationInterval"),
        "DestinationOptions": spelled,
    }


LOG_FORMAT = (
    "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} "
    "${bytes} ${start} ${end} ${action} ${log-status}"
)


def _compute_flow_log(body: dict[str, Json], context: Context) -> None:
    body["FlowLogId"] = context.account.new_id("fl-")
    body["FlowLogStatus"] = "ACTIVE"
    body["DeliverLogsStatus"] = "SUCCESS"
    body["CreationTime"] = as_iso(context.account.now())
    if body["LogDestinationType"] == "cloud-watch-logs":
        body["LogGroupName"] = str(known(body, "LogDestination", "")).removesuffix(":*").split(":")[-1]


def _flow_log_state(item: CloudObject, account: Account) -> dict[str, Json]:
    body = item.body
    resource = str(get(body, "ResourceId", ""))
    longest_first = sorted(RESOURCE_PROPERTIES.items(), key=lambda pair: -len(pair[1]))
    name = next((name for name, prefix in longest_first if resource.startswith(prefix)), "vpcId")
    return {
        "arn": own(account, f"vpc-flow-log/{item.id}"),
        name: resource,
        "iamRoleArn": body.get("DeliverLogsPermissionArn"),
    }


FLOW_LOG = bind(
    "aws:ec2/flowLog:FlowLog",
    "ec2:FlowLog",
    calls("CreateFlowLogs", "DeleteFlowLogs", "CreateTags"),
    identity="{FlowLogId}",
    create_only=(
        *RESOURCE_PROPERTIES,
        "trafficType",
        "logDestinationType",
        "logDestination",
        "iamRoleArn",
        "logFormat",
        "maxAggregationInterval",
        "deliverCrossAccountRole",
        "destinationOptions",
    ),
    defaults={"LogDestinationType": "cloud-watch-logs", "MaxAggregationInterval": 600, "LogFormat": LOG_FORMAT},
    to_body=_flow_log_body,
    compute=_compute_flow_log,
    to_state=_flow_log_state,
)
BINDINGS = (VPC_ENDPOINT, FLOW_LOG)
