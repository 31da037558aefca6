"""What holds for every call of boto3: signatures, service models, the journal and planted faults."""

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, HTTPClientError

from local.cloud.aws import scenarios as on
from local.cloud.endpoint.registry import CALLS, listed
from local.cloud.faults import Fault, FaultType
from tests.support.refusals import code_of


def test_planted_faults_reach_boto3(serve: Any) -> None:
    account = serve()
    account.builder.create(*on.VPC)
    ec2, vpc = account.client("ec2"), account.builder.ids["vpc"]
    account.store.add_fault(Fault(type=FaultType.THROTTLE, operation="delete"))
    assert code_of(lambda: ec2.delete_vpc(VpcId=vpc)) == "RequestLimitExceeded"
    account.store.clear_faults()
    account.store.add_fault(Fault(type=FaultType.LOST_RESPONSE, operation="delete"))
    with pytest.raises((HTTPClientError, EndpointConnectionError)):
        ec2.delete_vpc(VpcId=vpc)
    assert account.store.find("ec2:Vpc") == []


@pytest.mark.parametrize(
    ("service", "call", "unknown", "wrong"),
    [
        ("sts", "get_caller_identity", "InvalidClientTokenId", "SignatureDoesNotMatch"),
        ("ec2", "describe_vpcs", "AuthFailure", "SignatureDoesNotMatch"),
        ("eks", "list_clusters", "UnrecognizedClientException", "InvalidSignatureException"),
        ("s3", "list_buckets", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
        ("resourcegroupstaggingapi", "get_resources", "UnrecognizedClientException", "InvalidSignatureException"),
    ],
)
def test_other_keys_and_wrong_secrets_are_refused(full: Any, service: str, call: str, unknown: str, wrong: str) -> None:
    stranger = full.client(service, key="AKIAIOSFODNN7EXAMPLE", secret="not-of-this-account")
    assert code_of(getattr(stranger, call)) == unknown
    assert code_of(getattr(full.client(service, secret="not-the-secret"), call)) == wrong


def test_a_call_that_is_not_modelled_fails_by_name(full: Any) -> None:
    with pytest.raises(ClientError, match=r"ec2 RunInstances is not modelled .* nothing is made up") as refused:
        full.client("ec2").run_instances(MinCount=1, MaxCount=1)
    assert refused.value.response["Error"]["Code"] == "NotModelled"


def test_a_reply_that_the_model_does_not_know_is_an_error_in_the_log(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    account = serve()
    account.builder.create(*on.VPC)
    item = account.store.find("ec2:Vpc")[0]
    item.body["CidrBlockAssociationSet"] = [{"Colour": "red"}]
    account.store.put(item)
    with caplog.at_level(logging.ERROR):
        assert code_of(account.client("ec2").describe_vpcs) == "InternalFailure"
    assert "VpcCidrBlockAssociation has no member Colour" in caplog.text


def test_every_served_call_is_one_of_its_service_model() -> None:
    from local.cloud.endpoint import calls  # noqa: F401 - registers them
    from local.cloud.endpoint.wire import model

    for service, operations in listed().items():
        assert set(operations) <= set(model(service).operation_names), service


def test_the_limitations_page_lists_exactly_the_served_calls(repository: Path) -> None:
    text = (repository / "docs" / "limitations.md").read_text().partition("## Calls that boto3 may make")[2]
    words = " ".join(text.split())
    found = {service: names.split(", ") for service, names in re.findall(r"- `(\w+)`: ((?:\w+, )*\w+)", words)}
    assert found == listed()


def test_calls_that_change_nothing_are_journalled_with_what_they_asked(serve: Any) -> None:
    account = serve()
    account.builder.create(*on.VPC)
    asked = [{"Name": "vpc-id", "Values": [account.builder.ids["vpc"]]}]
    account.client("ec2").describe_vpcs(Filters=asked)
    account.client("eks").list_clusters()
    read = account.store.journal()[-2:]
    assert [(entry.operation, entry.kind, entry.outcome) for entry in read] == [
        ("DescribeVpcs", "ec2:Vpc", "ok"),
        ("ListClusters", "eks:Cluster", "ok"),
    ]
    assert read[0].request == {"Filters": asked}


@pytest.mark.parametrize(
    ("service", "call", "operation", "code"),
    [
        ("ec2", "describe_vpcs", "DescribeVpcs", "RequestLimitExceeded"),
        ("eks", "list_clusters", "ListClusters", "TooManyRequestsException"),
        ("resourcegroupstaggingapi", "get_resources", "GetResources", "ThrottlingException"),
    ],
)
def test_planted_throttling_meets_reads_that_it_was_planted_for(
    serve: Any, service: str, call: str, operation: str, code: str
) -> None:
    account = serve()
    asking = getattr(account.client(service), call)
    account.store.add_fault(Fault(type=FaultType.THROTTLE, operation=operation))
    asking()
    account.store.clear_faults()
    account.store.add_fault(Fault(type=FaultType.THROTTLE, operation=operation, mutating=False))
    assert code_of(asking) == code
    asking()
    outcomes = [entry.outcome for entry in account.store.journal() if entry.operation == operation]
    assert outcomes == ["ok", "fault", "ok"], "the first was planted for changes only, the second hit once"


def test_a_lost_response_meets_a_read_too(serve: Any) -> None:
    account = serve()
    account.store.add_fault(Fault(type=FaultType.LOST_RESPONSE, operation="DescribeVpcs", mutating=False))
    with pytest.raises((HTTPClientError, EndpointConnectionError)):
        account.client("ec2").describe_vpcs()


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ({"Vpcs": [], "Colour": "red"}, "has no member Colour"),
        ({"Vpcs": {}}, "VpcList is a list, got dict"),
        ({"Vpcs": [], "NextToken": 7}, "String is a string, got int"),
    ],
)
def test_a_reply_is_checked_against_the_service_model_from_its_top(
    serve: Any, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], complaint: str
) -> None:
    monkeypatch.setitem(CALLS, ("ec2", "DescribeVpcs"), lambda _: answer)
    with pytest.raises(ClientError, match=complaint):
        serve().client("ec2").describe_vpcs()


def test_a_request_is_checked_against_the_service_model(serve: Any) -> None:
    account = serve()
    ec2 = account.client("ec2")
    ec2.meta.events.register("before-call.ec2.DescribeVpcs", _add_a_member)
    with pytest.raises(ClientError) as refused:
        ec2.describe_vpcs()
    assert refused.value.response["Error"]["Code"] in {"ValidationException", "SerializationException"}


def _add_a_member(params: dict[str, Any], **_: Any) -> None:
    params["body"]["MaxResults"] = "many"
