"""Where a stack lives: one model per cloud, told apart by ``cloud``."""

from typing import Annotated, Any, Literal, NoReturn, TypeAlias

from pydantic import ConfigDict, Field, model_validator

from stacks.fields import AwsAccountId, AwsRegion, AwsRoleArn, AwsZone, Flag, LogRetentionDays, Section, VpcCidr
from stacks.problems import refusal


class AwsNetwork(Section):
    """The VPC of the stack."""

    cidr: VpcCidr
    """Divided by ``components/cidr.py``: every zone gets one private and one public subnet."""
    zones: Annotated[tuple[AwsZone, ...], Field(min_length=2, max_length=6)]
    """Availability zones by name; EKS needs two at least."""
    nat_per_zone: Flag = True
    """One NAT gateway per zone (no traffic between zones, survives the loss of one), or a single one (cheaper)."""
    interface_endpoints: Flag = True
    """Private endpoints for the AWS APIs that nodes and add-ons call, besides the free one for S3."""
    flow_log_retention_days: LogRetentionDays = 90


class AwsPlace(Section):
    """One account and region of AWS."""

    cloud: Literal["aws"]
    account_id: AwsAccountId
    """The provider refuses every other account. ``000000000000`` marks a simulation."""
    region: AwsRegion
    deployer_role_arn: AwsRoleArn
    """The role that deploys, and so an administrator of the cluster."""
    assume_role: Flag = True
    """Whether the caller's credentials assume that role first; false where the caller already is it."""
    network: AwsNetwork


class _NotBuilt(Section):
    """A place that the architecture has room for and that nothing builds yet."""

    model_config = ConfigDict(extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _refuse(cls, data: Any) -> NoReturn:
        cloud = data.get("cloud") if isinstance(data, dict) else data
        raise refusal(
            "place-not-built",
            f"the place {cloud} is not built yet",
            allowed="aws",
            fix="use aws, or wait for the release whose changelog names it",
            at=("cloud",),
        )


class GcpPlace(_NotBuilt):
    """One project and region of Google Cloud."""

    cloud: Literal["gcp"]


class AzurePlace(_NotBuilt):
    """One subscription and region of Azure."""

    cloud: Literal["azure"]


class OnPremisesPlace(_NotBuilt):
    """A cluster that somebody else built and runs."""

    cloud: Literal["onprem"]


Place: TypeAlias = Annotated[AwsPlace | GcpPlace | AzurePlace | OnPremisesPlace, Field(discriminator="cloud")]
