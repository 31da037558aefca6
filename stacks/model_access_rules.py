"""Rules about the roles with which model services fetch their models."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from stacks.inference import LAKE
from stacks.problems import Problem
from stacks.rules import Report, rule

if TYPE_CHECKING:
    from stacks.model_access import ModelAccess
    from stacks.settings import Settings

S3 = "s3"


def address(grant: "ModelAccess") -> str:
    """What ``grant`` covers, as the beginning of a model's address."""
    return f"{S3}://{grant.bucket}/{grant.prefix}" if grant.bucket else f"{LAKE}://{grant.prefix}"


@rule("model-access-lake", "teams", "inference", "data_lake")
def _there_is_a_lake(settings: "Settings", report: Report) -> Iterator[Problem]:
    if settings.data_lake is not None:
        return
    lists = [("teams", number, team.model_access) for number, team in enumerate(settings.teams)]
    lists += [("inference", number, service.model_access) for number, service in enumerate(settings.inference)]
    for section, number, grants in lists:
        for position, grant in enumerate(grants):
            if grant.bucket is None:
                yield report.problem(
                    section,
                    number,
                    "modelAccess",
                    position,
                    value=grant.prefix,
                    what="without a bucket this means the stack's data lake, and there is none",
                    allowed="bucket and prefix",
                    fix="name the bucket, or add dataLake",
                )


@rule("inference-model-access", "inference", "teams", "data_lake")
def _models_can_be_fetched(settings: "Settings", report: Report) -> Iterator[Problem]:
    """Without a role the download is refused, and the replica never starts."""
    teams = {team.name: team for team in settings.teams}
    for number, service in enumerate(settings.inference):
        scheme, _, path = service.model.uri.partition("://")
        if scheme not in (S3, LAKE) or service.team not in teams:
            continue
        if scheme == LAKE and settings.data_lake is None:
            yield _problem(report, number, service.model.uri, "the stack has no data lake", "add dataLake")
            continue
        grants = service.model_access or teams[service.team].model_access
        if not any(f"{service.model.uri}/".startswith(address(grant)) for grant in grants):
            yield _problem(
                report,
                number,
                service.model.uri,
                f"no role lets the service read this: {_named(grants)}",
                f"add modelAccess: [{{{_grant(scheme, path)}}}] to the team {service.team}, or to the service",
            )


def _problem(report: Report, number: int, uri: str, what: str, fix: str) -> Problem:
    return report.problem(
        "inference",
        number,
        "model",
        "uri",
        value=uri,
        what=what,
        allowed="an address below one of the prefixes in modelAccess, of the service or else of its team",
        fix=fix,
    )


def _named(grants: Sequence["ModelAccess"]) -> str:
    return f"modelAccess covers {', '.join(map(address, grants))}" if grants else "it has no modelAccess"


def _grant(scheme: str, path: str) -> str:
    """The least that covers every version of the model at ``path``."""
    bucket, _, key = path.partition("/") if scheme == S3 else ("", "", path)
    prefix = f"prefix: {key.rpartition('/')[0] or key}/"
    return f"bucket: {bucket}, {prefix}" if bucket else prefix
