"""Machines and zones that are lost, and what the platform must do about it by itself."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cli.rehearsal.driver import Driver
from cli.rehearsal.report import Reason, Stage
from cli.terminal import counted
from local.cloud.faults import Fault, FaultType
from local.cloud.model import CloudObject
from local.cloud.store import SqliteStore
from local.cluster.cloud_facts import INSTANCE, NODE_GROUP, SUBNET
from local.cluster.instances import ZONE, instances_of, terminate

_POLL_SECONDS: Final = 0.5
_FOR_EVER: Final = 1_000_000
"""Launches that a lost zone refuses: until the fault is taken away."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """A node group as it stands."""

    name: str
    wanted: int
    zones: frozenset[str]
    """Where it may be."""
    placed: tuple[str, ...]
    """The zone of each instance."""
    instances: frozenset[str]

    def outside(self, zone: str) -> int:
        """Instances that are not in ``zone``."""
        return sum(where != zone for where in self.placed)


def lose_instance(driver: Driver, stage: Stage, *, within_seconds: float) -> None:
    """Terminate the newest instance; another one must come in its place."""
    with driver.account() as store:
        there = store.find(INSTANCE)
        terminate(store, there[-1:])
    if not there:
        stage.note("no instance runs")
        return
    doomed = there[-1]
    stage.hit(f"terminated: {doomed.id}, {doomed.body['InstanceType']} in {_zone(doomed)}, of {len(there)} instances")
    if not within(within_seconds, lambda: _whole(driver, gone={doomed.id})):
        driver.report.find(Reason.NOT_READY, f"no instance came in the place of {doomed.id}", stage)


def lose_zone(driver: Driver, stage: Stage, *, within_seconds: float) -> None:
    """End every instance of the zone that has the most, and let nothing start there.

    Pools that span other zones must stand there; the others wait, and must be whole when the zone is back.
    """
    spread = _spread(driver)
    with driver.account() as store:
        before = pools(store)
        zone = _most(before)
        if not zone:
            stage.note("no instance runs")
            return
        lost = Fault(
            type=FaultType.CAPACITY,
            operation="RunInstances",
            kind=INSTANCE,
            count=_FOR_EVER,
            parameters={ZONE: zone},
        )
        fault = store.add_fault(lost)
        doomed = [item for item in store.find(INSTANCE) if _zone(item) == zone]
        terminate(store, doomed)
    stage.hit(f"lost: {zone} with {counted(len(doomed), 'instance')}; nothing can be launched there")
    moving = [pool for pool in before if (spread.get(pool.name) or pool.zones) - {zone}]
    try:
        within(within_seconds, lambda: not _short(driver, moving, zone))
        for pool, number in _short(driver, moving, zone):
            what = f"pool {pool.name} has {number} of {pool.wanted} nodes outside {zone} while that is lost"
            driver.report.find(Reason.NOT_READY, what, stage)
        _tell(before, moving, zone, stage)
    finally:
        with driver.account() as store:
            store.clear_faults(fault)
    if not within(within_seconds, lambda: _whole(driver, gone={item.id for item in doomed})):
        driver.report.find(Reason.NOT_READY, f"not every pool is whole after {zone} came back", stage)


def _tell(before: Sequence[Pool], moving: Sequence[Pool], zone: str, stage: Stage) -> None:
    waiting = [pool.name for pool in before if pool not in moving and zone in pool.placed]
    if moving:
        stage.recovered(f"meanwhile in other zones: {', '.join(pool.name for pool in moving)}")
    if waiting:
        stage.recovered(f"once {zone} was back, their only zone: {', '.join(waiting)}")


def pools(store: SqliteStore) -> list[Pool]:
    """Every node group of the account."""
    zones = {item.id: str(item.body.get("AvailabilityZone", "")) for item in store.find(SUBNET)}
    found = []
    for group in store.find(NODE_GROUP):
        name = str(group.body["nodegroupName"])
        instances = instances_of(store, str(group.body["clusterName"]), name)
        found.append(
            Pool(
                name=str((group.body.get("tags") or {}).get("slipway:resource", name)),
                wanted=int((group.body.get("scalingConfig") or {}).get("desiredSize", 0)),
                zones=frozenset(zones.get(str(subnet), "") for subnet in group.body.get("subnets") or ()),
                placed=tuple(_zone(item) for item in instances),
                instances=frozenset(item.id for item in instances),
            )
        )
    return found


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    """Whether it holds before ``seconds`` have passed."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _spread(driver: Driver) -> dict[str, set[str]]:
    """The zones of each pool by the settings: what the program was asked for, whatever it made of it."""
    settings = driver.stack.settings
    zones = getattr(getattr(settings.place, "network", None), "zones", ())
    return {pool.name: set(pool.zones or zones) for pool in settings.pools}


def _most(there: Sequence[Pool]) -> str:
    placed = [zone for pool in there for zone in pool.placed]
    return max(sorted(set(placed)), key=placed.count, default="")


def _short(driver: Driver, moving: Sequence[Pool], zone: str) -> list[tuple[Pool, int]]:
    """Pools of ``moving`` that do not have all their nodes outside ``zone``, with how many they have."""
    names = {pool.name for pool in moving}
    with driver.account() as store:
        now = pools(store)
    return [(pool, pool.outside(zone)) for pool in now if pool.name in names and pool.outside(zone) < pool.wanted]


def _whole(driver: Driver, *, gone: set[str]) -> bool:
    with driver.account() as store:
        return all(len(pool.placed) >= pool.wanted and not pool.instances & gone for pool in pools(store))


def _zone(instance: CloudObject) -> str:
    return str(instance.body["Placement"]["AvailabilityZone"])
