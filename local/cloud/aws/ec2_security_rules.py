"""What EC2 refuses of security groups and their rules."""

from collections.abc import Iterator

from local.cloud.aws import scenarios as on
from local.cloud.aws.common import get, refuse
from local.cloud.aws.ec2_network_rules import network_of
from local.cloud.aws.quotas import exceeded, quota
from local.cloud.aws.rulebook import CREATE, DELETE, WRITE, RuleBook, prior_id
from local.cloud.model import Account, Request
from local.cloud.values import Json

RULES = RuleBook()
RULE_TOKENS = (on.INGRESS_TOKEN, on.EGRESS_TOKEN)
SOURCES = ("CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupInfo")
_BASE = (on.VPC, on.SUBNET_A, on.GROUP)
_HTTPS = {
    "securityGroupId": "${sg}",
    "ipProtocol": "tcp",
    "fromPort": 443,
    "toPort": 443,
    "cidrIpv4": "10.0.0.0/16",
}
_FIRST = (on.INGRESS_TOKEN, "https", _HTTPS)
_CLIENTS = (on.GROUP_TOKEN, "clients", {"name": "clients", "vpcId": "${vpc}"})
_FROM_CLIENTS = (
    on.INGRESS_TOKEN,
    "from",
    {"securityGroupId": "${sg}", "ipProtocol": "-1", "referencedSecurityGroupId": "${clients}"},
)


def _source(body: Json) -> Json:
    referenced = get(body, "ReferencedGroupInfo.GroupId")
    plain = [get(body, name) for name in SOURCES[:3]]
    return referenced if referenced is not None else next((value for value in plain if value is not None), None)


def _peer(body: Json) -> tuple[Json, ...]:
    protocol = str(get(body, "IpProtocol", ""))
    ports = (None, None) if protocol == "-1" else (get(body, "FromPort"), get(body, "ToPort"))
    return (get(body, "IsEgress", False), protocol, *ports, _source(body))


@RULES.rule(
    "ec2-rule-duplicate",
    RULE_TOKENS,
    CREATE,
    "InvalidPermission.Duplicate",
    source="EC2 API error codes: InvalidPermission.Duplicate; wording: hashicorp/terraform-provider-aws issues",
    accepts=on.creation({**_HTTPS, "cidrIpv4": "10.1.0.0/16"}, *_BASE, _FIRST),
    refuses=on.creation(_HTTPS, *_BASE, _FIRST),
)
def _rule_once(request: Request) -> None:
    wanted = _peer(request.body)
    for other in request.account.find("ec2:SecurityGroupRule", GroupId=request.body["GroupId"]):
        if _peer(other.body) == wanted:
            protocol = "ALL" if wanted[1] == "-1" else str(wanted[1]).upper()
            ports = "" if wanted[1] == "-1" else f", from port: {wanted[2]}, to port: {wanted[3]}"
            refuse(
                "InvalidPermission.Duplicate",
                f'the specified rule "peer: {wanted[4]}, {protocol}{ports}, ALLOW" already exists',
            )


@RULES.rule(
    "ec2-rule-one-source",
    RULE_TOKENS,
    WRITE,
    "InvalidParameterValue",
    source="EC2 API reference, AuthorizeSecurityGroupIngress: one source per rule",
    accepts=on.creation(_HTTPS, *_BASE),
    refuses=on.creation(on.without(_HTTPS, "cidrIpv4"), *_BASE),
)
def _rule_source(request: Request) -> None:
    if sum(get(request.body, name) is not None for name in SOURCES) != 1:
        refuse(
            "InvalidParameterValue",
            "You must specify exactly one source or destination: a CIDR range, a prefix list or a security group",
        )


@RULES.rule(
    "ec2-rule-cidr",
    RULE_TOKENS,
    WRITE,
    "InvalidParameterValue",
    source="EC2 API: CIDR block x.x.x.x/y is malformed",
    accepts=on.creation(_HTTPS, *_BASE),
    refuses=on.creation({**_HTTPS, "cidrIpv4": "10.0.0.1/16"}, *_BASE),
)
def _rule_cidr(request: Request) -> None:
    cidr = get(request.body, "CidrIpv4")
    if cidr is not None and network_of(cidr) is None:
        refuse("InvalidParameterValue", f"CIDR block {cidr} is malformed")


@RULES.rule(
    "ec2-rule-ports",
    RULE_TOKENS,
    WRITE,
    "InvalidParameterValue",
    source="EC2 API reference, IpPermission: ports are 0-65535 in order; both needed for tcp and udp",
    accepts=on.creation(_HTTPS, *_BASE),
    refuses=on.creation({**_HTTPS, "fromPort": 1023, "toPort": 1018}, *_BASE),
)
def _rule_ports(request: Request) -> None:
    protocol = str(get(request.body, "IpProtocol", "")).lower()
    first, last = get(request.body, "FromPort"), get(request.body, "ToPort")
    if protocol not in {"tcp", "udp", "6", "17"}:
        return
    if first is None or last is None:
        refuse("InvalidParameterValue", f"Invalid value 'Must specify both from and to ports with {protocol.upper()}.'")
    if not 0 <= first <= last <= 65535:  # noqa: PLR2004 - the largest port
        refuse("InvalidParameterValue", f"Invalid TCP/UDP port range ({first}:{last})")


@RULES.rule(
    "ec2-rule-quota",
    RULE_TOKENS,
    CREATE,
    "RulesPerSecurityGroupLimitExceeded",
    source="VPC user guide, Amazon VPC quotas: 60 inbound or outbound rules per security group",
    accepts=on.creation({**_HTTPS, "cidrIpv4": "10.1.0.0/16"}, *_BASE, _FIRST),
    refuses=on.creation(
        {**_HTTPS, "cidrIpv4": "10.1.0.0/16"}, *_BASE, _FIRST, **{"quota__ec2__rules-per-security-group": 1}
    ),
)
def _rule_quota(request: Request) -> None:
    direction = get(request.body, "IsEgress", False)
    made = request.account.find("ec2:SecurityGroupRule", GroupId=request.body["GroupId"], IsEgress=direction)
    if len(made) >= quota(request.account, "ec2:rules-per-security-group"):
        exceeded(
            "RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached."
        )


@RULES.rule(
    "ec2-group-duplicate",
    on.GROUP_TOKEN,
    CREATE,
    "InvalidGroup.Duplicate",
    source="EC2 API error codes: InvalidGroup.Duplicate",
    accepts=on.creation({"name": "other", "vpcId": "${vpc}"}, *_BASE),
    refuses=on.creation({"name": "nodes", "vpcId": "${vpc}"}, *_BASE),
)
def _group_once(request: Request) -> None:
    name, vpc = get(request.body, "GroupName"), get(request.body, "VpcId")
    if request.account.find("ec2:SecurityGroup", GroupName=name, VpcId=vpc):
        refuse("InvalidGroup.Duplicate", f"The security group '{name}' already exists for VPC '{vpc}'")


@RULES.rule(
    "ec2-group-name",
    on.GROUP_TOKEN,
    CREATE,
    "InvalidParameterValue",
    source="EC2 API reference, CreateSecurityGroup: up to 255 characters, cannot start with sg-",
    accepts=on.creation({"name": "nodes-sg-1", "vpcId": "${vpc}"}, on.VPC),
    refuses=on.creation({"name": "sg-nodes", "vpcId": "${vpc}"}, on.VPC),
)
def _group_name(request: Request) -> None:
    name = str(get(request.body, "GroupName", ""))
    if name.startswith("sg-"):
        refuse("InvalidParameterValue", "Group names may not be in the format sg-*")


@RULES.rule(
    "ec2-group-quota",
    on.GROUP_TOKEN,
    CREATE,
    "SecurityGroupLimitExceeded",
    source="VPC user guide, Amazon VPC quotas: 2,500 VPC security groups per Region",
    accepts=on.creation({"name": "other", "vpcId": "${vpc}"}, *_BASE),
    refuses=on.creation({"name": "other", "vpcId": "${vpc}"}, *_BASE, **{"quota__ec2__security-groups": 2}),
)
def _group_quota(request: Request) -> None:
    if request.account.count("ec2:SecurityGroup") >= quota(request.account, "ec2:security-groups"):
        exceeded("SecurityGroupLimitExceeded", "The maximum number of security groups has been reached.")


def _pairs(body: Json) -> Iterator[Json]:
    for member in ("IpPermissions", "IpPermissionsEgress"):
        for permission in get(body, member, []):
            for pair in permission.get("UserIdGroupPairs") or []:
                yield pair["GroupId"]


@RULES.rule(
    "ec2-group-inline-pairs",
    on.GROUP_TOKEN,
    WRITE,
    "InvalidGroup.NotFound",
    source="EC2 API error codes: InvalidGroup.NotFound",
    accepts=on.creation(
        {
            "vpcId": "${vpc}",
            "ingress": [{"protocol": "-1", "fromPort": 0, "toPort": 0, "securityGroups": ["${sg}"], "self": True}],
        },
        *_BASE,
    ),
    refuses=on.creation(
        {
            "vpcId": "${vpc}",
            "ingress": [{"protocol": "-1", "fromPort": 0, "toPort": 0, "securityGroups": ["sg-0123456789abcdef0"]}],
        },
        *_BASE,
    ),
)
def _inline_pairs(request: Request) -> None:
    for group in _pairs(request.body):
        if group not in ("self", prior_id(request)) and request.account.get("ec2:SecurityGroup", str(group)) is None:
            refuse("InvalidGroup.NotFound", f"The security group '{group}' does not exist")


def users(account: Account, group: str) -> list[str]:
    """Ids of what keeps a security group from being deleted: interfaces that carry it, rules of others that name it."""
    found = [
        eni.id
        for eni in account.find("ec2:NetworkInterface")
        if any(item["GroupId"] == group for item in eni.body.get("Groups") or [])
    ]
    found += [
        rule.id
        for rule in account.find("ec2:SecurityGroupRule")
        if rule.body["GroupId"] != group and get(rule.body, "ReferencedGroupInfo.GroupId") == group
    ]
    return found + [
        other.id
        for other in account.find("ec2:SecurityGroup")
        if other.id != group and group in set(_pairs(other.body))
    ]


@RULES.rule(
    "ec2-group-in-use",
    on.GROUP_TOKEN,
    DELETE,
    "DependencyViolation",
    source="EC2 API reference, DeleteSecurityGroup: fails while an interface or another group's rule uses it",
    accepts=on.removal("sg", *_BASE, _CLIENTS, _FROM_CLIENTS),
    refuses=on.removal("clients", *_BASE, _CLIENTS, _FROM_CLIENTS),
)
def _group_idle(request: Request) -> None:
    if users(request.account, prior_id(request)):
        refuse("DependencyViolation", f"resource {prior_id(request)} has a dependent object")
