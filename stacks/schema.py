"""The JSON Schema of a whole ``Pulumi.<stack>.yaml``, made from the models, for editors and other tools.

It says what one value may be. Rules between values (a zone of the region, a size that is sold) are the settings' own.
"""

from typing import Any

from stacks.problems import NAMESPACE
from stacks.settings import Settings

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NOT_BUILT = ("GcpPlace", "AzurePlace", "OnPremisesPlace")
"""Places that are refused, so no editor should offer them."""


def stack_file_schema() -> dict[str, Any]:
    """The schema, ready for ``json.dumps``; equal models give an equal document."""
    models = Settings.model_json_schema(by_alias=True)
    definitions: dict[str, Any] = models.pop("$defs")
    for name in _NOT_BUILT:
        definitions.pop(name)
    settings = {f"{NAMESPACE}:{key}": value for key, value in models["properties"].items()}
    text = {"type": "string"}
    document = {
        "$schema": DIALECT,
        "title": "A Slipway stack: Pulumi.<stack>.yaml",
        "description": models.get("description", ""),
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": settings,
                "patternProperties": {"^pulumi:": {"description": "An option of the engine itself."}},
                "required": [f"{NAMESPACE}:{key}" for key in models["required"]],
                "additionalProperties": False,
            },
            "encryptionsalt": {**text, "description": "Written by Pulumi for the passphrase that encrypts secrets."},
            "encryptedkey": {**text, "description": "Written by Pulumi: the data key, encrypted by the provider."},
            "secretsprovider": {**text, "description": "What encrypts the secrets of this file."},
            "environment": {"description": "Pulumi environments that the file imports."},
        },
        "required": ["config"],
        "additionalProperties": False,
        "$defs": definitions,
    }
    cleaned: dict[str, Any] = _clean(document)
    return cleaned


def _clean(value: Any) -> Any:
    """Without titles that only repeat names, OpenAPI's ``discriminator``, and references to what is not built."""
    if isinstance(value, list):
        return [_clean(item) for item in value if not _gone(item)]
    if not isinstance(value, dict):
        return value
    found = {
        key: _members(item) if key in ("properties", "$defs") else _clean(item)
        for key, item in value.items()
        if key != "discriminator" and (key != "title" or "$schema" in value)
    }
    description = found.get("description")
    if isinstance(description, str):
        found["description"] = " ".join(description.split()).replace("``", "`")
    return found


def _members(properties: dict[str, Any]) -> dict[str, Any]:
    """The schemas of named members; a member may be called ``title`` itself."""
    return {name: _clean(item) for name, item in properties.items()}


def _gone(item: object) -> bool:
    return isinstance(item, dict) and str(item.get("$ref", "")).rpartition("/")[2] in _NOT_BUILT
