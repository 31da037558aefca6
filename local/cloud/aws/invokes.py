"""Data sources. Each answers from the account or from AWS's own tables; there is no other, and none is made up."""

from collections.abc import Iterable

from local.cloud.aws.common import joined, refuse
from local.cloud.aws.ec2_capacity import offerings
from local.cloud.aws.eks_cluster import DEPLOYER_ROLE
from local.cloud.aws.facts import Zone, offered_types, offered_zone_ids, raw_instance, zone_name, zones
from local.cloud.model import Account, Invoke
from local.cloud.values import Json

LOCATION_TYPES = ("region", "availability-zone", "availability-zone-id")
REGION_NAMES = {
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-2": "US West (Oregon)",
    "eu-west-1": "Europe (Ireland)",
    "eu-central-1": "Europe (Frankfurt)",
    "eu-north-1": "Europe (Stockholm)",
    "ap-northeast-1": "Asia Pacific (Tokyo)",
}


def _filters(arguments: dict[str, Json], names: Iterable[str]) -> dict[str, set[str]]:
    known = set(names)
    found: dict[str, set[str]] = {}
    for item in arguments.get("filters") or []:
        if item["name"] not in known:
            refuse(
                "InvalidParameterValue", f"The filter '{item['name']}' is invalid; known are {joined(sorted(known))}"
            )
        found[item["name"]] = set(item["values"])
    return found


def caller_identity(_arguments: dict[str, Json], account: Account) -> dict[str, Json]:
    """STS GetCallerIdentity: the simulated deployer."""
    return {
        "accountId": account.account_id,
        "arn": f"arn:aws:sts::{account.account_id}:assumed-role/{DEPLOYER_ROLE}/simulated",
        "userId": "AROASIMULATEDDEPLOYER:simulated",
        "id": account.account_id,
    }


def partition(_arguments: dict[str, Json], account: Account) -> dict[str, Json]:
    """The partition of the account's region."""
    china = account.region.startswith("cn-")
    name = "aws-cn" if china else "aws-us-gov" if account.region.startswith("us-gov-") else "aws"
    suffix = "amazonaws.com.cn" if china else "amazonaws.com"
    reverse = ".".join(reversed(suffix.split(".")))
    return {"partition": name, "dnsSuffix": suffix, "reverseDnsPrefix": reverse, "id": name}


def region(arguments: dict[str, Json], account: Account) -> dict[str, Json]:
    """The provider's region, or a named one."""
    name = arguments.get("region") or arguments.get("name") or account.region
    if not zones(name):
        refuse("InvalidParameterValue", f"no matching EC2 Region found: {name}")
    return {
        "name": name,
        "region": name,
        "id": name,
        "description": REGION_NAMES.get(name, name),
        "endpoint": f"ec2.{name}.amazonaws.com",
    }


def availability_zones(arguments: dict[str, Json], account: Account) -> dict[str, Json]:
    """EC2 DescribeAvailabilityZones."""
    where = arguments.get("region") or account.region
    wanted = _filters(arguments, ("zone-name", "zone-id", "region-name", "state", "opt-in-status", "zone-type"))
    excluded = {*(arguments.get("excludeNames") or []), *(arguments.get("excludeZoneIds") or [])}

    def kept(zone: Zone) -> bool:
        facts = {
            "zone-name": zone.name,
            "zone-id": zone.zone_id,
            "region-name": where,
            "state": "available",
            "opt-in-status": "opt-in-not-required",
            "zone-type": "availability-zone",
        }
        return not {zone.name, zone.zone_id} & excluded and all(facts[key] in values for key, values in wanted.items())

    found = [zone for zone in zones(where) if kept(zone)]
    if arguments.get("state") not in (None, "available"):
        found = []
    return {
        **arguments,
        "names": [zone.name for zone in found],
        "zoneIds": [zone.zone_id for zone in found],
        "groupNames": [where] if found else [],
        "region": where,
        "id": where,
    }


def _offers(arguments: dict[str, Json], account: Account) -> list[tuple[str, str]]:
    kind = arguments.get("locationType") or "region"
    if kind not in LOCATION_TYPES:
        refuse("InvalidParameterValue", f"The location type '{kind}' is invalid; known are {joined(LOCATION_TYPES)}")
    where = arguments.get("region") or account.region
    wanted = _filters(arguments, ("instance-type", "location"))
    names = wanted.get("instance-type")
    pairs: list[tuple[str, str]] = []
    for name in sorted(names) if names is not None else offered_types(where):
        identifiers = sorted(offered_zone_ids(where, name))
        places = {
            "region": [where] if identifiers else [],
            "availability-zone": [zone_name(where, item) or item for item in identifiers],
            "availability-zone-id": identifiers,
        }[kind]
        pairs += [(name, place) for place in sorted(places)]
    places_wanted = wanted.get("location")
    return [pair for pair in pairs if places_wanted is None or pair[1] in places_wanted]


def instance_type_offerings(arguments: dict[str, Json], account: Account) -> dict[str, Json]:
    """EC2 DescribeInstanceTypeOfferings, all matches."""
    found = _offers(arguments, account)
    kind = arguments.get("locationType") or "region"
    return {
        **arguments,
        "instanceTypes": [name for name, _ in found],
        "locations": [place for _, place in found],
        "locationTypes": [kind for _ in found],
        "region": account.region,
        "id": account.region,
    }


def instance_type_offering(arguments: dict[str, Json], account: Account) -> dict[str, Json]:
    """EC2 DescribeInstanceTypeOfferings, the one match or the most preferred of several."""
    found = _offers(arguments, account)
    names = list(dict.fromkeys(name for name, _ in found))
    preferred = next((name for name in arguments.get("preferredInstanceTypes") or [] if name in names), None)
    if not found or (preferred is None and len(names) > 1):
        refuse("InvalidParameterValue", f"{len(names)} EC2 Instance Type Offerings matched; use additional constraints")
    name = preferred or names[0]
    place = next(place for candidate, place in found if candidate == name)
    return {**arguments, "instanceType": name, "location": place, "region": account.region, "id": name}


def instance_type(arguments: dict[str, Json], account: Account) -> dict[str, Json]:
    """EC2 DescribeInstanceTypes: the members that size a pool (not the block device and CPU option details)."""
    name = arguments["instanceType"]
    row = raw_instance(name)
    if row is None:
        refuse("InvalidInstanceType", f"The following supplied instance types do not exist: [{name}]")
    network, gpus = row["NetworkInfo"], (row.get("GpuInfo") or {}).get("Gpus", [])
    return {
        "instanceType": name,
        "id": name,
        "region": account.region,
        "defaultVcpus": row["VCpuInfo"]["DefaultVCpus"],
        "defaultCores": row["VCpuInfo"].get("DefaultCores", 0),
        "defaultThreadsPerCore": row["VCpuInfo"].get("DefaultThreadsPerCore", 0),
        "memorySize": row["MemoryInfo"]["SizeInMiB"],
        "supportedArchitectures": row["ProcessorInfo"]["SupportedArchitectures"],
        "supportedPlacementStrategies": row.get("PlacementGroupInfo", {}).get("SupportedStrategies", []),
        "supportedUsagesClasses": row.get("SupportedUsageClasses", []),
        "currentGeneration": row["CurrentGeneration"],
        "bareMetal": row["BareMetal"],
        "efaSupported": network.get("EfaSupported", False),
        "efaMaximumInterfaces": network.get("EfaInfo", {}).get("MaximumEfaInterfaces", 0),
        "maximumNetworkCards": network["MaximumNetworkCards"],
        "maximumNetworkInterfaces": network["MaximumNetworkInterfaces"],
        "networkPerformance": network["NetworkPerformance"],
        "totalGpuMemory": (row.get("GpuInfo") or {}).get("TotalGpuMemoryInMiB", 0),
        "totalInstanceStorage": (row.get("InstanceStorageInfo") or {}).get("TotalSizeInGB", 0),
        "gpuses": [
            {
                "count": gpu["Count"],
                "manufacturer": gpu["Manufacturer"],
                "name": gpu["Name"],
                "memorySize": gpu.get("MemoryInfo", {}).get("SizeInMiB", 0),
            }
            for gpu in gpus
        ],
    }


def capacity_block_offering(arguments: dict[str, Json], account: Account) -> dict[str, Json]:
    """EC2 DescribeCapacityBlockOfferings over the offerings that somebody planted in the account."""
    for item in offerings(account):
        asked = (arguments.get("instanceType"), arguments.get("instanceCount"), arguments.get("capacityDurationHours"))
        held = (item["InstanceType"], item["InstanceCount"], item["CapacityBlockDurationHours"])
        if asked == held:
            return {
                **arguments,
                "capacityBlockOfferingId": item["CapacityBlockOfferingId"],
                "availabilityZone": item["AvailabilityZone"],
                "currencyCode": item["CurrencyCode"],
                "upfrontFee": item["UpfrontFee"],
                "tenancy": item["Tenancy"],
                "region": account.region,
                "id": item["CapacityBlockOfferingId"],
            }
    return refuse("InvalidParameterValue", "no matching EC2 Capacity Block Offering found")


_CALLS = {
    "aws:index/getCallerIdentity:getCallerIdentity": caller_identity,
    "aws:index/getPartition:getPartition": partition,
    "aws:index/getRegion:getRegion": region,
    "aws:index/getAvailabilityZones:getAvailabilityZones": availability_zones,
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": instance_type_offerings,
    "aws:ec2/getInstanceTypeOffering:getInstanceTypeOffering": instance_type_offering,
    "aws:ec2/getInstanceType:getInstanceType": instance_type,
    "aws:ec2/getCapacityBlockOffering:getCapacityBlockOffering": capacity_block_offering,
}
INVOKES = {token: Invoke(token=token, call=call) for token, call in _CALLS.items()}
