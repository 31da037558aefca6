"""What `slipway init` says about the GPU type and the zone: what it knows, and that it does not know."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import NoCredentialsError
from botocore.stub import Stubber

from cli.init_questions import defaults
from cli.offerings import told

REAL = defaults({"account": "111122223333", "gpu_type": "p5.48xlarge", "zones": "us-east-1b,us-east-1a"})


def clients(account: str, *zones: str) -> Callable[[str], Any]:
    """Clients whose requests and answers are checked against botocore's models."""
    made = {
        name: boto3.client(name, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        for name in ("sts", "ec2")
    }
    for client, method, answer, request in (
        (made["sts"], "get_caller_identity", {"Account": account}, {}),
        (
            made["ec2"],
            "describe_instance_type_offerings",
            {"InstanceTypeOfferings": [{"InstanceType": "p5.48xlarge", "Location": zone} for zone in zones]},
            {
                "LocationType": "availability-zone",
                "Filters": [{"Name": "instance-type", "Values": ["p5.48xlarge"]}],
            },
        ),
    ):
        stub = Stubber(client)
        stub.add_response(method, answer, request)
        stub.activate()
    return made.__getitem__


@pytest.mark.parametrize(
    ("zones", "expected"),
    [
        (("us-east-1b",), "us-east-1b offers p5.48xlarge to account 111122223333"),
        (("us-east-1a", "us-east-1d"), "us-east-1b does not offer p5.48xlarge"),
        ((), "no zone of the region does"),
    ],
)
def test_an_account_that_answers_is_believed(zones: tuple[str, ...], expected: str) -> None:
    assert expected in told(REAL, clients("111122223333", *zones))


def test_another_accounts_zones_are_not_taken_for_these() -> None:
    said = told(REAL, clients("999988887777", "us-east-1b"))
    assert said.startswith("whether us-east-1b offers p5.48xlarge is not known here")
    assert "999988887777" in said


def test_without_credentials_it_says_that_it_does_not_know() -> None:
    def none(_: str) -> Any:
        raise NoCredentialsError

    assert "is not known here: Unable to locate credentials" in told(REAL, none)


def test_the_simulated_account_is_asked_for_its_own_offerings() -> None:
    simulated = defaults({"gpu_type": "p5en.48xlarge", "zones": "us-east-1b"})
    said = told(simulated)
    assert said.startswith("us-east-1b does not offer p5en.48xlarge to the simulated account, these do: us-east-1a")
