"""Account quotas. The defaults are AWS's own, except vCPUs: those are of an account that was granted GPU capacity.

A test, or a user of a rehearsal, lowers or raises one by the account setting ``quota:<name>``, for example
``quota:ec2:vpcs``. Source of the defaults: Service Quotas reference pages of VPC, EC2, EKS, FSx, IAM and S3.
"""

from typing import NoReturn

from local.cloud.aws.common import refuse
from local.cloud.model import Account

DEFAULTS: dict[str, int] = {
    "ec2:vpcs": 5,
    "ec2:internet-gateways": 5,
    "ec2:subnets-per-vpc": 200,
    "ec2:elastic-ips": 5,
    "ec2:nat-gateways-per-zone": 5,
    "ec2:route-tables-per-vpc": 200,
    "ec2:routes-per-table": 500,
    "ec2:security-groups": 2500,
    "ec2:rules-per-security-group": 60,
    "ec2:interface-endpoints-per-vpc": 50,
    "ec2:gateway-endpoints": 20,
    "ec2:placement-groups": 500,
    "eks:clusters": 100,
    "eks:node-groups-per-cluster": 30,
    "eks:nodes-per-node-group": 450,
    "autoscaling:scheduled-actions-per-group": 125,
    "fsx:lustre-file-systems": 100,
    "iam:policies-per-role": 10,
    "iam:roles": 1000,
    "s3:buckets": 10_000,
    # A new account has 5 standard vCPUs and no P vCPU at all: nobody gets a p5 before support has raised this.
    "ec2:vcpus-standard": 1152,
    "ec2:vcpus-p": 6144,
    "ec2:vcpus-g": 1536,
    "ec2:vcpus-trn": 1536,
    "ec2:vcpus-inf": 768,
    "ec2:vcpus-dl": 384,
    "ec2:vcpus-f": 384,
    "ec2:vcpus-x": 384,
}
_BUCKETS = ("trn", "inf", "dl", "p", "g", "vt", "f", "x")


def quota(account: Account, name: str) -> int:
    """The account's limit: its setting ``quota:<name>``, else the default."""
    return int(account.setting(f"quota:{name}", DEFAULTS[name]))


def exceeded(code: str, message: str) -> NoReturn:
    """Refuse because a quota is used up; EC2 and most others answer with status 400."""
    refuse(code, message)


def vcpu_bucket(instance_type: str) -> str:
    """The vCPU quota that counts a type: EC2 groups them by the letters of the family (``p5en`` counts for P)."""
    letters = "".join(character for character in instance_type.split(".", maxsplit=1)[0] if not character.isdigit())
    family = next((bucket for bucket in _BUCKETS if letters.startswith(bucket)), "standard")
    return "ec2:vcpus-" + ("g" if family == "vt" else family)
