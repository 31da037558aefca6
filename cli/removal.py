"""Deletes one object of an account by its ARN through boto3; each call refuses as the service does."""

from collections.abc import Callable, Mapping
from typing import Any, Final

Clients = Callable[[str], Any]
"""A boto3 client by service name."""

_EC2: Final[Mapping[str, tuple[str, str]]] = {
    "capacity-reservation": ("cancel_capacity_reservation", "CapacityReservationId"),
    "elastic-ip": ("release_address", "AllocationId"),
    "launch-template": ("delete_launch_template", "LaunchTemplateId"),
    "natgateway": ("delete_nat_gateway", "NatGatewayId"),
    "network-interface": ("delete_network_interface", "NetworkInterfaceId"),
    "placement-group": ("delete_placement_group", "GroupName"),
    "security-group": ("delete_security_group", "GroupId"),
    "subnet": ("delete_subnet", "SubnetId"),
    "vpc": ("delete_vpc", "VpcId"),
}
"""Resource type of the ARN -> method and parameter, where one call does it."""


class UnknownKindError(Exception):
    """Nothing here deletes such an object: a person must."""


def delete(arn: str, clients: Clients) -> None:
    """Delete the object, and first what only it holds (a role's policies, a table's associations, objects).

    Raises:
        UnknownKindError: no call is known for its kind.
        botocore.exceptions.ClientError: the service refused.
    """
    service, rest = arn.split(":", 5)[2], arn.split(":", 5)[5]
    act = {"ec2": _ec2, "eks": _eks, "fsx": _fsx, "iam": _iam, "logs": _logs, "s3": _s3}.get(service)
    if act is None:
        raise UnknownKindError(f"{arn}: nothing here deletes objects of {service}")
    act(rest, clients(service))


def _ec2(rest: str, ec2: Any) -> None:
    kind, _, name = rest.partition("/")
    if kind in _EC2:
        method, parameter = _EC2[kind]
        getattr(ec2, method)(**{parameter: name})
    elif kind == "route-table":
        (table,) = ec2.describe_route_tables(RouteTableIds=[name])["RouteTables"]
        for one in table["Associations"]:
            if not one["Main"]:
                ec2.disassociate_route_table(AssociationId=one["RouteTableAssociationId"])
        ec2.delete_route_table(RouteTableId=name)
    elif kind == "internet-gateway":
        (gateway,) = ec2.describe_internet_gateways(InternetGatewayIds=[name])["InternetGateways"]
        for one in gateway["Attachments"]:
            ec2.detach_internet_gateway(InternetGatewayId=name, VpcId=one["VpcId"])
        ec2.delete_internet_gateway(InternetGatewayId=name)
    elif kind in {"vpc-endpoint", "vpc-flow-log"}:
        endpoint = kind == "vpc-endpoint"
        answer = (
            ec2.delete_vpc_endpoints(VpcEndpointIds=[name]) if endpoint else ec2.delete_flow_logs(FlowLogIds=[name])
        )
        _all_done(answer["Unsuccessful"], kind)
    else:
        raise UnknownKindError(f"{rest}: nothing here deletes an EC2 {kind}")


def _all_done(failed: list[dict[str, Any]], operation: str) -> None:
    from botocore.exceptions import ClientError

    if failed:
        raise ClientError({"Error": failed[0]["Error"]}, operation)


def _eks(rest: str, eks: Any) -> None:
    kind, cluster, *names = rest.split("/")
    if kind == "cluster":
        eks.delete_cluster(name=cluster)
    elif kind == "nodegroup":
        eks.delete_nodegroup(clusterName=cluster, nodegroupName=names[0])
    elif kind == "addon":
        eks.delete_addon(clusterName=cluster, addonName=names[0])
    else:
        raise UnknownKindError(f"{rest}: nothing here deletes an EKS {kind}; it goes with its cluster")


def _fsx(rest: str, fsx: Any) -> None:
    kind, *names = rest.split("/")
    if kind == "association":
        fsx.delete_data_repository_association(AssociationId=names[-1])
    else:
        fsx.delete_file_system(FileSystemId=names[0])


def _iam(rest: str, iam: Any) -> None:
    kind, name = rest.partition("/")[0], rest.rpartition("/")[2]
    if kind != "role":
        raise UnknownKindError(f"{rest}: nothing here deletes an IAM {kind}")
    for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=name):
        for one in page["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=name, PolicyArn=one["PolicyArn"])
    for page in iam.get_paginator("list_role_policies").paginate(RoleName=name):
        for policy in page["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def _logs(rest: str, logs: Any) -> None:
    logs.delete_log_group(logGroupName=rest.removeprefix("log-group:").removesuffix(":*"))


def _s3(bucket: str, s3: Any) -> None:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if found:
            objects = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
            s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
    s3.delete_bucket(Bucket=bucket)
