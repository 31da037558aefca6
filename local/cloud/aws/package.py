"""AWS as the simulator sees it: all bindings, rules and data sources of ``pulumi_aws``."""

from local.cloud.aws import (
    autoscaling,
    billing,
    ec2_capacity,
    ec2_capacity_rules,
    ec2_endpoints,
    ec2_endpoints_rules,
    ec2_nat,
    ec2_network,
    ec2_network_rules,
    ec2_routes,
    ec2_routes_rules,
    ec2_security,
    ec2_security_rules,
    ec2_templates,
    eks_access,
    eks_access_rules,
    eks_capacity_rules,
    eks_cluster,
    eks_cluster_rules,
    eks_launch_rules,
    eks_nodes,
    eks_nodes_rules,
    fsx,
    fsx_link_rules,
    fsx_rules,
    iam,
    iam_rules,
    kms,
    kms_rules,
    logs,
    s3,
    s3_rules,
)
from local.cloud.aws.common import refuse
from local.cloud.aws.invokes import INVOKES
from local.cloud.model import CloudPackage
from local.cloud.values import Json, contains_unknown
from local.paths import SIMULATED_ACCOUNT_ID

_BOUND = (
    ec2_network,
    ec2_nat,
    ec2_routes,
    ec2_security,
    ec2_endpoints,
    ec2_templates,
    ec2_capacity,
    eks_cluster,
    eks_nodes,
    eks_access,
    autoscaling,
    iam,
    kms,
    logs,
    fsx,
    s3,
    billing,
)
_RULED = (
    ec2_network_rules,
    ec2_routes_rules,
    ec2_security_rules,
    ec2_endpoints_rules,
    ec2_capacity_rules,
    eks_cluster_rules,
    eks_nodes_rules,
    eks_launch_rules,
    eks_capacity_rules,
    eks_access_rules,
    autoscaling,
    iam_rules,
    kms_rules,
    logs,
    fsx_rules,
    fsx_link_rules,
    s3_rules,
    billing,
)
SERVICE_NAMES = {
    "ec2": "EC2",
    "eks": "EKS",
    "autoscaling": "Auto Scaling",
    "iam": "IAM",
    "kms": "KMS",
    "logs": "CloudWatch Logs",
    "fsx": "FSx",
    "s3": "S3",
    "budgets": "Budgets",
    "ce": "Cost Explorer",
}
THROTTLING = {
    "ec2": ("RequestLimitExceeded", "Request limit exceeded."),
    "eks": ("TooManyRequestsException", "Too Many Requests"),
    "iam": ("Throttling", "Rate exceeded"),
    "s3": ("SlowDown", "Please reduce your request rate."),
}


def configure(config: dict[str, Json]) -> None:
    """Refuse a provider configuration that is not marked as a simulation's.

    Raises:
        ApiError: ``allowedAccountIds`` is anything but the simulated account alone.
    """
    allowed = config.get("allowedAccountIds")
    if not contains_unknown(allowed) and allowed == [SIMULATED_ACCOUNT_ID]:
        return
    given = "unknown" if contains_unknown(allowed) else f"{allowed!r}"
    refuse(
        "SimulationOnly",
        f"this aws plugin simulates AWS and serves only stacks that are marked as simulated: the provider's "
        f'allowedAccountIds must be exactly ["{SIMULATED_ACCOUNT_ID}"] (slipway:place.accountId: '
        f'"{SIMULATED_ACCOUNT_ID}" in the stack\'s settings), got {given}; for a real account use the real plugin',
    )


PACKAGE = CloudPackage(
    name="aws",
    sdk="pulumi_aws",
    bindings={binding.token: binding for module in _BOUND for binding in module.BINDINGS},
    rules=tuple(rule for module in _RULED for rule in module.RULES),
    invokes=INVOKES,
    configure=configure,
    seed=iam.seed,
    service_names=SERVICE_NAMES,
    throttling=THROTTLING,
)
