"""Settings and components, from their models, dataclasses and docstrings."""

import dataclasses
import importlib
import inspect
import typing
from typing import Any

from components.tokens import TOKENS
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from stacks.settings import Settings


def settings_page() -> str:
    """One table per model of the stack file, with defaults and descriptions."""
    parts = [
        "# Settings\n",
        "A stack is `stacks/config/Pulumi.<stack>.yaml`. Every key below stands under the namespace `slipway:`.\n",
    ]
    seen: set[type[BaseModel]] = set()
    queue: list[type[BaseModel]] = [Settings]
    while queue:
        model = queue.pop(0)
        if model in seen:
            continue
        seen.add(model)
        parts.append(_model_section(model))
        for field in model.model_fields.values():
            queue.extend(item for item in _models_in(field.annotation) if item not in seen)
    return "\n".join(parts)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in typing.get_args(annotation) for model in _models_in(argument)]


def _model_section(model: type[BaseModel]) -> str:
    lines = [
        f"## {model.__name__}\n",
        f"{_first_paragraph(model)}\n",
        "| key | type | default | |",
        "|---|---|---|---|",
    ]
    for name, field in model.model_fields.items():
        if field.is_required():
            default = "required"
        elif field.default is not PydanticUndefined:
            default = f"`{field.default}`"
        else:
            default = "empty" if field.default_factory in (tuple, list, dict) else "see the type"
        lines.append(
            f"| `{field.alias or name}` | {_type_name(field.annotation)} | {_cell(default)} "
            f"| {_cell(field.description or '')} |"
        )
    return "\n".join(lines) + "\n"


def components_page() -> str:
    """Every component with its token, arguments and outputs."""
    parts = ["# Components\n", "Arguments without a default are required. Outputs are attributes of the component.\n"]
    for dotted, token in sorted(TOKENS.items(), key=lambda item: item[1]):
        module_name, class_name = dotted.rsplit(".", 1)
        component = getattr(importlib.import_module(module_name), class_name)
        parts.append(f"## {class_name}\n\n`{token}` in `{module_name}`\n\n{inspect.getdoc(component) or ''}\n")
        arguments = typing.get_type_hints(component.__init__).get("args")
        if dataclasses.is_dataclass(arguments):
            parts.append(_fields_table(typing.cast("type[Any]", arguments)))
        outputs = [name for name in getattr(component, "__annotations__", {}) if not name.startswith("_")]
        if outputs:
            parts.append("Outputs: " + ", ".join(f"`{name}`" for name in outputs) + "\n")
    return "\n".join(parts)


def _fields_table(arguments: type[Any]) -> str:
    hints = typing.get_type_hints(arguments)
    lines = ["| argument | type | default |", "|---|---|---|"]
    for field in dataclasses.fields(arguments):
        if field.default is not dataclasses.MISSING:
            default = f"`{field.default!r}`"
        elif field.default_factory is not dataclasses.MISSING:
            default = f"`{field.default_factory()!r}`"
        else:
            default = "required"
        lines.append(f"| `{field.name}` | {_type_name(hints[field.name])} | {_cell(default)} |")
    return "\n".join(lines) + "\n"


def _first_paragraph(item: type[Any]) -> str:
    return (inspect.getdoc(item) or "").split("\n\n")[0].replace("\n", " ")


def _type_name(annotation: Any) -> str:
    if inspect.isclass(annotation) and not typing.get_args(annotation):
        return f"`{annotation.__name__}`"
    text = str(annotation)
    for noise in ("typing.", "collections.abc.", "components.outputs.", "pulumi.output."):
        text = text.replace(noise, "")
    return f"`{_cell(text)}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
