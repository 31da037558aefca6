"""Device plugins, Kueue and teams' namespaces of a stack on a cluster that is there already.

``QUEUES`` is a JSON document: kubeconfig, mirror, pool, instanceType, nodes, unassigned, and teams, each with
namespace, nodes, borrowing and optionally lending.
"""

import json
import os
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.accelerators import instance
from components.aws.fabric import fabric_profile
from components.aws.node_group import POOL_LABEL
from components.kubernetes.device_plugins import DevicePlugins, DevicePluginsArgs
from components.kubernetes.namespaces import TeamNamespace, TeamNamespaceArgs
from components.kubernetes.queue_objects import TeamShare
from components.kubernetes.queueing import Queueing, QueueingArgs
from components.kubernetes.team_queue import TeamQueue, TeamQueueArgs
from components.outputs import PoolOutputs


def main() -> None:
    """The same components as in a stack, on the pool that the test made."""
    given = json.loads(os.environ["QUEUES"])
    provider = k8s.Provider("cluster", kubeconfig=given["kubeconfig"], cluster_identifier="alpha")
    opts = pulumi.ResourceOptions(provider=provider, providers={"kubernetes": provider})
    pool = _pool(given)
    plugins = DevicePlugins("devices", DevicePluginsArgs(pools=[pool], charts_mirror=given["mirror"]), opts)
    queueing = Queueing(
        "queueing",
        QueueingArgs(
            pools=[pool],
            shares=[_share(pool.name, team) for team in given["teams"]],
            charts_mirror=given["mirror"],
            unassigned={pool.name: given["unassigned"]},
            ready=[plugins.ready],
        ),
        opts,
    )
    for team in given["teams"]:
        _team(team["namespace"], pool, queueing, opts)


def _pool(given: dict[str, Any]) -> PoolOutputs:
    machine = instance(given["instanceType"])
    return PoolOutputs(
        name=given["pool"],
        instance_type=machine.name,
        nodes=given["nodes"],
        profile=fabric_profile(machine, efa=False, node_selector={POOL_LABEL: given["pool"]}, taints=()),
        zones=("us-east-1a",),
        vcpus_per_node=machine.vcpus,
        memory_gib_per_node=machine.memory_gib,
        ready=pulumi.Output.from_input("there"),
    )


def _share(pool: str, team: dict[str, Any]) -> TeamShare:
    return TeamShare(
        team=team["namespace"],
        nodes={pool: team["nodes"]},
        borrowing={pool: team["borrowing"]},
        lending={pool: team["lending"]} if "lending" in team else {},
    )


def _team(name: str, pool: PoolOutputs, queueing: Queueing, opts: pulumi.ResourceOptions) -> None:
    # The namespace's own limits are as large as the pool: the queue decides.
    limits = TeamNamespaceArgs(
        namespace=name,
        gpus=pool.accelerators,
        cpus=pool.nodes * pool.vcpus_per_node,
        memory_gib=pool.nodes * pool.memory_gib_per_node,
        ready=[queueing.ready],
    )
    namespace = TeamNamespace(f"{name}-team", limits, opts)
    TeamQueue(f"{name}-queue", TeamQueueArgs(team=name, ready=[namespace.ready, queueing.ready]), opts)


main()
