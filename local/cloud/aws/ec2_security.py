"""EC2: security groups and their rules. Rules of own types are ``ec2:SecurityGroupRule`` objects; inline ones live in
the group's ``IpPermissions``, as DescribeSecurityGroups shows both.
"""

from local.cloud.aws.binding import bind, calls
from local.cloud.aws.common import arn, get, unmodelled
from local.cloud.aws.ec2_network import VPC_REFERENCE, default_group, own
from local.cloud.model import Account, Autoname, CloudObject, Context, Reference
from local.cloud.values import Json, is_unknown

NAME_LENGTH = 255
GROUP_MISSING = "InvalidGroup.NotFound"
GROUP_MISSING_TEXT = "The security group '{value}' does not exist"


def permissions(rules: Json) -> Json:
    """Inline ``ingress`` or ``egress`` blocks of the provider as EC2's IpPermissions."""
    if is_unknown(rules):
        return rules
    return [
        {
            "IpProtocol": rule.get("protocol"),
            "FromPort": rule.get("fromPort"),
            "ToPort": rule.get("toPort"),
            "IpRanges": [{"CidrIp": cidr} for cidr in rule.get("cidrBlocks") or []],
            "Ipv6Ranges": [{"CidrIpv6": cidr} for cidr in rule.get("ipv6CidrBlocks") or []],
            "PrefixListIds": [{"PrefixListId": item} for item in rule.get("prefixListIds") or []],
            "UserIdGroupPairs": [{"GroupId": group} for group in rule.get("securityGroups") or []]
            + ([{"GroupId": "self"}] if rule.get("self") else []),
            "Description": rule.get("description") or "",
        }
        for rule in rules or []
    ]


def blocks(found: Json, group: str) -> list[dict[str, Json]]:
    """The reverse of ``permissions``, with every member that the provider prints."""
    result = []
    for item in found or []:
        pairs = [pair["GroupId"] for pair in item.get("UserIdGroupPairs") or []]
        result.append(
            {
                "protocol": item.get("IpProtocol"),
                "fromPort": item.get("FromPort") or 0,
                "toPort": item.get("ToPort") or 0,
                "cidrBlocks": [entry["CidrIp"] for entry in item.get("IpRanges") or []],
                "ipv6CidrBlocks": [entry["CidrIpv6"] for entry in item.get("Ipv6Ranges") or []],
                "prefixListIds": [entry["PrefixListId"] for entry in item.get("PrefixListIds") or []],
                "securityGroups": [pair for pair in pairs if pair not in (group, "self")],
                "self": any(pair in (group, "self") for pair in pairs),
                "description": item.get("Description") or "",
            }
        )
    return result


def _group_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    unmodelled(inputs, "namePrefix", instead="set `name`, or neither for a generated name")
    return {
        "GroupName": inputs.get("name"),
        "Description": inputs.get("description") or "Managed by Pulumi",
        "VpcId": inputs.get("vpcId"),
        "IpPermissions": permissions(inputs.get("ingress")),
        "IpPermissionsEgress": permissions(inputs.get("egress")),
    }


def _compute_group(body: dict[str, Json], context: Context) -> None:
    account = context.account
    body["GroupId"] = account.new_id("sg-")
    body["OwnerId"] = account.account_id
    body["SecurityGroupArn"] = own(account, f"security-group/{body['GroupId']}")


def _group_state(item: CloudObject, account: Account) -> dict[str, Json]:
    return {
        "arn": own(account, f"security-group/{item.id}"),
        "name": item.body.get("GroupName"),
        "ingress": blocks(item.body.get("IpPermissions"), item.id),
        "egress": blocks(item.body.get("IpPermissionsEgress"), item.id),
    }


SECURITY_GROUP = bind(
    "aws:ec2/securityGroup:SecurityGroup",
    "ec2:SecurityGroup",
    calls("CreateSecurityGroup", "DeleteSecurityGroup", "ModifySecurityGroupRules"),
    identity="{GroupId}",
    create_only=("name", "description", "vpcId"),
    client_only=("revokeRulesOnDelete",),
    autoname=Autoname(property="name", max_length=NAME_LENGTH),
    to_body=_group_body,
    compute=_compute_group,
    references=(VPC_REFERENCE,),
    to_state=_group_state,
)


def _rule_body(inputs: dict[str, Json], *, egress: bool) -> dict[str, Json]:
    referenced = inputs.get("referencedSecurityGroupId")
    return {
        "GroupId": inputs["securityGroupId"],
        "IsEgress": egress,
        "IpProtocol": inputs["ipProtocol"],
        "FromPort": inputs.get("fromPort"),
        "ToPort": inputs.get("toPort"),
        "CidrIpv4": inputs.get("cidrIpv4"),
        "CidrIpv6": inputs.get("cidrIpv6"),
        "PrefixListId": inputs.get("prefixListId"),
        "ReferencedGroupInfo": {"GroupId": referenced} if referenced is not None else None,
        "Description": inputs.get("description"),
    }


def _compute_rule(body: dict[str, Json], context: Context) -> None:
    account = context.account
    body["SecurityGroupRuleId"] = account.new_id("sgr-")
    body["GroupOwnerId"] = account.account_id
    body["SecurityGroupRuleArn"] = own(account, f"security-group-rule/{body['SecurityGroupRuleId']}")


def _rule_state(item: CloudObject, account: Account) -> dict[str, Json]:
    body = item.body
    referenced = get(body, "ReferencedGroupInfo.GroupId")
    return {
        "arn": arn("ec2", f"security-group-rule/{item.id}", account),
        "securityGroupId": body["GroupId"],
        "securityGroupRuleId": item.id,
        **({"referencedSecurityGroupId": referenced} if referenced is not None else {}),
    }


_RULE_REFERENCES = (
    Reference(
        body_path="GroupId",
        kind="ec2:SecurityGroup",
        missing_code=GROUP_MISSING,
        missing_message=GROUP_MISSING_TEXT,
        holds=False,  # a group takes its own rules along
    ),
    Reference(
        body_path="ReferencedGroupInfo.GroupId",
        kind="ec2:SecurityGroup",
        missing_code=GROUP_MISSING,
        missing_message=GROUP_MISSING_TEXT,
        holds=False,  # see the rule ec2-group-in-use: a group's own self-reference does not hold it
    ),
)
INGRESS_RULE = bind(
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "ec2:SecurityGroupRule",
    calls("AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress", "ModifySecurityGroupRules"),
    identity="{SecurityGroupRuleId}",
    create_only=("securityGroupId",),
    to_body=lambda inputs, _context: _rule_body(inputs, egress=False),
    compute=_compute_rule,
    references=_RULE_REFERENCES,
    to_state=_rule_state,
)
EGRESS_RULE = bind(
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    "ec2:SecurityGroupRule",
    calls("AuthorizeSecurityGroupEgress", "RevokeSecurityGroupEgress", "ModifySecurityGroupRules"),
    identity="{SecurityGroupRuleId}",
    create_only=("securityGroupId",),
    to_body=lambda inputs, _context: _rule_body(inputs, egress=True),
    compute=_compute_rule,
    references=_RULE_REFERENCES,
    to_state=_rule_state,
)


def _adopted_body(inputs: dict[str, Json], context: Context) -> dict[str, Json]:
    """The provider takes the VPC's default group over and empties it: no rules unless the program gives some."""
    found = default_group(context.account, str(inputs.get("vpcId", "")))
    adopted = dict(found.body) if found else {}
    return adopted | {
        "VpcId": inputs.get("vpcId"),
        "IpPermissions": permissions(inputs.get("ingress")),
        "IpPermissionsEgress": permissions(inputs.get("egress")),
    }


def _apply_adopted(item: CloudObject, context: Context) -> None:
    group = context.account.get("ec2:SecurityGroup", str(item.body["GroupId"]))
    if group is not None:
        group.body |= {name: item.body.get(name, []) for name in ("IpPermissions", "IpPermissionsEgress", "Tags")}
        context.account.put(group)


def _adopted_state(item: CloudObject, account: Account) -> dict[str, Json]:
    return _group_state(item, account) | {
        "arn": own(account, f"security-group/{item.body.get('GroupId')}"),
        "description": item.body.get("Description"),
        "namePrefix": "",
    }


DEFAULT_SECURITY_GROUP = bind(
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    # Not EC2's own kind: deleting this resource leaves the group where it is, and only the program forgets it.
    "ec2:AdoptedDefaultSecurityGroup",
    calls("DescribeSecurityGroups", "DescribeSecurityGroups", "ModifySecurityGroupRules"),
    identity="{GroupId}",
    overwrites=True,
    create_only=("vpcId",),
    client_only=("revokeRulesOnDelete",),
    to_body=_adopted_body,
    after_create=_apply_adopted,
    after_update=lambda _before, after, context: _apply_adopted(after, context),
    references=(
        Reference(
            body_path="VpcId",
            kind="ec2:Vpc",
            missing_code=VPC_REFERENCE.missing_code,
            missing_message=VPC_REFERENCE.missing_message,
            holds=False,
        ),
    ),
    to_state=_adopted_state,
)
BINDINGS = (SECURITY_GROUP, INGRESS_RULE, EGRESS_RULE, DEFAULT_SECURITY_GROUP)
