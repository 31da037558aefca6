"""What the simulator knows of a resource type: binding, schema, checker and converter, put together once."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from local.cloud.check import Checker
from local.cloud.convert import Converter
from local.cloud.model import Autoname, Binding, CloudPackage
from local.cloud.schema import ResourceSchema, SdkSchemas

SHAPE_ONLY = "shape only, replacement unknown"
"""How reports mark types without a binding."""
_GENERIC_NAME_LENGTH = 255


class Schemas(Protocol):
    """Where schemas come from; tests bring their own."""

    def get(self, token: str) -> ResourceSchema:
        """The schema, or ``UnknownTokenError``."""

    def has_function(self, token: str) -> bool:
        """Whether the SDK has that invoke."""


@dataclass(frozen=True, kw_only=True)
class BoundType:
    """One resource type, ready to use."""

    binding: Binding
    schema: ResourceSchema
    checker: Checker
    converter: Converter
    modelled: bool
    """False for shape only."""


class BoundTypes:
    """The types of one package, put together on first use; safe for threads."""

    def __init__(self, package: CloudPackage, schemas: Schemas | None = None) -> None:
        self._package = package
        self.schemas: Schemas = schemas or SdkSchemas(package.sdk)
        self._types: dict[str, BoundType] = {}
        self._lock = threading.Lock()

    def get(self, token: str) -> BoundType:
        """The type of ``token``.

        Raises:
            UnknownTokenError: the SDK has no such type.
        """
        with self._lock:
            if token not in self._types:
                self._types[token] = self._put_together(token)
            return self._types[token]

    @property
    def bindings(self) -> Mapping[str, Binding]:
        """All bindings of the package."""
        return self._package.bindings

    def _put_together(self, token: str) -> BoundType:
        schema = self.schemas.get(token)
        binding = self._package.bindings.get(token)
        modelled = binding is not None
        if binding is None:
            binding = _generic(token, schema)
        return BoundType(
            binding=binding,
            schema=schema,
            checker=Checker(binding, schema),
            converter=Converter(binding, schema),
            modelled=modelled,
        )


def _generic(token: str, schema: ResourceSchema) -> Binding:
    """A type of which only the shape is known: kept as it was given, under a kind of its own."""
    package, module, name = token.split(":")
    named = "name" in schema.inputs.properties
    return Binding(
        token=token,
        kind=f"{package}-{module.partition('/')[0]}:{name}",
        operations={},
        camel_case_body=True,
        autoname=Autoname(property="name", max_length=_GENERIC_NAME_LENGTH) if named else None,
        tags="tags" if "tags" in schema.inputs.properties else None,
        tags_as_map=True,
    )
