"""EKS tokens: which are accepted, and why others are not; who a principal is to Kubernetes."""

import base64
import datetime as dt
from typing import Any

import botocore.session
import pytest
from botocore.credentials import Credentials
from botocore.model import ServiceId
from botocore.signers import RequestSigner

from local.cloud.model import CloudObject
from local.cloud.store import SqliteStore
from local.cluster.access import bindings, policy_group, user_of
from local.cluster.authn import Key, TokenError, verify

ROLE = "arn:aws:iam::000000000000:role/slipway-deployer"
ACCESS_KEY, SECRET = "AKIASIMULATEDABCDEFG", "simulated/secret"
POLICY = "arn:aws:eks::aws:cluster-access-policy/"


def url(
    *, region: str = "us-east-1", cluster: str = "demo", secret: str = SECRET, action: str = "GetCallerIdentity"
) -> str:
    # By a name of its own: the signer holds it weakly, and the session may be collected at any moment.
    emitter = botocore.session.get_session().get_component("event_emitter")
    signer = RequestSigner(ServiceId("STS"), region, "sts", "v4", Credentials(ACCESS_KEY, secret), emitter)
    request = {
        "method": "GET",
        "url": f"https://sts.{region}.amazonaws.com/?Action={action}&Version=2011-06-15",
        "body": {},
        "headers": {"x-k8s-aws-id": cluster},
        "context": {},
    }
    made: str = signer.generate_presigned_url(request, expires_in=60, operation_name="", region_name=region)
    return made


def token(address: str) -> str:
    return "k8s-aws-v1." + base64.urlsafe_b64encode(address.encode()).decode().rstrip("=")


def keys(access_key_id: str) -> Key | None:
    return Key(SECRET, ROLE) if access_key_id == ACCESS_KEY else None


def check(text: str, *, minutes_later: float = 0) -> str:
    return verify(text, "demo", "us-east-1", keys, dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes_later))


def test_a_token_of_a_known_key_names_its_principal() -> None:
    assert check(token(url())) == ROLE
    assert check(token(url()), minutes_later=14) == ROLE


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("bearer", r"tokens begin with k8s-aws-v1\."),
        ("k8s-aws-v1.!!!", "not a base64url-encoded URL|not a presigned"),
        ("k8s-aws-v1." + "A" * 20000, "longer than 16384"),
        (token(url(cluster="other")), "signature does not match.*demo"),
        (token(url(secret="another")), "signature does not match"),
        (token(url(region="eu-west-1")), "is not the STS endpoint of us-east-1"),
        (token(url(action="AssumeRole")), "not GetCallerIdentity"),
        (token(url().replace("https:", "http:")), "not a presigned https request"),
        (token(url().replace(".com/?", ".com/x?")), "to the root of STS"),
        (token(url().replace("sts.us-east-1.amazonaws.com", "sts.example.com")), "not the STS endpoint"),
        (token(url() + "&Extra=1"), "unexpected query parameters: Extra"),
        (token(url() + "&action=GetCallerIdentity"), "given twice"),
        (token(url().replace("%3Bx-k8s-aws-id", "")), "header x-k8s-aws-id is not signed"),
        (token(url().replace(ACCESS_KEY, "AKIAUNKNOWN")), "access key is not one of the simulated account"),
        (token(url().replace("%2Fsts%2F", "%2Fs3%2F")), "scope is not one of STS"),
        (token(url().replace("X-Amz-Date=2", "X-Amz-Date=x")), "not a date"),
        (token(url()[:-1]), "signature does not match"),
    ],
)
def test_a_token_with_a_flaw_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(TokenError, match=reason):
        check(text)


@pytest.mark.parametrize(("minutes", "reason"), [(15.5, "expired"), (-6, "made in the future")])
def test_a_token_is_valid_for_fifteen_minutes(minutes: float, reason: str) -> None:
    with pytest.raises(TokenError, match=reason):
        check(token(url()), minutes_later=minutes)


def test_a_refusal_never_repeats_the_token() -> None:
    text = token(url(cluster="other"))
    with pytest.raises(TokenError) as refused:
        check(text)
    assert text[20:40] not in str(refused.value)
    assert SECRET not in str(refused.value)


def entry(**body: Any) -> SqliteStore:
    store = SqliteStore(":memory:")
    members = {"clusterName": "demo", "principalArn": ROLE, **body}
    store.put(CloudObject(kind="eks:AccessEntry", id=f"demo:{ROLE}", region="us-east-1", body=members))
    return store


def test_a_role_gets_the_user_name_and_groups_of_its_access_entry() -> None:
    store = entry(username="arn:aws:sts::000000000000:assumed-role/x/{{SessionName}}", kubernetesGroups=["team-a"])
    user = user_of(store, "demo", ROLE, ACCESS_KEY)
    assert user is not None
    assert user.name == "arn:aws:sts::000000000000:assumed-role/x/slipway"
    assert user.groups == ("team-a", policy_group(ROLE))


def test_without_an_access_entry_of_this_cluster_nobody_is_admitted() -> None:
    assert user_of(entry(), "another", ROLE, ACCESS_KEY) is None
    assert user_of(entry(), "demo", ROLE + "-2", ACCESS_KEY) is None


def association(policy: str, scope: dict[str, Any]) -> CloudObject:
    body = {"clusterName": "demo", "principalArn": ROLE, "policyArn": POLICY + policy, "accessScope": scope}
    return CloudObject(kind="eks:AccessPolicyAssociation", id=f"demo#{ROLE}#{policy}", region="us-east-1", body=body)


def test_a_cluster_wide_policy_becomes_a_cluster_role_binding_of_the_principals_group() -> None:
    (binding,) = bindings([association("AmazonEKSClusterAdminPolicy", {"type": "cluster"})])
    assert binding["kind"] == "ClusterRoleBinding"
    assert binding["roleRef"]["name"] == "cluster-admin"
    assert binding["subjects"][0]["name"] == policy_group(ROLE)


def test_a_namespaced_policy_becomes_a_role_binding_in_each_namespace() -> None:
    found = bindings([association("AmazonEKSEditPolicy", {"type": "namespace", "namespaces": ["a", "b"]})])
    assert [(item["kind"], item["metadata"]["namespace"], item["roleRef"]["name"]) for item in found] == [
        ("RoleBinding", "a", "edit"),
        ("RoleBinding", "b", "edit"),
    ]
