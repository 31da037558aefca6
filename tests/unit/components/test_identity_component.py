import json
from functools import cache

import pytest

from components.aws.identity import PodIdentity, PodIdentityArgs
from local.cloud.plan import record
from local.cloud.recording import Recording
from tests.support.aws_components import ACCOUNT, network_and_cluster

POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::lake"}],
    }
)


def built(namespace: str = "research", documents: dict[str, str] | None = None) -> Recording:
    def program() -> dict[str, object]:
        _, cluster = network_and_cluster()
        args = PodIdentityArgs(
            cluster=cluster.outputs,
            namespace=namespace,
            service_account="trainer",
            documents={"data": POLICY} if documents is None else documents,
        )
        outputs = PodIdentity("trainer", args).outputs
        return {
            "role": outputs.role,
            "account": f"{outputs.namespace}/{outputs.service_account}",
            "marks": {**outputs.annotations, **outputs.labels},
        }

    return record(program)


@cache
def identity() -> Recording:
    return built()


def test_a_service_account_gets_its_role_by_association_and_needs_no_annotation() -> None:
    role = identity().get("aws:iam/role:Role", "trainer-role")
    association = identity().get("aws:eks/podIdentityAssociation:PodIdentityAssociation")
    assert identity().result == {"role": role.outputs["arn"], "account": "research/trainer", "marks": {}}
    assert association.inputs["roleArn"] == role.outputs["arn"]
    assert (association.inputs["namespace"], association.inputs["serviceAccount"]) == ("research", "trainer")
    assert association.inputs["clusterName"] == "slipway-test-main"


def test_only_pods_of_the_accounts_clusters_may_assume_the_role() -> None:
    trust = json.loads(identity().get("aws:iam/role:Role", "trainer-role").inputs["assumeRolePolicy"])
    (statement,) = trust["Statement"]
    assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


def test_pods_get_the_role_only_once_it_has_its_policies() -> None:
    policy = identity().get("aws:iam/rolePolicy:RolePolicy", "trainer-role-data")
    association = identity().get("aws:eks/podIdentityAssociation:PodIdentityAssociation")
    assert policy.inputs["policy"] == POLICY
    assert policy.urn in association.dependencies


def test_an_identity_that_grants_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="a role that may do nothing is a mistake"):
        built(documents={})


def test_an_identity_without_a_namespace_is_refused() -> None:
    with pytest.raises(ValueError, match="namespace is empty"):
        built(namespace="")
