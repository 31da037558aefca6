"""The fields of the settings' models: where a document sets them, and which there are."""

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel

from stacks.settings import Settings

Step = str | int
Place = tuple[Step, ...]
NOT_BUILT = {"GcpPlace", "AzurePlace", "OnPremisesPlace"}


def model_of(annotation: Any, value: Any) -> type[BaseModel] | None:
    """The model in ``annotation`` that reads ``value``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for tag in ("kind", "cloud"):
            info = annotation.model_fields.get(tag)
            allowed = getattr(info.annotation, "__args__", ()) if info else ()
            if allowed and (not isinstance(value, dict) or value.get(tag) not in allowed):
                return None
        return annotation
    return next(
        (found for part in getattr(annotation, "__args__", ()) if (found := model_of(part, value)) is not None), None
    )


def leaves(model: type[BaseModel], value: dict[str, Any], at: Place = ()) -> Iterator[tuple[Place, str]]:
    """(place in the file, ``Model.field``) of every field that ``value`` sets."""
    for name, info in model.model_fields.items():
        key = info.alias or name
        if key not in value:
            continue
        yield (*at, key), f"{model.__name__}.{name}"
        items: Sequence[tuple[Place, Any]] = [((*at, key), value[key])]
        if isinstance(value[key], list):
            items = [((*at, key, number), item) for number, item in enumerate(value[key])]
        for place, item in items:
            below = model_of(info.annotation, item) if isinstance(item, dict) else None
            if below is not None:
                yield from leaves(below, item, place)


def every_field(model: type[BaseModel] = Settings) -> Iterator[str]:
    """``Model.field`` of every field of every model of the settings."""
    for name, info in model.model_fields.items():
        yield f"{model.__name__}.{name}"
        for below in models_in(info.annotation):
            if below.__name__ not in NOT_BUILT:
                yield from every_field(below)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from models_in(part)
