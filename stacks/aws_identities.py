"""Roles of AWS for what runs in the cluster, from the settings that say what it may read."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import pulumi

from components.aws.data_lake import bucket_arn
from components.aws.documents import bucket_access_document
from components.aws.identity import PodIdentity, PodIdentityArgs
from components.aws.outputs import AwsClusterOutputs, DataLakeOutputs
from components.naming import HASH_LENGTH, Service, physical_name
from components.outputs import WorkloadIdentity
from stacks.runs import TEAM_MODELS, models_account

if TYPE_CHECKING:
    from stacks.model_access import ModelAccess
    from stacks.settings import Settings


def model_identities(
    settings: "Settings",
    cluster: AwsClusterOutputs,
    lake: DataLakeOutputs | None,
    opts: pulumi.ResourceOptions,
) -> Mapping[tuple[str, str], WorkloadIdentity]:
    """A role for every list of ``modelAccess``, by (namespace, service account)."""
    return {
        (namespace, account): PodIdentity(
            f"{namespace}-{account}",
            PodIdentityArgs(
                cluster=cluster,
                namespace=namespace,
                service_account=account,
                documents={key: text for grant in grants for key, text in _document(grant, cluster.region, lake)},
            ),
            opts,
        ).outputs
        for namespace, account, grants in _accounts(settings)
    }


def _accounts(settings: "Settings") -> Iterator[tuple[str, str, Sequence["ModelAccess"]]]:
    for team in settings.teams:
        if team.model_access:
            yield team.name, TEAM_MODELS, team.model_access
    for service in settings.inference:
        if service.model_access:
            yield service.team, models_account(service), service.model_access


def _document(
    grant: "ModelAccess", region: str, lake: DataLakeOutputs | None
) -> Iterator[tuple[str, pulumi.Input[str]]]:
    """(key, policy) of one grant. The key is part of a logical name: it stays when other grants come and go."""
    prefix = grant.prefix.rstrip("/")
    place = f"{grant.bucket or 'lake'}/{prefix}"
    # The hash tells a/b from a-b; of a long prefix the name keeps the beginning.
    key = physical_name(Service.KUBERNETES_NAME, place, hashlib.sha256(place.encode()).hexdigest()[:HASH_LENGTH])
    if grant.bucket is not None:
        yield key, bucket_access_document(bucket_arn(grant.bucket, region), grant.key_arn, prefix=prefix)
    elif lake is not None:

        def text(arns: Sequence[str]) -> str:
            return bucket_access_document(arns[0], arns[1], prefix=prefix)

        yield key, pulumi.Output.all(lake.arn, lake.kms_key_arn).apply(text)
