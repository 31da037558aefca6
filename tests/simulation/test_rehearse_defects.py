"""Defects that a rehearsal must find, each a small patch of a copy of the program.

What does not end an update is planted together with others and shares one rehearsal: the findings must be exactly
theirs, so each of them is found, and by itself reason enough not to pass. The control is the same program without them
(`test_rehearse_small.py`). What ends an update has a rehearsal of its own, which ends there.
"""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.sandbox import REPOSITORY, Sandbox

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(590)]

PROGRAM = REPOSITORY / "tests" / "simulation" / "programs" / "small" / "__main__.py"
MAIN = "stacks/__main__.py"
NETWORK = "components/aws/network.py"
CLUSTER = "components/aws/cluster.py"
NODE_GROUP = "components/aws/node_group.py"
DATA_LAKE = "components/aws/data_lake.py"
NOT_READY, USAGE = 3, 2
ANCHOR = 'pulumi.export("vpc", network.vpc_id)'
"""More resources go before this line of the small program."""


@dataclass(frozen=True, kw_only=True)
class Defect:
    """What is planted, and what the report must say of it."""

    name: str
    path: str = MAIN
    old: str = ANCHOR
    new: str
    findings: tuple[tuple[str, str, str], ...]
    """Reason, the beginning of the text, stage."""


def resource(text: str) -> str:
    """One more resource in the small program."""
    return f"{text}\n    {ANCHOR}"


TOGETHER = (
    Defect(
        name="a role that outlives its stack",
        old='tags=resource_tags("jobs-role"),\n        opts=alone,',
        new='tags=resource_tags("jobs-role"),\n'
        "        opts=pulumi.ResourceOptions(provider=provider, retain_on_delete=True),",
        findings=(("left", "iam:Role jobs-role", "residue"),),
    ),
    Defect(
        name="data without protection",
        old="protect=settings.protect,",
        new="protect=False,",
        findings=(
            ("unprotected", "s3:Bucket lake-bucket has no protect", "destroy refused"),
            ("unprotected", "the engine would destroy the stack without a word", "destroy refused"),
        ),
    ),
    Defect(
        name="data without retention",
        old="force_destroy=not settings.protect,",
        new="force_destroy=True,",
        findings=(("unprotected", "s3:Bucket lake-bucket is emptied when it is deleted", "names, tags, retention"),),
    ),
    Defect(
        name="logs without an end",
        new=resource(
            'aws.cloudwatch.LogGroup("audit", name=f"/slipway/{pulumi.get_stack()}/audit", '
            'tags=resource_tags("audit"), opts=alone)'
        ),
        findings=(("endless", "cloudwatch:LogGroup audit has no retentionInDays", "names, tags, retention"),),
    ),
    Defect(
        name="a name that every stack would want",
        new=resource(
            'aws.iam.Role("named", name="batch-jobs", assume_role_policy=trust_document("ec2.amazonaws.com"), '
            'tags=resource_tags("named"), opts=alone)'
        ),
        findings=(("clash", "iam:Role named is called batch-jobs", "names, tags, retention"),),
    ),
    Defect(
        name="a resource outside the tags",
        new=resource('aws.ec2.SecurityGroup("stray", description="Stray", vpc_id=network.vpc_id, opts=alone)'),
        findings=(("untagged", "ec2:SecurityGroup stray lacks the tag slipway:resource", "names, tags, retention"),),
    ),
    Defect(
        name="a tag that is another one each time",
        old='tags=resource_tags("jobs"),',
        new='tags=resource_tags("jobs", {"built": __import__("uuid").uuid4().hex}),',
        findings=(("changed", "ec2:SecurityGroup jobs: update (tags.built", "second up"),),
    ),
    Defect(
        name="a resource that is replaced by every update",
        new=resource(
            'aws.ec2.SecurityGroup("always", description=f"Built {__import__(\'uuid\').uuid4()}", '
            'vpc_id=network.vpc_id, tags=resource_tags("always"), opts=alone)'
        ),
        findings=(("changed", "ec2:SecurityGroup always: replace (description", "second up"),),
    ),
    Defect(
        name="drift that the program ignores",
        new=resource(
            'aws.cloudwatch.LogGroup("batch", name=f"/slipway/{pulumi.get_stack()}/batch", retention_in_days=7, '
            'tags=resource_tags("batch"), opts=pulumi.ResourceOptions(provider=provider, '
            'ignore_changes=["retentionInDays"]))'
        ),
        findings=(
            # The engine leaves ignored properties out of a refresh as well.
            ("failed", "a refresh does not notice what was changed by hand", "by-hand"),
            ("changed", "logs:LogGroup /slipway/local-rehearsal/batch retentionInDays is 1, and was 7", "by-hand"),
        ),
    ),
)
ON_A_CLUSTER = (
    Defect(
        name="a log group that EKS makes by itself",
        path=CLUSTER,
        old="name=log_group_name(physical),",
        new='name=log_group_name(f"{physical}-elsewhere"),',
        findings=(("left", "logs:LogGroup /aws/eks/slipway-local-rehearsal-main/cluster", "residue"),),
    ),
    Defect(
        name="a pool that cannot leave its zone",
        path=NODE_GROUP,
        old="for zone in spec.zones],",
        new="for zone in list(spec.zones)[:1]],",
        findings=(
            ("not-ready", "pool system has 0 of 2 nodes outside us-east-1a while that is lost", "short-zone-loss"),
        ),
    ),
)
ENDING = (
    Defect(
        name="what is deleted in the wrong order",
        path=NETWORK,
        old='tags=resource_tags(f"{name}-{kind}-{zone}", {role: "1"}),\n                opts=self._options,',
        new='tags=resource_tags(f"{name}-{kind}-{zone}", {role: "1"}),\n'
        "                opts=pulumi.ResourceOptions(parent=self, deleted_with=vpc),",
        findings=(("failed", "DependencyViolation", "destroy"),),
    ),
    Defect(
        name="a dependency that nothing states",
        path=NETWORK,
        old="self._create_nat_gateways(name, args, self._create_public_routes(name, vpc, public))",
        new="(self._create_public_routes(name, vpc, public), self._create_nat_gateways("
        "name, args, {zone: subnet.id.apply(str) for zone, subnet in public.items()}))[1]",
        findings=(("failed", "Gateway.NotAttached", "slow-gateway: up"),),
    ),
)
SCENARIOS: dict[str, dict[str, Any]] = {
    "by-hand": {
        "title": "Somebody shortens the log of the jobs",
        "during": "running",
        "change": [{"kind": "logs:LogGroup", "id": "*/batch", "path": "retentionInDays", "value": 1}],
        "repairedBy": "up",
    },
    "slow-gateway": {
        "title": "The internet gateway takes its time",
        "during": "up",
        "faults": [{"type": "slow", "operation": "CreateInternetGateway", "parameters": {"realSeconds": 3}}],
        "expect": "absorbed",
    },
    "short-zone-loss": {
        "title": "A zone is lost for some seconds",
        "needs": "several-zones",
        "during": "running",
        "lose": "zone",
        "repairedBy": "itself",
        "withinSeconds": 12,
    },
}


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Sandbox]:
    """The checked-in program."""
    sandbox = Sandbox.copy(tmp_path)
    yield sandbox
    sandbox.slipway("local", "down", "--discard", "--env", "local-rehearsal", timeout=60)


@pytest.fixture
def small(platform: Sandbox) -> Sandbox:
    """The program without a cluster."""
    shutil.copy(PROGRAM, platform.directory / MAIN)
    return platform


def plant(sandbox: Sandbox, defects: Sequence[Defect]) -> None:
    for defect in defects:
        sandbox.replace(defect.path, defect.old, defect.new)


def scenario(sandbox: Sandbox, name: str) -> str:
    path = sandbox.directory / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"name": name, **SCENARIOS[name]}))
    return str(path)


def rehearsal(sandbox: Sandbox, *options: str, status: int = NOT_READY) -> Any:
    return sandbox.expect("rehearse", "local", "--json", *options, status=status, timeout=580).json


def protected(settings: dict[str, Any]) -> None:
    settings["protect"] = True
    del settings["ttl"]


def only_a_cluster(settings: dict[str, Any]) -> None:
    """Two small machines in two zones and nothing on them."""
    settings["place"]["network"] |= {"zones": settings["place"]["network"]["zones"][:2], "interfaceEndpoints": False}
    settings["pools"] = [pool for pool in settings["pools"] if pool["name"] == "system"]
    settings.pop("dataLake")
    settings |= {"storage": [], "teams": [], "training": [], "inference": []}


def unexpected(told: Any, defects: Sequence[Defect]) -> list[str]:
    """Findings that no defect explains, and expected ones that nobody found."""
    found = [(item["reason"], item["what"], item["stage"]) for item in told["findings"]]
    expected = [(defect.name, one) for defect in defects for one in defect.findings]
    silent = [f"not found: {name}" for name, one in expected if not any(_is(one, item) for item in found)]
    return silent + [f"unexplained: {item}" for item in found if not any(_is(one, item) for _, one in expected)]


def _is(expected: tuple[str, str, str], found: tuple[str, str, str]) -> bool:
    reason, text, stage = expected
    return found[0] == reason and text in found[1] and found[2] == stage


def test_what_a_program_does_to_its_resources_is_found_by_name(small: Sandbox) -> None:
    small.settings(protected)
    plant(small, TOGETHER)
    told = rehearsal(small, "-s", scenario(small, "by-hand"))
    assert unexpected(told, TOGETHER) == []
    assert {item["urn"].rpartition("::")[2] for item in told["replacements"]} == {"always"}


def test_what_a_program_does_to_its_cluster_is_found_by_name(platform: Sandbox) -> None:
    platform.settings(only_a_cluster)
    plant(platform, ON_A_CLUSTER)
    told = rehearsal(platform, "-s", scenario(platform, "short-zone-loss"))
    assert unexpected(told, ON_A_CLUSTER) == []


def test_what_is_deleted_in_the_wrong_order_ends_the_destruction(small: Sandbox) -> None:
    plant(small, ENDING[:1])
    told = rehearsal(small, "-s", "none")
    assert unexpected(told, ENDING[:1]) == []
    assert told["stages"][-1]["title"] == "destroy"


def test_a_dependency_that_nothing_states_is_found_when_the_cloud_is_slow(small: Sandbox) -> None:
    plant(small, ENDING[1:])
    told = rehearsal(small, "-s", scenario(small, "slow-gateway"))
    assert unexpected(told, ENDING[1:]) == []


def test_an_upgrade_that_replaces_a_bucket_is_refused_until_that_is_accepted(small: Sandbox) -> None:
    commit(small)
    small.replace(
        DATA_LAKE,
        "Service.S3_BUCKET, pulumi.get_project(), pulumi.get_stack(), name,",
        'Service.S3_BUCKET, pulumi.get_project(), pulumi.get_stack(), name + "2",',
    )
    told = rehearsal(small, "-s", "none", "--from", "HEAD")
    (found,) = told["findings"]
    assert (found["reason"], found["stage"]) == ("replaced", "upgrade: preview")
    assert found["what"].startswith("s3:Bucket lake-bucket would be replaced (bucket")
    assert "upgrade: up" not in [stage["title"] for stage in told["stages"]]
    accepted = rehearsal(small, "-s", "none", "--from", "HEAD", "--accept-replace", status=0)
    assert accepted["passed"] is True
    assert [item["stateful"] for item in accepted["replacements"]].count(True) == 1


def test_an_upgrade_that_replaces_what_has_a_name_of_its_own_fails_on_that_name(small: Sandbox) -> None:
    small.replace(
        MAIN, '"jobs-role",\n        assume', '"jobs-role",\n        name="jobs-of-local-rehearsal",\n        assume'
    )
    commit(small)
    small.replace(MAIN, 'name="jobs-of-local-rehearsal",', 'name="jobs-of-local-rehearsal",\n        path="/batch/",')
    told = rehearsal(small, "-s", "none", "--from", "HEAD")
    (found,) = told["findings"]
    assert (found["reason"], found["stage"]) == ("failed", "upgrade: preview"), "the simulated account knows the name"
    assert "EntityAlreadyExists" in found["what"]


def test_settings_that_no_cloud_would_take_are_refused_before_anything_is_made(small: Sandbox) -> None:
    small.settings(lambda settings: settings["cluster"].update(logRetentionDays=8))
    told = small.expect("rehearse", "local", "-s", "none", status=USAGE).text
    assert "cluster.logRetentionDays" in told
    assert "value: 8" in told
    assert not (small.state / "local-rehearsal" / "account.db").exists()


def test_fifteen_defects_are_planted() -> None:
    alone = 3
    assert len(TOGETHER) + len(ON_A_CLUSTER) + len(ENDING) + alone >= 15


def commit(sandbox: Sandbox) -> None:
    """Make what the copy holds now the revision HEAD."""
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    for arguments in (
        ["init", "-q"],
        ["add", "Pulumi.yaml", "stacks", "components", "workloads"],
        [*identity, "commit", "-q", "-m", "before"],
    ):
        subprocess.run(["git", *arguments], cwd=sandbox.directory, check=True, capture_output=True)
