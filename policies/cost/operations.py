"""The cluster's control plane, logs, keys, secrets and alarms."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from policies.cost.model import HOURS_PER_MONTH, Category, Component
from policies.cost.pricing import Priced, Pricing, number
from policies.graph import Resource
from stacks.aws_facts import KUBERNETES_VERSIONS

_HOURS_PER_DAY: Final = Decimal(24)
_TEN: Final = Decimal(10)
_NEVER_EXPIRES_DAYS: Final = 365


def _cluster(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    version = str(resource.get("version", ""))
    if _extended(version, str(resource.get("upgradePolicy.supportType", "EXTENDED"))):
        yield pricing.hours(
            resource, "control plane, extended support", "eks:cluster:extended-support", assumption=f"version {version}"
        )
    else:
        yield pricing.hours(resource, "control plane", "eks:cluster")
    tier = str(resource.get("controlPlaneScalingConfig.tier", "standard"))
    if tier != "standard":
        yield pricing.hours(resource, f"provisioned control plane, {tier}", f"eks:control-plane:{tier}")
    if resource.get("computeConfig.enabled"):
        yield pricing.hours(resource, "EKS Auto Mode, on top of its nodes", "eks:auto-mode")


def _extended(version: str, support: str) -> bool:
    """Whether AWS has ended standard support of ``version``; with policy STANDARD it then upgrades by itself."""
    if support == "STANDARD" or not version:
        return False
    return _parsed(version) < _parsed(KUBERNETES_VERSIONS[0])


def _parsed(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _log_group(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    name, usage = str(resource.get("name", "")), pricing.usage
    if name.startswith("/aws/eks/"):
        monthly, setting = usage.control_plane_log_gb, "controlPlaneLogGb"
    elif name.startswith("/aws/vpc/"):
        # Delivery is billed with the flow log.
        monthly, setting = usage.flow_log_gb, ""
    else:
        monthly, setting = usage.other_log_gb, "otherLogGb"
    if setting:
        yield pricing.used(resource, "logs ingested", "logs:ingested", monthly, setting)
    days = number(resource, "retentionInDays") or Decimal(_NEVER_EXPIRES_DAYS)
    yield pricing.component(
        resource,
        "logs stored",
        "logs:stored",
        monthly * days * _HOURS_PER_DAY / HOURS_PER_MONTH,
        assumption=f"a month's logs, kept for {days:f} days; not compressed",
        usage_based=True,
    )


def _flow_log(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    if str(resource.get("logDestinationType", "cloud-watch-logs")) == "cloud-watch-logs":
        volume = pricing.usage.flow_log_gb
        yield pricing.used(resource, "flow logs delivered", "logs:ingested", volume, "flowLogGb")
        return
    volume = pricing.usage.flow_log_gb
    yield pricing.used(resource, "flow logs delivered to S3", "logs:vended:s3", volume, "flowLogGb", unit="GB")


def _key(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    yield pricing.component(
        resource, "key", "kms:key", Decimal(1), assumption="without the key material of past rotations (two at most)"
    )
    requests = pricing.usage.key_requests_thousands / _TEN
    yield pricing.component(
        resource,
        "requests",
        "kms:requests",
        requests,
        assumption=f"usage.keyRequestsThousands: {pricing.usage.key_requests_thousands.normalize():f}",
        usage_based=True,
    )


def _secret(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    yield pricing.component(resource, "secret", "secrets:secret", Decimal(1))
    thousands = pricing.usage.secret_requests_thousands
    yield pricing.component(
        resource,
        "requests",
        "secrets:requests",
        thousands / _TEN,
        assumption=f"usage.secretRequestsThousands: {thousands.normalize():f}",
        usage_based=True,
    )


def _alarm(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    yield pricing.component(resource, "alarm", "cloudwatch:alarm", Decimal(1))


_OPERATIONS: Final = Category.OPERATIONS

PRICERS: Final = {
    "aws:eks/cluster:Cluster": Priced(category=Category.CONTROL_PLANE, price=_cluster),
    "aws:cloudwatch/logGroup:LogGroup": Priced(category=_OPERATIONS, price=_log_group),
    "aws:ec2/flowLog:FlowLog": Priced(category=_OPERATIONS, price=_flow_log),
    "aws:kms/key:Key": Priced(category=_OPERATIONS, price=_key),
    "aws:secretsmanager/secret:Secret": Priced(category=_OPERATIONS, price=_secret),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Priced(category=_OPERATIONS, price=_alarm),
}
