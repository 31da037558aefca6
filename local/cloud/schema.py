"""Resource schemas, recovered from the installed SDK wheel: one file per token in the user's cache, made on first use.

The wheel holds no schema file, but its generated classes say nearly everything: ``<Type>Args.__init__`` has the inputs,
their types and which are required; the class's getters have the outputs; ``_internal_init`` names the secret outputs
and aliases. What is *not* there (create-only, ranges, most enums) comes from the package's bindings.
"""

import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import os
import re
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

_FORMAT = "3"
CACHE_VARIABLE = "SLIPWAY_CACHE_DIR"


@dataclass(frozen=True)
class Type:
    """A property's type. ``name`` is string, integer, number, boolean, list, map, object or any."""

    name: str
    item: "Type | None" = None
    """Of a list or a map."""
    shape: str = ""
    """Of an object: its key in ``ResourceSchema.shapes``."""
    values: tuple[str, ...] = ()
    """What the SDK's enum lists, where it has one (not binding: providers accept newer values)."""


@dataclass(frozen=True)
class Shape:
    """An object's properties by their Pulumi (camelCase) names."""

    properties: Mapping[str, Type] = field(default_factory=dict)
    required: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class ResourceSchema:
    """What the SDK knows of one resource type."""

    token: str
    inputs: Shape
    outputs: Shape
    secrets: frozenset[str] = frozenset()
    """Outputs (inputs too) that are always secret."""
    aliases: tuple[str, ...] = ()
    shapes: Mapping[str, Shape] = field(default_factory=dict)

    @property
    def computed(self) -> frozenset[str]:
        """Outputs that are no inputs."""
        return frozenset(self.outputs.properties) - frozenset(self.inputs.properties)


class UnknownTokenError(LookupError):
    """The SDK has no such resource type; the message names near ones."""


def cache_root() -> Path:
    """Where schemas are kept: ``$SLIPWAY_CACHE_DIR``, else the XDG cache."""
    own = os.environ.get(CACHE_VARIABLE)
    if own:
        return Path(own).expanduser().resolve() / "schema"
    xdg = os.environ.get("XDG_CACHE_HOME")
    base = Path(xdg) if xdg and Path(xdg).is_absolute() else Path.home() / ".cache"
    return base / "slipway" / "schema"


class SdkSchemas:
    """Schemas of one SDK package (``pulumi_aws``); imports the part of it that holds a type only on a cache miss."""

    def __init__(self, sdk: str, *, cache: Path | None = None) -> None:
        self.sdk = sdk
        self.version = importlib.metadata.version(sdk.replace("_", "-"))
        self._directory = (cache or cache_root()) / f"{sdk}-{self.version}-{_FORMAT}"
        self._loaded: dict[str, ResourceSchema] = {}

    @cached_property
    def _source(self) -> Path:
        spec = importlib.util.find_spec(self.sdk)
        if spec is None or spec.origin is None:
            raise UnknownTokenError(f"the Python package {self.sdk} is not installed")
        return Path(spec.origin).parent

    @cached_property
    def plugin(self) -> tuple[str, str]:
        """Name and version of the provider plugin that this SDK asks the engine for."""
        facts = json.loads((self._source / "pulumi-plugin.json").read_text())
        return facts["name"], facts["version"]

    @cached_property
    def tokens(self) -> Mapping[str, tuple[str, str]]:
        """Every resource token with the module and the class that hold it; read from the SDK's text, not imported."""
        cached = self._directory / "tokens.json"
        if cached.is_file():
            return {token: (module, name) for token, (module, name) in json.loads(cached.read_text()).items()}
        text = (self._source / "__init__.py").read_text()
        found = re.search(r'resource_modules="""(.*?)"""', text, re.DOTALL)
        modules = json.loads(found.group(1)) if found else []
        tokens = {token: (module["fqn"], name) for module in modules for token, name in module["classes"].items()}
        tokens[f"pulumi:providers:{self.plugin[0]}"] = (self.sdk, "Provider")
        _write(cached, tokens)
        return tokens

    def get(self, token: str) -> ResourceSchema:
        """The schema of ``token``.

        Raises:
            UnknownTokenError: the SDK has no such type.
        """
        if token not in self._loaded:
            self._loaded[token] = self._from_disk(token) or self._from_sdk(token)
        return self._loaded[token]

    def has_function(self, token: str) -> bool:
        """Whether the SDK has an invoke of that token; reads sources, so it is for error messages only."""
        needle = f"'{token}'"
        return any(needle in file.read_text() for file in self._source.rglob("get_*.py"))

    def _file(self, token: str) -> Path:
        return self._directory / (re.sub(r"[^A-Za-z0-9]+", "-", token) + ".json")

    def _from_disk(self, token: str) -> ResourceSchema | None:
        try:
            data = json.loads(self._file(token).read_text())
        except (OSError, json.JSONDecodeError):
            return None
        return ResourceSchema(
            token=data["token"],
            inputs=_shape(data["inputs"]),
            outputs=_shape(data["outputs"]),
            secrets=frozenset(data["secrets"]),
            aliases=tuple(data["aliases"]),
            shapes={name: _shape(item) for name, item in data["shapes"].items()},
        )

    def _from_sdk(self, token: str) -> ResourceSchema:
        if token not in self.tokens:
            raise UnknownTokenError(_unknown(token, self.sdk, self.version, list(self.tokens)))
        module, name = self.tokens[token]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # importing a module warns of each deprecated type in it
            resource = getattr(importlib.import_module(module), name)
        schema = read_class(token, resource)
        data = asdict(schema)
        data["secrets"] = sorted(schema.secrets)
        for shape in (data["inputs"], data["outputs"], *data["shapes"].values()):
            shape["required"] = sorted(shape["required"])
        _write(self._file(token), data)
        return schema


def read_class(token: str, resource: type) -> ResourceSchema:
    """The schema of an SDK's generated resource class."""
    from pulumi import _types

    module = importlib.import_module(resource.__module__)
    reader = _Reader()
    # ``XInitArgs`` where a nested type of the package took the name ``XArgs`` (s3.BucketVersioning).
    arguments = getattr(module, f"{resource.__name__}InitArgs", getattr(module, f"{resource.__name__}Args", None))
    inputs = reader.shape_of(arguments) if arguments is not None else Shape()
    # What the SDK says of its own classes; there is no public way to ask it.
    outputs = {name: reader.type_of(hint) for name, hint in _types.resource_types(resource).items()}
    source = inspect.getsource(resource._internal_init) if hasattr(resource, "_internal_init") else ""  # noqa: SLF001
    return ResourceSchema(
        token=token,
        inputs=inputs,
        outputs=Shape({name: value for name, value in outputs.items() if name not in {"id", "urn"}}),
        secrets=frozenset(_listed(source, r"additional_secret_outputs=\[(.*?)\]", r'"([^"]+)"')),
        aliases=tuple(_listed(source, r"aliases=\[(.*?)\]\)", r'type_="([^"]+)"')),
        shapes=reader.shapes,
    )


class _Reader:
    """Turns type hints into ``Type``; collects the object shapes on the way (some are recursive)."""

    def __init__(self) -> None:
        self.shapes: dict[str, Shape] = {}

    def shape_of(self, arguments: type) -> Shape:
        from pulumi import _types

        hints: dict[str, Any] = _types.input_type_types(arguments)
        python_names = _types.input_type_py_to_pulumi_names(arguments)
        parameters = inspect.signature(arguments.__init__).parameters  # type: ignore[misc] # a class, not an instance
        required = {
            python_names.get(name, name)
            for name, parameter in parameters.items()
            if name != "__self__" and parameter.default is inspect.Parameter.empty
        }
        return Shape({name: self.type_of(hint) for name, hint in hints.items()}, frozenset(required))

    def type_of(self, hint: Any) -> Type:
        from pulumi import _types

        plain = _types.unwrap_type(hint)
        name = getattr(plain, "__name__", "")
        origin = getattr(plain, "__origin__", None)
        arguments = [item for item in getattr(plain, "__args__", ()) if item is not type(None)]
        if isinstance(plain, type) and name in _SCALARS:
            return Type(_SCALARS[name])
        if origin is not None and arguments:
            return self._generic(origin, arguments)
        if isinstance(plain, type) and (_types.is_input_type(plain) or _types.is_output_type(plain)):
            return Type("object", shape=self._named(plain))
        values = tuple(str(item.value) for item in getattr(plain, "__members__", {}).values())
        return Type("string", values=values) if values else Type("any")

    def _generic(self, origin: Any, arguments: list[Any]) -> Type:
        name = getattr(origin, "__name__", str(origin))
        if name in {"Sequence", "list"}:
            return Type("list", item=self.type_of(arguments[0]))
        if name in {"Mapping", "dict"}:
            return Type("map", item=self.type_of(arguments[-1]))
        kinds = [self.type_of(item) for item in arguments if "Awaitable" not in str(item) and "Output" not in str(item)]
        named = [kind for kind in kinds if kind.values]  # Union[str, 'SomeEnum']
        return (named or kinds or [Type("any")])[0] if len({kind.name for kind in kinds}) == 1 else Type("any")

    def _named(self, plain: type) -> str:
        from pulumi import _types

        key = f"{'in' if _types.is_input_type(plain) else 'out'}:{plain.__module__}.{plain.__name__}"
        if key not in self.shapes:
            self.shapes[key] = Shape()  # first, so that a type that holds itself ends here
            if _types.is_input_type(plain):
                self.shapes[key] = self.shape_of(plain)
            else:
                hints: dict[str, Any] = _types.output_type_types(plain)
                self.shapes[key] = Shape({name: self.type_of(hint) for name, hint in hints.items()})
        return key


_SCALARS = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


def _listed(source: str, outer: str, inner: str) -> list[str]:
    found = re.search(outer, source, re.DOTALL)
    return re.findall(inner, found.group(1)) if found else []


def _unknown(token: str, sdk: str, version: str, tokens: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(token, tokens, n=3, cutoff=0.8)
    hint = f"; near: {', '.join(near)}" if near else ""
    return f"resource type {token!r} does not exist in {sdk} {version}{hint}"


def _write(file: Path, data: Any) -> None:
    """Whole or not at all: several plugins may make the same entry at once. A read-only cache is no error."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as temporary:
            json.dump(data, temporary)
        Path(temporary.name).replace(file)
    except OSError:
        return


def _type(data: dict[str, Any] | None) -> Type | None:
    if data is None:
        return None
    return Type(data["name"], _type(data["item"]), data["shape"], tuple(data["values"]))


def _shape(data: dict[str, Any]) -> Shape:
    properties = {name: _type(item) or Type("any") for name, item in data["properties"].items()}
    return Shape(properties, frozenset(data["required"]))
