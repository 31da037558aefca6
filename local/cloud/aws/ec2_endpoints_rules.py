"""What EC2 refuses of VPC endpoints and flow logs."""

import json

from local.cloud.aws import scenarios as on
from local.cloud.aws.common import get, refuse
from local.cloud.aws.ec2_endpoints import GATEWAY_SERVICES, INTERFACE_SERVICES, prefix_list, short_service
from local.cloud.aws.quotas import exceeded, quota
from local.cloud.aws.rulebook import CREATE, WRITE, RuleBook, prior_id
from local.cloud.model import Request

RULES = RuleBook()
_BASE = (*on.NETWORK, on.TABLE, on.GROUP)
_S3 = {"vpcId": "${vpc}", "serviceName": "com.amazonaws.us-east-1.s3", "routeTableIds": ["${rtb}"]}
_ECR = {
    "vpcId": "${vpc}",
    "serviceName": "com.amazonaws.us-east-1.ecr.api",
    "vpcEndpointType": "Interface",
    "subnetIds": ["${a}", "${b}"],
    "securityGroupIds": ["${sg}"],
    "privateDnsEnabled": True,
}
_HAS_S3 = (on.ENDPOINT_TOKEN, "s3", _S3)
_HAS_ECR = (on.ENDPOINT_TOKEN, "ecr", _ECR)
_DEAF = (on.VPC_TOKEN, "vpc", {"cidrBlock": "10.0.0.0/16"})
_SAME_ZONE = on.subnet("a2", 7, "us-east-1a")


@RULES.rule(
    "ec2-endpoint-service",
    on.ENDPOINT_TOKEN,
    CREATE,
    "InvalidServiceName",
    source="EC2 API error codes: InvalidServiceName; AWS PrivateLink guide, integrated services",
    accepts=on.creation(_ECR, *_BASE),
    refuses=on.creation({**_ECR, "serviceName": "com.amazonaws.us-west-2.ecr.api"}, *_BASE),
)
def _service(request: Request) -> None:
    name = str(get(request.body, "ServiceName", ""))
    kind = get(request.body, "VpcEndpointType", "Gateway")
    known = GATEWAY_SERVICES if kind == "Gateway" else INTERFACE_SERVICES
    if not name.startswith("com.amazonaws.vpce.") and short_service(name, request.account.region) not in known:
        refuse("InvalidServiceName", f"The Vpc Endpoint Service '{name}' does not exist")


@RULES.rule(
    "ec2-endpoint-gateway-once",
    on.ENDPOINT_TOKEN,
    WRITE,
    "RouteAlreadyExists",
    source="EC2 CreateVpcEndpoint: route table rtb-… already has a route with destination-prefix-list-id pl-…",
    accepts=on.creation({**_S3, "serviceName": "com.amazonaws.us-east-1.dynamodb"}, *_BASE, _HAS_S3),
    refuses=on.creation(_S3, *_BASE, _HAS_S3),
)
def _gateway_once(request: Request) -> None:
    service = get(request.body, "ServiceName")
    for other in request.account.find("ec2:VpcEndpoint", ServiceName=service, VpcEndpointType="Gateway"):
        shared = set(other.body.get("RouteTableIds") or []) & set(get(request.body, "RouteTableIds", []))
        if other.id != prior_id(request) and shared:
            region = request.account.region
            target = prefix_list(region, short_service(str(service), region))
            refuse(
                "RouteAlreadyExists",
                f"route table {min(shared)} already has a route with destination-prefix-list-id {target}",
            )


@RULES.rule(
    "ec2-endpoint-private-dns",
    on.ENDPOINT_TOKEN,
    WRITE,
    "InvalidParameter",
    source="EC2 CreateVpcEndpoint: private DNS requires enableDnsSupport and enableDnsHostnames",
    accepts=on.creation(_ECR, *_BASE),
    refuses=on.creation(_ECR, _DEAF, on.SUBNET_A, on.SUBNET_B, on.TABLE, on.GROUP),
)
def _private_dns(request: Request) -> None:
    vpc = request.account.get("ec2:Vpc", str(get(request.body, "VpcId")))
    if vpc is None or not get(request.body, "PrivateDnsEnabled", False):
        return
    if not (vpc.body.get("EnableDnsSupport") and vpc.body.get("EnableDnsHostnames")):
        refuse(
            "InvalidParameter",
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true "
            f"for {vpc.id}",
        )


@RULES.rule(
    "ec2-endpoint-dns-conflict",
    on.ENDPOINT_TOKEN,
    WRITE,
    "InvalidParameter",
    source="EC2 CreateVpcEndpoint: private-dns-enabled cannot be set because there is already a conflicting DNS domain",
    accepts=on.creation({**_ECR, "privateDnsEnabled": False}, *_BASE, _HAS_ECR),
    refuses=on.creation(_ECR, *_BASE, _HAS_ECR),
)
def _dns_conflict(request: Request) -> None:
    service, vpc = get(request.body, "ServiceName"), get(request.body, "VpcId")
    if not get(request.body, "PrivateDnsEnabled", False):
        return
    for other in request.account.find("ec2:VpcEndpoint", ServiceName=service, VpcId=vpc, PrivateDnsEnabled=True):
        if other.id != prior_id(request):
            region = request.account.region
            domain = f"{short_service(str(service), region)}.{region}.amazonaws.com"
            refuse(
                "InvalidParameter",
                "private-dns-enabled cannot be set because there is already a conflicting DNS domain for "
                f"{domain} in the VPC {vpc}",
            )


@RULES.rule(
    "ec2-endpoint-zone-once",
    on.ENDPOINT_TOKEN,
    WRITE,
    "DuplicateSubnetsInSameZone",
    source="EC2 CreateVpcEndpoint: one subnet per Availability Zone",
    accepts=on.creation(_ECR, *_BASE),
    refuses=on.creation({**_ECR, "subnetIds": ["${a}", "${a2}"]}, *_BASE, _SAME_ZONE),
)
def _zone_once(request: Request) -> None:
    seen: set[str] = set()
    for identifier in get(request.body, "SubnetIds", []):
        subnet = request.account.get("ec2:Subnet", str(identifier))
        zone = subnet.body["AvailabilityZone"] if subnet else ""
        if zone in seen:
            refuse(
                "DuplicateSubnetsInSameZone",
                f"Found another VPC endpoint subnet in the availability zone of {identifier}. "
                "VPC endpoint subnets should be in different availability zones supported by the VPC endpoint service.",
            )
        seen.add(zone)


@RULES.rule(
    "ec2-endpoint-quota",
    on.ENDPOINT_TOKEN,
    CREATE,
    "VpcEndpointLimitExceeded",
    source="VPC user guide, Amazon VPC quotas: 50 interface endpoints per VPC, 20 gateway endpoints per Region",
    accepts=on.creation({**_ECR, "privateDnsEnabled": False}, *_BASE, _HAS_ECR),
    refuses=on.creation(
        {**_ECR, "privateDnsEnabled": False},
        *_BASE,
        _HAS_ECR,
        **{"quota__ec2__interface-endpoints-per-vpc": 1},
    ),
)
def _endpoint_quota(request: Request) -> None:
    kind = get(request.body, "VpcEndpointType", "Gateway")
    where = {"VpcId": request.body["VpcId"]} if kind == "Interface" else {}
    made = len(request.account.find("ec2:VpcEndpoint", VpcEndpointType=kind, **where))
    name = "ec2:interface-endpoints-per-vpc" if kind == "Interface" else "ec2:gateway-endpoints"
    if made >= quota(request.account, name):
        exceeded("VpcEndpointLimitExceeded", "The maximum number of VPC endpoints has been reached.")


_LOG_GROUP = (on.LOG_GROUP_TOKEN, "logs", {"name": "/aws/vpc/flow"})
_FLOW_ROLE = (
    on.ROLE_TOKEN,
    "frole",
    {"name": "flow", "assumeRolePolicy": on.trust("vpc-flow-logs.amazonaws.com")},
)
_FLOW = {
    "vpcId": "${vpc}",
    "trafficType": "ALL",
    "logDestinationType": "cloud-watch-logs",
    "logDestination": "${logs.arn}",
    "iamRoleArn": "${frole.arn}",
}


@RULES.rule(
    "ec2-flow-log-role",
    on.FLOW_LOG_TOKEN,
    CREATE,
    "InvalidParameter",
    source="EC2 API reference, CreateFlowLogs: DeliverLogsPermissionArn is required for CloudWatch Logs",
    accepts=on.creation(_FLOW, on.VPC, _LOG_GROUP, _FLOW_ROLE),
    refuses=on.creation(on.without(_FLOW, "iamRoleArn"), on.VPC, _LOG_GROUP, _FLOW_ROLE),
)
def _flow_role(request: Request) -> None:
    logs = get(request.body, "LogDestinationType", "cloud-watch-logs") == "cloud-watch-logs"
    if logs and get(request.body, "DeliverLogsPermissionArn") is None:
        refuse("InvalidParameter", "DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs.")


@RULES.rule(
    "ec2-flow-log-trust",
    on.FLOW_LOG_TOKEN,
    CREATE,
    "InvalidParameter",
    source="VPC user guide, IAM role for publishing flow logs: trusts vpc-flow-logs.amazonaws.com",
    accepts=on.creation(_FLOW, on.VPC, _LOG_GROUP, _FLOW_ROLE),
    refuses=on.creation({**_FLOW, "iamRoleArn": "${nrole.arn}"}, on.VPC, _LOG_GROUP, on.NODE_ROLE),
)
def _flow_trust(request: Request) -> None:
    role = get(request.body, "DeliverLogsPermissionArn")
    if role is None:
        return
    found = request.account.find("iam:Role", Arn=role)
    trusted = json.dumps(found[0].body.get("AssumeRolePolicyDocument")) if found else ""
    if "vpc-flow-logs.amazonaws.com" not in trusted:
        refuse("InvalidParameter", f"Unable to assume given IAM role: {role}")


@RULES.rule(
    "ec2-flow-log-destination",
    on.FLOW_LOG_TOKEN,
    CREATE,
    "InvalidParameter",
    source="EC2 API reference, CreateFlowLogs: LogDestination is the ARN of a log group, a bucket or a stream",
    accepts=on.creation(_FLOW, on.VPC, _LOG_GROUP, _FLOW_ROLE),
    refuses=on.creation({**_FLOW, "logDestination": "/aws/vpc/flow"}, on.VPC, _LOG_GROUP, _FLOW_ROLE),
)
def _flow_destination(request: Request) -> None:
    destination = str(get(request.body, "LogDestination", ""))
    services = {"cloud-watch-logs": "logs", "s3": "s3", "kinesis-data-firehose": "firehose"}
    service = services.get(get(request.body, "LogDestinationType", "cloud-watch-logs"), "")
    if not destination.startswith(f"arn:aws:{service}:"):
        refuse("InvalidParameter", f"LogDestination: {destination} is not a valid destination ARN for {service}.")
