"""Where in the environment's file the setting stands that a resource is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from policies.graph import Resource, ResourceGraph
from stacks.problems import NAMESPACE

_SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "Network": ("place", "network"),
    "Cluster": ("cluster",),
    "ClusterAddons": ("cluster",),
    "NodePool": ("pools",),
    "GpuNodePool": ("pools",),
    "DataLake": ("dataLake",),
    "LustreFileSystem": ("storage",),
    "LustreVolume": ("storage",),
    "TeamDirectories": ("storage",),
    "TeamNamespace": ("teams",),
    "TrainingRun": ("training",),
    "ModelService": ("inference",),
    "Budget": ("budget",),
}
"""Component (the noun of its type token) -> section of the settings."""


@dataclass(frozen=True, kw_only=True)
class Locations:
    """Lines of one settings file; 0 stands for the file as a whole."""

    file: str = ""
    """As reports name it: relative to the repository."""
    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    """Section, or section and name of an item -> line, from 1."""

    @classmethod
    def of(cls, path: Path, file: str) -> "Locations":
        """Those of a settings file; of a file that is no YAML, the file as a whole."""
        try:
            node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            return cls(file=file)
        return cls(file=file, lines=dict(_lines(_member(node, "config"))))

    def line(self, graph: ResourceGraph, resource: Resource) -> int:
        """The line of the setting that made ``resource``: the nearest component that comes from one tells it."""
        here: Resource | None = resource
        for _ in range(len(graph.resources)):
            if here is None:
                break
            found = self._of_component(here)
            if found:
                return found
            here = graph.by_urn.get(here.parent)
        return 0

    def _of_component(self, component: Resource) -> int:
        section = (
            _SECTIONS.get(component.type.rpartition(":")[2]) if component.type.startswith(f"{NAMESPACE}:") else None
        )
        if section is None:
            return 0
        items = [name for *above, name in self.lines if tuple(above) == section and _within(name, component.name)]
        if items:
            return self.lines[(*section, max(items, key=len))]
        return self.lines.get(section, 0)


def _within(name: str, logical: str) -> bool:
    """Whether a logical name is made of the setting's name: ``burst`` in ``burst-launch-template``."""
    return f"-{name}-" in f"-{logical}-"


def _lines(config: Any) -> list[tuple[tuple[str, ...], int]]:
    found: list[tuple[tuple[str, ...], int]] = []
    for key, value in getattr(config, "value", []):
        name = str(key.value).removeprefix(f"{NAMESPACE}:")
        found.append(((name,), key.start_mark.line + 1))
        for inner_key, _ in value.value if isinstance(value, yaml.MappingNode) else []:
            found.append(((name, str(inner_key.value)), inner_key.start_mark.line + 1))
        for item in value.value if isinstance(value, yaml.SequenceNode) else []:
            label = _member(item, "name")
            if label is not None:
                found.append(((name, str(label.value)), item.start_mark.line + 1))
    return found


def _member(node: Any, name: str) -> Any:
    for key, value in node.value if isinstance(node, yaml.MappingNode) else []:
        if key.value == name:
            return value
    return None
