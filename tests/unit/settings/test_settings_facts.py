"""Facts that the settings repeat because their source is too heavy to import, and the rules' own declarations."""

from typing import Any

import boto3
from pydantic import BaseModel, SecretStr

from stacks import settings as module
from stacks.aws_facts import AWS_REGIONS, LOG_RETENTION_DAYS
from stacks.rules import RULES
from stacks.settings import Settings


def test_regions_are_those_in_which_aws_sells_eks_and_fsx() -> None:
    session = boto3.session.Session()
    both = set(session.get_available_regions("eks")) & set(session.get_available_regions("fsx"))
    assert both == AWS_REGIONS


def test_log_retention_is_what_the_network_component_accepts() -> None:
    from components.aws.network import RETENTION_DAYS

    assert RETENTION_DAYS == LOG_RETENTION_DAYS


def test_rules_name_sections_that_exist_and_have_ids_of_their_own() -> None:
    for rule in RULES:
        assert rule.needs <= set(Settings.model_fields), f"{rule.id} needs a section that does not exist"
    of_each_list = {"name-unique", "team-unknown", "pool-unknown"}
    ids = [rule.id for rule in RULES if rule.id not in of_each_list]
    assert len(ids) == len(set(ids)), "an id names one mistake, whichever list it is in"


def test_every_secret_field_is_checked_for_plain_text() -> None:
    found = {tuple(path) for path in secrets(Settings, ())}
    assert found == set(module._SECRETS)


def secrets(model: type[BaseModel], path: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Paths of all fields that hold secrets."""
    result = []
    for name, info in model.model_fields.items():
        here = (*path, info.alias or name)
        for part in parts(info.annotation):
            if part is SecretStr:
                result.append(here)
            elif isinstance(part, type) and issubclass(part, BaseModel):
                result.extend(secrets(part, here))
    return result


def parts(annotation: Any) -> list[Any]:
    """``annotation`` and everything in it."""
    return [annotation, *(inner for item in getattr(annotation, "__args__", ()) for inner in parts(item))]
