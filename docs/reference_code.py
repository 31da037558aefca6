"""Settings and components, from their models, dataclasses and docstrings."""

import dataclasses
import importlib
import inspect
import types
import typing
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from components.tokens import TOKENS
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
        arguments = inspect.signature(component).parameters["args"].annotation
        if dataclasses.is_dataclass(arguments):
            parts.append(_fields_table(typing.cast("type[Any]", arguments)))
        outputs = [name for name in getattr(component, "__annotations__", {}) if not name.startswith("_")]
        if outputs:
            parts.append("Outputs: " + ", ".join(f"`{name}`" for name in outputs) + "\n")
    return "\n".join(parts)


def _fields_table(arguments: type[Any]) -> str:
    lines = ["| argument | type | default |", "|---|---|---|"]
    for field in dataclasses.fields(arguments):
        if field.default is not dataclasses.MISSING:
            default = f"`{field.default!r}`"
        elif field.default_factory is not dataclasses.MISSING:
            default = f"`{field.default_factory()!r}`"
        else:
            default = "required"
        lines.append(f"| `{field.name}` | {_type_name(field.type)} | {_cell(default)} |")
    return "\n".join(lines) + "\n"


def _first_paragraph(item: type[Any]) -> str:
    return (inspect.getdoc(item) or "").split("\n\n")[0].replace("\n", " ")


def _type_name(annotation: Any) -> str:
    return f"`{_cell(_spelled(annotation))}`"


def _spelled(annotation: Any) -> str:
    """A type as a person would say it: constraints, modules and wrappers left out."""
    if annotation is type(None):
        return "null"
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _spelled(arguments[0])
    if origin is typing.Literal:
        return " | ".join(repr(value) for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(dict.fromkeys(_spelled(item) for item in arguments))
    if arguments:
        inner = ", ".join(_spelled(item) for item in arguments if item is not Ellipsis)
        return f"{getattr(origin, '__name__', origin)}[{inner}]"
    name = getattr(annotation, "__forward_arg__", None) or getattr(annotation, "__name__", annotation)
    return str(name)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
