"""How long it takes to read 10,000 resources, against parsing the same text as JSON."""

import json
from pathlib import Path
from typing import Any

import pytest

from policies.sources import files, values
from tests.benchmarks.measure import report, seconds

pytestmark = pytest.mark.benchmark

COUNT = 10_000
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def state(number: int, *, unknown: bool = False) -> dict[str, Any]:
    token = "aws:ec2/instance:Instance"
    urn = f"urn:pulumi:prod::slipway::slipway:aws:Pool${token}::node-{number}"
    inputs = {
        "instanceType": "p5.48xlarge",
        "subnetId": UNKNOWN if unknown else f"subnet-{number:017x}",
        "tags": {"owner": "platform", "cost-center": "1000", "slipway:environment": "prod", "Name": f"node-{number}"},
        "ebsBlockDevices": [{"deviceName": "/dev/xvda", "encrypted": True, "volumeSize": 200}],
        "networkInterfaces": [{"deviceIndex": 0, "networkCardIndex": card} for card in range(4)],
    }
    outputs = {**inputs, "arn": f"arn:aws:ec2:us-east-1:000000000000:instance/i-{number:017x}", "privateIp": "10.0.0.1"}
    return {
        "urn": urn,
        "custom": True,
        "type": token,
        "id": f"i-{number:017x}",
        "inputs": inputs,
        "outputs": outputs,
        "parent": "urn:pulumi:prod::slipway::slipway:aws:Pool::pool",
        "provider": "urn:pulumi:prod::slipway::pulumi:providers:aws::main::0123",
        "propertyDependencies": {"subnetId": ["urn:pulumi:prod::slipway::aws:ec2/subnet:Subnet::a"], "tags": []},
    }


def _reading(folder: Path, text: str) -> float:
    file = folder / "document.json"
    file.write_text(text)
    return min(seconds(lambda: files.read(file)) for _ in range(3))


def test_reading_10000_resources(tmp_path: Path) -> None:
    secret = {values.SIGNATURE: values.SECRET_SIGNATURE, "ciphertext": "v1:x:y"}
    states = [state(number) for number in range(COUNT)]
    plain = json.dumps({"version": 3, "deployment": {"resources": states}})
    marked = json.dumps({"version": 3, "deployment": {"resources": [*states, {**state(0), "inputs": {"a": secret}}]}})
    steps = [{"op": "create", "newState": state(number, unknown=True)} for number in range(COUNT)]
    unknown = json.dumps({"steps": steps})
    baseline = min(seconds(lambda: json.loads(plain)) for _ in range(3))
    first, second, third = (_reading(tmp_path, text) for text in (plain, marked, unknown))
    report(
        f"reading {COUNT:,} resources ({len(plain) >> 20} MiB of JSON)",
        {
            "json.loads alone": f"{baseline:.2f} s",
            "an export": f"{first:.2f} s",
            "an export that holds secrets": f"{second:.2f} s",
            "a preview that holds unknown values": f"{third:.2f} s",
        },
        ratio=f"an export {first / baseline:.1f} x json.loads",
        target="at most 0.5 s",
    )
