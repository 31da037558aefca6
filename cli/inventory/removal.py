"""Deletes one object of an account through boto3; each call refuses as the service does."""

from collections.abc import Callable
from typing import Any, Final

from cli.inventory.owned import Clients, Owned

Waits = Callable[[Any, str, dict[str, Any]], None]
"""Waits with a client's waiter of that name until the object is gone."""

_EC2: Final = {
    "ec2:Address": ("release_address", "AllocationId"),
    "ec2:CapacityReservation": ("cancel_capacity_reservation", "CapacityReservationId"),
    "ec2:LaunchTemplate": ("delete_launch_template", "LaunchTemplateId"),
    "ec2:NetworkInterface": ("delete_network_interface", "NetworkInterfaceId"),
    "ec2:PlacementGroup": ("delete_placement_group", "GroupName"),
    "ec2:RouteTableAssociation": ("disassociate_route_table", "AssociationId"),
    "ec2:Subnet": ("delete_subnet", "SubnetId"),
    "ec2:Volume": ("delete_volume", "VolumeId"),
    "ec2:Vpc": ("delete_vpc", "VpcId"),
}
"""Kind -> method and parameter, where one call does it."""


class UnknownKindError(Exception):
    """Nothing here deletes such an object: a person must."""


def delete(item: Owned, clients: Clients, waits: Waits) -> None:
    """Delete the object, and first what only it holds (a role's policies, a table's associations, objects).

    Raises:
        UnknownKindError: no call is known for its kind.
        botocore.exceptions.ClientError: the service refused.
        botocore.exceptions.WaiterError: it does not go.
    """
    service, names = item.kind.partition(":")[0], item.names
    if item.kind in _EC2:
        method, parameter = _EC2[item.kind]
        getattr(clients("ec2"), method)(**{parameter: names[0]})
        return
    act = _ACTS.get(item.kind)
    if act is None:
        raise UnknownKindError(f"{item.id}: nothing here deletes a {item.kind}")
    act(clients(service), names, waits)


def _nat_gateway(ec2: Any, names: tuple[str, ...], waits: Waits) -> None:
    ec2.delete_nat_gateway(NatGatewayId=names[0])
    waits(ec2, "nat_gateway_deleted", {"NatGatewayIds": [names[0]]})


def _security_group(ec2: Any, names: tuple[str, ...], waits: Waits) -> None:
    """Other groups' rules that name it go first: a controller lets its load balancer in to the nodes."""
    del waits
    (group,) = names
    for member, egress in (("ip-permission.group-id", False), ("egress.ip-permission.group-id", True)):
        query = [{"Name": member, "Values": [group]}]
        for page in ec2.get_paginator("describe_security_groups").paginate(Filters=query):
            for other in page["SecurityGroups"]:
                if other["GroupId"] != group:
                    _revoke(ec2, other["GroupId"], naming=group, egress=egress)
    ec2.delete_security_group(GroupId=group)


def _revoke(ec2: Any, group: str, *, naming: str, egress: bool) -> None:
    query = [{"Name": "group-id", "Values": [group]}]
    rules = [
        one["SecurityGroupRuleId"]
        for page in ec2.get_paginator("describe_security_group_rules").paginate(Filters=query)
        for one in page["SecurityGroupRules"]
        if one["IsEgress"] is egress and (one.get("ReferencedGroupInfo") or {}).get("GroupId") == naming
    ]
    if rules:
        revoke = ec2.revoke_security_group_egress if egress else ec2.revoke_security_group_ingress
        revoke(GroupId=group, SecurityGroupRuleIds=rules)


def _security_group_rule(ec2: Any, names: tuple[str, ...], waits: Waits) -> None:
    del waits
    rule, group, way = names
    revoke = ec2.revoke_security_group_egress if way == "egress" else ec2.revoke_security_group_ingress
    revoke(GroupId=group, SecurityGroupRuleIds=[rule])


def _route(ec2: Any, names: tuple[str, ...], waits: Waits) -> None:
    del waits
    table, member, destination = names
    ec2.delete_route(RouteTableId=table, **{member: destination})


def _route_table(ec2: Any, names: tuple[str, ...], waits: Waits) -> None:
    del waits
    (table,) = ec2.describe_route_tables(RouteTableIds=[names[0]])["RouteTables"]
    for one in table["Associations"]:
        if not one["Main"]:
            ec2.disassociate_route_table(AssociationId=one["RouteTableAssociationId"])
    ec2.delete_route_table(RouteTableId=names[0])


def _internet_gateway(ec2: Any, names: tuple[str, ...], waits: Waits) -> None:
    del waits
    (gateway,) = ec2.describe_internet_gateways(InternetGatewayIds=[names[0]])["InternetGateways"]
    for one in gateway["Attachments"]:
        ec2.detach_internet_gateway(InternetGatewayId=names[0], VpcId=one["VpcId"])
    ec2.delete_internet_gateway(InternetGatewayId=names[0])


def _vpc_endpoint(ec2: Any, names: tuple[str, ...], waits: Waits) -> None:
    del waits
    _all_done(ec2.delete_vpc_endpoints(VpcEndpointIds=[names[0]])["Unsuccessful"], "DeleteVpcEndpoints")


def _flow_log(ec2: Any, names: tuple[str, ...], waits: Waits) -> None:
    del waits
    _all_done(ec2.delete_flow_logs(FlowLogIds=[names[0]])["Unsuccessful"], "DeleteFlowLogs")


def _all_done(failed: list[dict[str, Any]], operation: str) -> None:
    from botocore.exceptions import ClientError

    if failed:
        raise ClientError({"Error": failed[0]["Error"]}, operation)


def _cluster(eks: Any, names: tuple[str, ...], waits: Waits) -> None:
    eks.delete_cluster(name=names[0])
    waits(eks, "cluster_deleted", {"name": names[0]})


def _nodegroup(eks: Any, names: tuple[str, ...], waits: Waits) -> None:
    asked = {"clusterName": names[0], "nodegroupName": names[1]}
    eks.delete_nodegroup(**asked)
    waits(eks, "nodegroup_deleted", asked)


def _addon(eks: Any, names: tuple[str, ...], waits: Waits) -> None:
    asked = {"clusterName": names[0], "addonName": names[1]}
    eks.delete_addon(**asked)
    waits(eks, "addon_deleted", asked)


def _access_entry(eks: Any, names: tuple[str, ...], waits: Waits) -> None:
    del waits
    eks.delete_access_entry(clusterName=names[0], principalArn=names[1])


def _access_policy(eks: Any, names: tuple[str, ...], waits: Waits) -> None:
    del waits
    eks.disassociate_access_policy(clusterName=names[0], principalArn=names[1], policyArn=names[2])


def _pod_identity(eks: Any, names: tuple[str, ...], waits: Waits) -> None:
    del waits
    eks.delete_pod_identity_association(clusterName=names[0], associationId=names[1])


def _association(fsx: Any, names: tuple[str, ...], waits: Waits) -> None:
    del waits
    fsx.delete_data_repository_association(AssociationId=names[0])


def _file_system(fsx: Any, names: tuple[str, ...], waits: Waits) -> None:
    del waits
    fsx.delete_file_system(FileSystemId=names[0])


def _role(iam: Any, names: tuple[str, ...], waits: Waits) -> None:
    del waits
    (name,) = names
    for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=name):
        for one in page["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=name, PolicyArn=one["PolicyArn"])
    for page in iam.get_paginator("list_role_policies").paginate(RoleName=name):
        for policy in page["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def _attached_policy(iam: Any, names: tuple[str, ...], waits: Waits) -> None:
    del waits
    iam.detach_role_policy(RoleName=names[0], PolicyArn=names[1])


def _role_policy(iam: Any, names: tuple[str, ...], waits: Waits) -> None:
    del waits
    iam.delete_role_policy(RoleName=names[0], PolicyName=names[1])


def _policy(iam: Any, names: tuple[str, ...], waits: Waits) -> None:
    del waits
    iam.delete_policy(PolicyArn=names[0])


def _alias(kms: Any, names: tuple[str, ...], waits: Waits) -> None:
    del waits
    kms.delete_alias(AliasName=names[0])


def _log_group(logs: Any, names: tuple[str, ...], waits: Waits) -> None:
    del waits
    logs.delete_log_group(logGroupName=names[0])


def _bucket(s3: Any, names: tuple[str, ...], waits: Waits) -> None:
    del waits
    (bucket,) = names
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if found:
            objects = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
            s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
    s3.delete_bucket(Bucket=bucket)


def _classic_balancer(elb: Any, names: tuple[str, ...], waits: Waits) -> None:
    del waits
    elb.delete_load_balancer(LoadBalancerName=names[0])


def _balancer(elbv2: Any, names: tuple[str, ...], waits: Waits) -> None:
    elbv2.delete_load_balancer(LoadBalancerArn=names[0])
    waits(elbv2, "load_balancers_deleted", {"LoadBalancerArns": [names[0]]})


def _target_group(elbv2: Any, names: tuple[str, ...], waits: Waits) -> None:
    del waits
    elbv2.delete_target_group(TargetGroupArn=names[0])


def _scheduled_action(autoscaling: Any, names: tuple[str, ...], waits: Waits) -> None:
    del waits
    asked = {"AutoScalingGroupName": names[0], "ScheduledActionNames": [names[1]]}
    # Looked for first: an action that went with its group is refused under a code that means anything.
    if autoscaling.describe_scheduled_actions(**asked)["ScheduledUpdateGroupActions"]:
        autoscaling.delete_scheduled_action(AutoScalingGroupName=names[0], ScheduledActionName=names[1])


def _budget(budgets: Any, names: tuple[str, ...], waits: Waits) -> None:
    del waits
    budgets.delete_budget(AccountId=names[0], BudgetName=names[1])


def _monitor(ce: Any, names: tuple[str, ...], waits: Waits) -> None:
    del waits
    ce.delete_anomaly_monitor(MonitorArn=names[0])


def _subscription(ce: Any, names: tuple[str, ...], waits: Waits) -> None:
    del waits
    ce.delete_anomaly_subscription(SubscriptionArn=names[0])


_ACTS: Final[dict[str, Callable[[Any, tuple[str, ...], Waits], None]]] = {
    "autoscaling:ScheduledUpdateGroupAction": _scheduled_action,
    "budgets:Budget": _budget,
    "ce:AnomalyMonitor": _monitor,
    "ce:AnomalySubscription": _subscription,
    "ec2:FlowLog": _flow_log,
    "ec2:InternetGateway": _internet_gateway,
    "ec2:NatGateway": _nat_gateway,
    "ec2:Route": _route,
    "ec2:RouteTable": _route_table,
    "ec2:SecurityGroup": _security_group,
    "ec2:SecurityGroupRule": _security_group_rule,
    "ec2:VpcEndpoint": _vpc_endpoint,
    "eks:AccessEntry": _access_entry,
    "eks:AccessPolicyAssociation": _access_policy,
    "eks:Addon": _addon,
    "eks:Cluster": _cluster,
    "eks:Nodegroup": _nodegroup,
    "eks:PodIdentityAssociation": _pod_identity,
    "elb:LoadBalancer": _classic_balancer,
    "elbv2:LoadBalancer": _balancer,
    "elbv2:TargetGroup": _target_group,
    "fsx:DataRepositoryAssociation": _association,
    "fsx:FileSystem": _file_system,
    "iam:AttachedPolicy": _attached_policy,
    "iam:Policy": _policy,
    "iam:Role": _role,
    "iam:RolePolicy": _role_policy,
    "kms:Alias": _alias,
    "logs:LogGroup": _log_group,
    "s3:Bucket": _bucket,
}
