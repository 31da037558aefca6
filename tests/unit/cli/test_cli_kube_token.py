"""The exec credential: a presigned STS request that an EKS-like server can check offline."""

import base64
import datetime as dt
import gc
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.signers import RequestSigner

from cli.exits import Exit
from cli.kube_token import exec_credential, presigned_token
from cli.main import run
from local.cloud.model import CloudObject
from local.cloud.store import SqliteStore

KEY, SECRET = "AKIASIMULATEDKEY2345", "simulated/of-no-use-anywhere"


def decoded(token: str) -> str:
    assert token.startswith("k8s-aws-v1.")
    body = token.removeprefix("k8s-aws-v1.")
    assert "=" not in body, "EKS takes the token without padding"
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()


def test_a_collection_of_garbage_in_between_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    generate = RequestSigner.generate_presigned_url

    def collected(*args: Any, **options: Any) -> Any:
        gc.collect()
        return generate(*args, **options)

    monkeypatch.setattr(RequestSigner, "generate_presigned_url", collected)
    assert "X-Amz-Signature" in decoded(presigned_token("main", "eu-west-1", Credentials(KEY, SECRET)))


def test_the_token_is_a_presigned_caller_identity_request_for_the_region() -> None:
    url = urlsplit(decoded(presigned_token("main", "eu-west-1", Credentials(KEY, SECRET))))
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert (url.scheme, url.netloc, url.path) == ("https", "sts.eu-west-1.amazonaws.com", "/")
    assert query["Action"] == "GetCallerIdentity"
    assert query["X-Amz-Expires"] == "60"
    assert query["X-Amz-SignedHeaders"] == "host;x-k8s-aws-id"
    assert query["X-Amz-Credential"].split("/")[0] == KEY
    assert query["X-Amz-Credential"].split("/")[2:] == ["eu-west-1", "sts", "aws4_request"]


def test_regions_in_china_have_their_own_endpoint() -> None:
    assert "://sts.cn-north-1.amazonaws.com.cn/" in decoded(
        presigned_token("main", "cn-north-1", Credentials(KEY, SECRET))
    )


def test_the_signature_covers_the_cluster_and_can_be_checked_with_the_secret() -> None:
    url = decoded(presigned_token("main", "us-east-1", Credentials(KEY, SECRET)))
    assert _signature_of(url, "main") == parse_qs(urlsplit(url).query)["X-Amz-Signature"][0]
    assert _signature_of(url, "other") != parse_qs(urlsplit(url).query)["X-Amz-Signature"][0]


def _signature_of(url: str, cluster: str) -> str:
    """What the server computes again: SigV4 over the URL without its signature."""
    parts = urlsplit(url)
    query = "&".join(item for item in parts.query.split("&") if not item.startswith("X-Amz-Signature="))
    request = AWSRequest("GET", f"https://{parts.netloc}/?{query}", headers={"x-k8s-aws-id": cluster})
    request.context["timestamp"] = parse_qs(parts.query)["X-Amz-Date"][0]
    auth = SigV4QueryAuth(Credentials(KEY, SECRET), "sts", "us-east-1")
    canonical = auth.canonical_request(request)
    signature = auth.signature(auth.string_to_sign(request, canonical), request)
    assert isinstance(signature, str)
    return signature


def test_the_credential_expires_before_the_fifteen_minutes_that_eks_grants() -> None:
    document = exec_credential("k8s-aws-v1.x", dt.datetime(2026, 11, 21, 7, 0, tzinfo=dt.UTC))
    assert document["apiVersion"] == "client.authentication.k8s.io/v1"
    assert document["status"] == {"expirationTimestamp": "2026-11-21T07:14:00Z", "token": "k8s-aws-v1.x"}


def test_without_credentials_it_says_how_to_get_some(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    assert run(["kube-token", "--cluster", "main", "--region", "us-east-1"]) == Exit.FAILED
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "there are no AWS credentials" in captured.err
    assert "slipway local env" in captured.err


def test_a_simulated_role_signs_with_its_own_key_and_never_with_the_shells(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLIPWAY_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREALLYNOTTHISONE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-a-real-account")
    role = "arn:aws:iam::000000000000:role/slipway-deployer"
    store = SqliteStore(tmp_path / "local" / "account.db")
    store.put(CloudObject(kind="eks:Cluster", id="main", region="us-east-1", body={"name": "main"}))
    key = store.credentials(role).access_key_id
    store.close()
    arguments = ["kube-token", "--cluster", "main", "--region", "us-east-1", "--role-arn", role]
    assert run(arguments) == Exit.OK
    url = decoded(json.loads(capsys.readouterr().out)["status"]["token"])
    assert f"X-Amz-Credential={key}%2F" in url
    assert run(["kube-token", "--cluster", "gone", "--region", "us-east-1", "--role-arn", role]) == Exit.FAILED
    assert "no simulated environment on this machine has a cluster of this name" in capsys.readouterr().err
