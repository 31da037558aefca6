"""Whether a zone offers an instance type, as far as that can be known here."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from cli.init_document import simulated

Clients = Callable[[str], Any]
_UNKNOWN: Final = "whether {zone} offers {type} is not known here: {reason}"


def told(answers: Mapping[str, str], clients: Clients | None = None) -> str:
    """One sentence about the GPU type in the zone that gets it: the first of the answers' zones.

    Args:
        answers: Those of ``slipway init``.
        clients: boto3 clients by service name; by default from the caller's own credentials, with short timeouts.
    """
    region, zone, kind = answers["region"], answers["zones"].split(",")[0].strip(), answers["gpu_type"]
    if simulated(answers):
        from local.cloud.aws.facts import offered_zone_ids, zone_name

        names = {name for item in offered_zone_ids(region, kind) if (name := zone_name(region, item)) is not None}
        return _judged(zone, kind, names, "the simulated account")
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        make = clients or _own(region)
        caller = make("sts").get_caller_identity()["Account"]
        if caller != answers["account"]:
            reason = f"your credentials are of account {caller}, where the name may mean another zone"
            return _UNKNOWN.format(zone=zone, type=kind, reason=reason)
        found = make("ec2").describe_instance_type_offerings(
            LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": [kind]}]
        )["InstanceTypeOfferings"]
    except (BotoCoreError, ClientError) as error:
        return _UNKNOWN.format(zone=zone, type=kind, reason=str(error).rstrip("."))
    return _judged(zone, kind, {item["Location"] for item in found}, f"account {caller}")


def _judged(zone: str, kind: str, offered: Collection[str], whose: str) -> str:
    if zone in offered:
        return f"{zone} offers {kind} to {whose}; that says nothing about free capacity"
    others = f"these do: {', '.join(sorted(offered))}" if offered else "no zone of the region does"
    return f"{zone} does not offer {kind} to {whose}, {others}: put another zone first"


def _own(region: str) -> Clients:
    import boto3
    from botocore.config import Config

    session = boto3.Session(region_name=region)
    config = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 1})
    return lambda service: session.client(service, config=config)
