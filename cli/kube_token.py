"""``slipway kube-token``: the exec credential in the kubeconfigs that stacks export.

An EKS token is a presigned STS request: ``k8s-aws-v1.`` and the base64url of the URL, with the cluster's name in a
signed header. Format and limits: aws-iam-authenticator, "API Authorization from Outside a Cluster"; awscli
``customizations/eks/get_token.py`` (URL valid for 60 s, token used for at most 14 minutes).
"""

import base64
import datetime as dt
import json
import sys
from typing import Annotated, Any, Final

import typer

from cli.errors import UserError
from cli.exits import Exit
from cli.lazy import verb
from cli.simulated_credentials import credentials_for, is_simulated

PREFIX: Final = "k8s-aws-v1."
CLUSTER_HEADER: Final = "x-k8s-aws-id"
_URL_SECONDS: Final = 60
_TOKEN_MINUTES: Final = 14
_SUFFIXES: Final = {"cn-": "amazonaws.com.cn"}


def presigned_token(cluster: str, region: str, credentials: Any) -> str:
    """The token for ``cluster``, signed offline with botocore ``credentials``."""
    import botocore.session
    from botocore.model import ServiceId
    from botocore.signers import RequestSigner

    suffix = next((text for start, text in _SUFFIXES.items() if region.startswith(start)), "amazonaws.com")
    host = f"sts.{region}.{suffix}"
    # The signer holds its emitter weakly: one that nobody else holds is gone once the collector comes by.
    emitter = botocore.session.get_session().get_component("event_emitter")
    signer = RequestSigner(
        ServiceId("STS"),
        region,
        "sts",
        "v4",
        credentials,
        emitter,
    )
    request = {
        "method": "GET",
        "url": f"https://{host}/?Action=GetCallerIdentity&Version=2011-06-15",
        "body": {},
        "headers": {CLUSTER_HEADER: cluster},
        "context": {},
    }
    url = signer.generate_presigned_url(request, region_name=region, expires_in=_URL_SECONDS, operation_name="")
    return PREFIX + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def caller_credentials(cluster: str, region: str, role_arn: str | None) -> Any:
    """The caller's AWS credentials from the usual places, or those of ``role_arn`` assumed with them.

    A role of a simulated account is looked up in the account that holds ``cluster``.

    Raises:
        UserError: There are none, or the role cannot be assumed.
    """
    if role_arn is not None and is_simulated(role_arn):
        return credentials_for(cluster, role_arn)
    import botocore.exceptions
    import botocore.session

    session = botocore.session.get_session()
    found = session.get_credentials()
    if found is None:
        raise UserError(
            "there are no AWS credentials to make a Kubernetes token with",
            where="environment, shared configuration, instance metadata",
            fix='log in first (`aws sso login`); for a simulated environment run `eval "$(slipway local env)"`',
        )
    if role_arn is None:
        return found
    client = session.create_client("sts", region_name=region)
    try:
        answer = client.assume_role(RoleArn=role_arn, RoleSessionName="slipway-kube-token")["Credentials"]
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise UserError(
            f"the deployer role cannot be assumed: {error}",
            value=role_arn,
            fix="ask the account's owner to let your principal assume it",
        ) from error
    return botocore.credentials.Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])


def exec_credential(token: str, now: dt.datetime) -> dict[str, Any]:
    """The document that Kubernetes clients expect on stdout (client.authentication.k8s.io/v1)."""
    expires = now + dt.timedelta(minutes=_TOKEN_MINUTES)
    return {
        "kind": "ExecCredential",
        "apiVersion": "client.authentication.k8s.io/v1",
        "spec": {},
        "status": {"expirationTimestamp": expires.strftime("%Y-%m-%dT%H:%M:%SZ"), "token": token},
    }


def kube_token(
    cluster: Annotated[str, typer.Option("--cluster", help="Physical name of the EKS cluster.", show_default=False)],
    region: Annotated[str, typer.Option("--region", help="AWS region of the cluster.", show_default=False)],
    role_arn: Annotated[str | None, typer.Option("--role-arn", help="Assume this role first.")] = None,
) -> None:
    """Print an ExecCredential with a token for one EKS cluster; signed on this machine, no call leaves it.

    \b
    Examples:
      slipway kube-token --cluster slipway-prod --region us-east-1
      kubectl --kubeconfig prod.json get nodes     (calls the above by itself)
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    for name, value in (("--cluster", cluster), ("--region", region)):
        if not value:
            raise UserError(f"{name} is empty", fix=f"give {name} a value", status=Exit.USAGE)
    token = presigned_token(cluster, region, caller_credentials(cluster, region, role_arn))
    json.dump(exec_credential(token, dt.datetime.now(dt.UTC)), sys.stdout)
    sys.stdout.write("\n")


app = verb(kube_token)
