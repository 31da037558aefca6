"""boto3 for a simulated account listens to that account's variables only."""

from pathlib import Path
from typing import Any

import pytest

from cli.errors import UserError
from cli.inventory.clients import looked_up, simulated
from tests.unit.cloud_endpoint.conftest import DEPLOYER


def variables(account: Any, empty: Path) -> dict[str, str]:
    """As ``slipway local env`` prints them."""
    known = account.store.credentials(DEPLOYER)
    return {
        "AWS_ACCESS_KEY_ID": known.access_key_id,
        "AWS_SECRET_ACCESS_KEY": known.secret_access_key,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": account.server.url,
        "AWS_CONFIG_FILE": str(empty),
        "AWS_SHARED_CREDENTIALS_FILE": str(empty),
    }


def test_profiles_keys_and_proxies_of_the_user_have_no_say(
    full: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty, own = tmp_path / "empty", tmp_path / "own"
    empty.touch()
    own.write_text("[profile work]\nregion = eu-north-1\nrole_arn = arn:aws:iam::111122223333:role/work\n")
    # Port 9 (discard) answers nobody: a request that went there would fail.
    mine = {"AWS_CONFIG_FILE": str(own), "AWS_PROFILE": "work", "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}
    for name, value in {**mine, "HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, value)
    clients = simulated(variables(full, empty), "us-east-1")
    assert clients("sts").get_caller_identity()["Account"] == "000000000000"
    assert clients("ec2").meta.region_name == "us-east-1"
    assert clients("ec2") is clients("ec2"), "one client per service: each takes a tenth of a second to make"


def test_an_account_that_cannot_be_asked_is_one_error(full: Any) -> None:
    stranger = full.client("ec2", key="AKIAIOSFODNN7EXAMPLE", secret="not-of-this-account")
    with pytest.raises(UserError) as refused, looked_up("what dev has in the account"):
        stranger.describe_vpcs()
    assert refused.value.what.startswith("what dev has in the account cannot be looked up")
    assert "AuthFailure" in refused.value.what
    assert "log in" in refused.value.fix
