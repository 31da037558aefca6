"""Everything that the simulator knows of AWS."""

from local.cloud.aws import (
    ec2_capacity,
    ec2_capacity_rules,
    ec2_endpoints,
    ec2_endpoints_rules,
    ec2_network,
    ec2_network_rules,
    ec2_routes,
    ec2_routes_rules,
    ec2_security,
    ec2_security_rules,
    ec2_templates,
    eks_access,
    eks_access_rules,
    eks_cluster,
    eks_cluster_rules,
    eks_launch_rules,
    eks_nodes,
    eks_nodes_rules,
    fsx,
    iam,
    iam_rules,
    kms,
    kms_rules,
    logs,
    s3,
    s3_rules,
)
from local.cloud.model import CloudPackage

_BINDINGS = (
    ec2_network, ec2_routes, ec2_security, ec2_endpoints, ec2_templates, ec2_capacity,
    eks_cluster, eks_nodes, eks_access, iam, kms, logs, fsx, s3,
)
_RULES = (
    ec2_network_rules, ec2_routes_rules, ec2_security_rules, ec2_endpoints_rules, ec2_capacity_rules,
    eks_cluster_rules, eks_nodes_rules, eks_launch_rules, eks_access_rules, iam_rules, kms_rules, logs, s3_rules,
)

PACKAGE = CloudPackage(
    name="aws",
    sdk="pulumi_aws",
    bindings={binding.token: binding for module in _BINDINGS for binding in module.BINDINGS},
    rules=[rule for module in _RULES for rule in module.RULES],
    invokes={},
    seed=iam.seed,
    service_names={"ec2": "EC2", "eks": "EKS", "iam": "IAM", "kms": "KMS", "s3": "S3", "fsx": "FSx", "logs": "CloudWatch Logs"},
)
