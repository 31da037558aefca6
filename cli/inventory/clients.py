"""boto3 for a stack's account: the simulated one by its own address and key, a real one by the user's login."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from cli.errors import UserError
from cli.exits import Exit
from cli.inventory.account import AwsInventory
from cli.inventory.owned import Clients
from cli.project import Stack
from local.paths import SIMULATED_ACCOUNT_ID

_SIMULATED_POLL_SECONDS = 0.2


def inventory_of(stack: Stack, environment: Mapping[str, str], *, removes: bool = False) -> AwsInventory:
    """The inventory of a stack's account.

    Args:
        stack: Whose.
        environment: The engine's variables, which say where a simulated account is.
        removes: Whether anything may be deleted in a real account; in a simulated one it may.
    """
    region = str(getattr(stack.settings.place, "region", ""))
    if stack.simulated:
        poll = _SIMULATED_POLL_SECONDS
        return AwsInventory(simulated(environment, region), removes_in=SIMULATED_ACCOUNT_ID, poll_seconds=poll)
    account = str(getattr(stack.settings.place, "account_id", "")) if removes else ""
    return AwsInventory(real(region), removes_in=account)


@contextmanager
def looked_up(what: str) -> Iterator[None]:
    """Turn what boto3 raises into one error that names ``what``.

    Raises:
        UserError: the account cannot be asked.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise UserError(
            f"{what} cannot be looked up: {error}",
            fix="log in to the account, with leave to describe and list, and run it again",
            status=Exit.NOT_READY,
        ) from error


def real(region: str) -> Clients:
    """Clients with the process's own credentials and profile."""
    import boto3

    return cache(lambda service: boto3.client(service, region_name=region))


def simulated(environment: Mapping[str, str], region: str) -> Clients:
    """Clients of a simulated account: nothing of the user's profiles, keys or proxies has a say."""
    import boto3
    import botocore.session
    from botocore.config import Config
    from botocore.configprovider import ConstantProvider

    session = botocore.session.Session()
    store = session.get_component("config_store")
    store.set_config_provider("profile", ConstantProvider(None))
    for name, variable in (("config_file", "AWS_CONFIG_FILE"), ("credentials_file", "AWS_SHARED_CREDENTIALS_FILE")):
        session.set_config_variable(name, environment[variable])
    made = boto3.Session(
        botocore_session=session,
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=region or environment["AWS_REGION"],
    )
    config = Config(proxies={}, retries={"mode": "standard", "total_max_attempts": 10})

    def client(service: str) -> Any:
        return made.client(service, endpoint_url=environment["AWS_ENDPOINT_URL"], config=config)

    return cache(client)
