"""Live prices into a file: the credentials, the errors and the merging around ``policies/cost/live.py``."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cli.errors import UserError
from policies.cost.catalogue import Price, overlay, read_overlay
from policies.cost.live import PriceListClient, endpoint_region, fetch

Connect = Callable[[str], PriceListClient]
"""A client of the price list in an endpoint region."""
Keys = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Refreshed:
    """What came of it."""

    asked: int
    fetched: Keys
    """Items and regions with a live price now."""
    kept: Keys
    """Those that stay as the kit lists them."""


def client(region: str) -> PriceListClient:
    """boto3's client, with the caller's own credentials.

    Raises:
        UserError: there are none.
    """
    import boto3

    session = boto3.Session()
    if session.get_credentials() is None:
        raise UserError(
            "AWS's price list answers only callers with credentials, and there are none",
            allowed="any identity that may call pricing:GetProducts",
            fix="sign in (aws sso login, or AWS_PROFILE); without, `slipway cost` uses the kit's own dated prices",
        )
    made: PriceListClient = session.client("pricing", region_name=region)
    return made


def refresh(items: Iterable[tuple[str, str]], path: Path, *, region: str, connect: Connect = client) -> Refreshed:
    """Ask for ``items`` and write what is answered to ``path``; what stands there for other items stays.

    Raises:
        UserError: no credentials, or AWS refuses; the file is left as it was.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    wanted = tuple(sorted(set(items)))
    today = datetime.now(UTC).date().isoformat()
    try:
        found = dict(_keyed(fetch(connect(endpoint_region(region)), wanted, today=today)))
    except (BotoCoreError, ClientError) as error:
        raise UserError(
            f"AWS's price list did not answer: {error}",
            allowed="an identity that may call pricing:GetProducts, and a way to api.pricing.*.amazonaws.com",
            fix="correct it and run the command again; the prices that are stored stay as they were",
        ) from None
    _store({**_stored(path), **found}, path)
    return Refreshed(asked=len(wanted), fetched=tuple(found), kept=tuple(key for key in wanted if key not in found))


def _keyed(prices: Iterable[tuple[str, Price]]) -> Iterable[tuple[tuple[str, str], Price]]:
    return (((item, price.region), price) for item, price in prices)


def _stored(path: Path) -> dict[tuple[str, str], Price]:
    if not path.is_file():
        return {}
    try:
        return read_overlay(path)
    except ValueError:
        # A broken file is replaced by a whole one.
        return {}


def _store(prices: dict[tuple[str, str], Price], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(overlay((item, price) for (item, _), price in sorted(prices.items())), indent=1)
    temporary = path.with_name(f"{path.name}.new")
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(path)
