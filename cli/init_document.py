"""The settings file that ``slipway init`` writes: pure text, made from answers, commented like the checked-in ones."""

import json
from collections.abc import Mapping
from typing import Any, Final

import yaml

from stacks.fields import SIMULATED_ACCOUNT_ID
from stacks.problems import Problem, SettingsError
from stacks.settings import validate
from stacks.sources import from_mapping

Answers = Mapping[str, str]
NONE: Final = "none"
"""The answer for what a stack shall not have."""

_TEMPLATE: Final = """\
# yaml-language-server: $schema=schema.json
# Written by `slipway init`; from here on it is yours. Pulumi.local.yaml explains every setting.
# Keys are camelCase; an unknown key is refused. `slipway plan {name}` checks the file and shows what it makes.
{secrets}config:
  # Every provider of this program is made explicitly, so nothing may fall back to a default one.
  pulumi:disable-default-providers: [aws, kubernetes]

  # --- whose it is ---------------------------------------------------------------------------------------------------
  slipway:environment: {environment}
  slipway:owner: {owner}
  slipway:costCenter: {cost_center}
{life}

  # --- where it is ---------------------------------------------------------------------------------------------------
  slipway:place:
    cloud: aws
    # The provider refuses every other account.
    accountId: {account}
    region: {region}
    deployerRoleArn: {role}
    # Whether the caller's credentials assume that role first.
    assumeRole: {assume}
    network:
      # Divided over the zones: a large private and a small public subnet in each. A VPC cannot be renumbered later.
      cidr: {cidr}
      zones: {zones}
      # One NAT gateway per zone survives the loss of a zone; a single one is cheaper.
      natPerZone: {nat}

  # How the Kubernetes API server is reached.
  slipway:access:
{access}
    # Who administers the cluster. The creator of a cluster gets no rights by itself here.
    admins:
      - {role}

  # Where Pulumi keeps its state, and what encrypts the secrets in it.
  slipway:stateBackend:
    url: {state}
    secretsProvider: {provider}

  # The Helm repository that holds the kit's charts at their pinned versions.
  slipway:charts:
    mirror: {charts}

  # --- what it is made of --------------------------------------------------------------------------------------------
  slipway:cluster:
    name: main
    version: "1.36"

  slipway:pools:
    # For the cluster's own pods.
    - name: system
      instanceType: m7i.2xlarge
      nodes: 2
{pool}
  slipway:dataLake:
    name: lake

{storage}
  # --- who works on it -----------------------------------------------------------------------------------------------
  # A team is a namespace with limits.
  slipway:teams:
    - name: {team}
{limits}{claims}{queues}
  slipway:training: []
  slipway:inference: []
  slipway:links: []
"""


def simulated(answers: Answers) -> bool:
    """Whether the answers describe a stack on the account that no cloud has."""
    return answers["account"] == SIMULATED_ACCOUNT_ID


def render(name: str, answers: Answers) -> str:
    """The file for stack ``name``; every answer stands in it as quoted text or as it was typed where it is a number."""
    quoted = {key: _text(value) for key, value in answers.items()}
    protected = answers["ttl"] == NONE
    provider = answers["secrets_provider"]
    return _TEMPLATE.format(
        name=name,
        secrets="" if provider == "passphrase" else f"secretsprovider: {_text(provider)}\n",
        environment=quoted["environment"],
        owner=quoted["owner"],
        cost_center=quoted["cost_center"],
        life=_life(answers),
        account=quoted["account"],
        region=quoted["region"],
        role=quoted["deployer_role"],
        assume="false" if simulated(answers) else "true",
        cidr=quoted["cidr"],
        zones=_list(answers["zones"]),
        nat="true" if protected else "false",
        access=_access(answers),
        state=quoted["state_url"],
        provider=_text(provider),
        charts=quoted["charts"],
        pool=_pool(answers),
        storage=_storage(answers),
        team=quoted["team"],
        limits=_limits(answers),
        claims="" if answers["storage_gib"] == NONE else "      storage: [scratch]\n",
        queues=_queues(answers),
    )


def problems(name: str, answers: Answers) -> list[Problem]:
    """What the settings' own rules say about the file; empty when it would load."""
    config: dict[str, Any] = yaml.safe_load(render(name, answers))["config"]
    try:
        validate(from_mapping(config, source=f"Pulumi.{name}.yaml"), encrypted_values_are_clear=False)
    except SettingsError as error:
        return error.problems
    return []


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _number(value: str) -> str:
    return value if value.isascii() and value.isdigit() else _text(value)


def _list(value: str) -> str:
    return "[" + ", ".join(_text(item.strip()) for item in value.split(",") if item.strip()) + "]"


def _life(answers: Answers) -> str:
    if answers["ttl"] == NONE:
        return (
            "  # What holds data (buckets, file systems, the cluster) refuses to be deleted. So the stack has no end.\n"
            "  slipway:protect: true"
        )
    return (
        "  # How long the stack may live. A stack without an end must be protected instead.\n"
        f"  slipway:ttl: {_text(answers['ttl'])}\n  slipway:protect: false"
    )


def _access(answers: Answers) -> str:
    kind = answers["access"]
    lines = [f"    kind: {_text(kind)}"]
    if kind == "public":
        lines.append(f"    # It answers these blocks only.\n    cidrs: {_list(answers['allow'])}")
    if kind == "tunnel":
        lines.append(
            "    # The endpoint is private; a proxy with a leg in the network answers here.\n"
            f"    proxyUrl: {_text(answers['proxy_url'])}"
        )
    return "\n".join(lines)


def _pool(answers: Answers) -> str:
    kind = answers["capacity"]
    lines = [
        "    # For training and inference.",
        "    - name: gpu",
        f"      instanceType: {_text(answers['gpu_type'])}",
        f"      nodes: {_number(answers['gpu_nodes'])}",
        f"      zones: [{_text(_first_zone(answers))}]",
        "      # efa attaches every fabric interface of the type, for training across nodes.",
        f"      fabric: {_text(answers['fabric'])}",
        "      capacity:",
        f"        kind: {_text(kind)}",
    ]
    if kind in ("reservation", "capacityBlock"):
        lines.append(f"        id: {_text(answers['reservation'])}")
    if kind == "capacityBlock":
        lines += [
            "        # It is paid for from its start to its end, used or not.",
            "        confirm: true",
            "      # A scheduled action starts the nodes, and EKS empties the pool before the block ends.",
            "      scaling:",
            "        owner: schedule",
        ]
    return "\n".join(lines) + "\n"


def _storage(answers: Answers) -> str:
    if answers["storage_gib"] == NONE:
        return "  slipway:storage: []\n"
    lasting = answers["ttl"] == NONE
    lines = [
        "  slipway:storage:",
        "    # In the zone of the pool that reads it; shows a prefix of the data lake as a directory.",
        "    - name: scratch",
        "      kind: fsx-lustre",
        f"      zone: {_text(_first_zone(answers))}",
        f"      deploymentType: {'PERSISTENT_2' if lasting else 'SCRATCH_2'}",
        f"      capacityGib: {_number(answers['storage_gib'])}",
        *(["      throughputMbPerTib: 250"] if lasting else []),
        "      dataRepositories:",
        "        - path: /datasets",
        "          prefix: datasets/",
    ]
    return "\n".join(lines) + "\n"


def _queues(answers: Answers) -> str:
    """Queues, and the operator whose runs they admit as a whole: whoever wants one of them alone edits the file."""
    if answers["queues"] == NONE:
        return ""
    return f"""
  # Kueue: a run starts when everything that it needs is free, and never in part. Teams lend each other idle nodes.
  slipway:queueing:
    cohort: teams
    # BestEffortFIFO lets a smaller run pass one that waits for more nodes; StrictFIFO lets nobody pass.
    strategy: {_text(answers["queues"])}

  # Kubeflow Trainer and JobSet, for runs with runner: trainer, whose whole gang restarts together.
  slipway:trainingOperator:
    installJobset: true
"""


def _first_zone(answers: Answers) -> str:
    return answers["zones"].split(",")[0].strip()


def _limits(answers: Answers) -> str:
    """Everything that the pool has, as the team's limits: a run takes most of a node's processors with its GPUs.

    Empty where the pool's answers are wrong, which its own rules tell.
    """
    from components.accelerators import UnknownInstanceTypeError, instance

    text = answers["gpu_nodes"]
    nodes = int(text) if text.isascii() and text.isdigit() else 0
    try:
        kind = instance(answers["gpu_type"])
    except UnknownInstanceTypeError:
        return ""
    if nodes == 0:
        return ""
    return f"""\
      gpus: {kind.devices * nodes}
      cpus: {kind.vcpus * nodes}
      memoryGib: {kind.memory_gib * nodes}
"""
