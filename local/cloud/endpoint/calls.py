"""All handlers: importing this module registers them."""

from local.cloud.endpoint import autoscaling, billing, ec2, ec2_writes, eks, elb, fsx, iam, kms, logs, s3, sts, tagging

__all__ = [
    "autoscaling",
    "billing",
    "ec2",
    "ec2_writes",
    "eks",
    "elb",
    "fsx",
    "iam",
    "kms",
    "logs",
    "s3",
    "sts",
    "tagging",
]
