"""Charts of the local mirror that are packed from the Go module that their manager is built from.

Real: values, CRDs, roles, ConfigMaps, and the manager's Deployment with everything that values decide about it.
Changed: the Deployment's image and the annotation that holds its pods (the supervisor runs the manager itself); the
webhooks, which a ConfigMap hands to the supervisor; conversion webhooks of CRDs, which it sets once it is asked.
Left out: what only serves a pod, such as certificates for a Service.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from local.cluster.managers.releases import CONVERSIONS_KEY, WEBHOOKS_KEY, webhooks_config_map
from local.cluster.stages import HOLD_ANNOTATION
from local.cluster.stand_ins import RECORD, StandIn

_NEVER_PACKED: Final = ("README.md", "README.md.gotmpl", "NOTES.txt")
_CONVERSION: Final = re.compile(r"^  conversion:\n(?:    .*\n)+", re.MULTILINE)
_CONVERSION_PATH: Final = re.compile(r"^ +path: (\S+)$", re.MULTILINE)
_CRD_NAME: Final = re.compile(r"^  name: (\S+)$", re.MULTILINE)
_HEAD: Final = re.compile(r"\A\{\{- /\*.*?\*/ -\}\}\s*", re.DOTALL)
_WEBHOOKS: Final = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: CONFIG_MAP
  namespace: {{ .Release.Namespace }}
data:
  WEBHOOKS: {{ include "slipway.webhooks" . | quote }}
  CONVERSIONS: JSON
"""


@dataclass(frozen=True, kw_only=True)
class ModuleChart:
    """How one chart of a module becomes a stand-in. Paths are relative to the chart."""

    name: str
    executable: str
    deployment: str
    """The template of the manager's Deployment."""
    hold_after: str
    """A line of it, after which the annotation of the pods belongs; ``HOLD`` in ``hold`` is replaced by it."""
    hold: str
    image: str
    """The line of it that names the image."""
    webhooks: tuple[str, ...]
    """Templates of webhook configurations."""
    crds: str = ""
    """The folder of templates of CRDs; "" where the chart has them in ``crds/``, which are no templates."""
    left_out: tuple[str, ...] = ()
    """Folders and files of templates."""
    refused: tuple[tuple[str, str], ...] = ()
    """Conditions on values that the stand-in cannot honour, and what to say."""
    replaced: tuple[tuple[str, str, str], ...] = field(default=())
    """Further changes: file, a pattern that is found once, and what takes its place."""


def module_chart(chart: ModuleChart, version: str, module: Path) -> StandIn:
    """The stand-in of ``chart``, from the sources of the Go module at ``module``.

    Raises:
        ValueError: the module's chart has another version or another form than the kit knows.
    """
    files = _files(module / "charts" / chart.name)
    if f"version: {version}\n" not in files.get("Chart.yaml", ""):
        raise ValueError(f"the pinned Go module has no chart {chart.name} of version {version}")
    # A comment at the beginning swallows the line before it, and so would the separator.
    webhooks = "\n---\n".join(_HEAD.sub("", _cut(files, path)) for path in chart.webhooks)
    files["templates/_simulated-webhooks.tpl"] = f'{{{{- define "slipway.webhooks" }}}}\n{webhooks}\n{{{{- end }}}}\n'
    files = {path: text for path, text in files.items() if path.endswith(".tpl") or not _is_left_out(chart, path)}
    conversions = _without_conversions(files, chart.crds)
    rendered = _WEBHOOKS.replace("CONFIG_MAP", webhooks_config_map(chart.executable))
    rendered = rendered.replace("WEBHOOKS", WEBHOOKS_KEY).replace("CONVERSIONS", CONVERSIONS_KEY)
    files["templates/simulated-webhooks.yaml"] = rendered.replace("JSON", json.dumps(json.dumps(conversions)))
    hold = chart.hold.replace("HOLD", f"{HOLD_ANNOTATION}: {chart.executable}")
    image = f"image: slipway.invalid/simulated/{chart.name}:{version}"
    _replace(files, chart.deployment, re.escape(chart.hold_after), hold)
    _replace(files, chart.deployment, re.escape(chart.image), image)
    for path, pattern, text in chart.replaced:
        _replace(files, path, pattern, text)
    checks = [
        f"{{{{- if {condition} }}}}{{{{ fail {json.dumps(text)} }}}}{{{{ end }}}}" for condition, text in chart.refused
    ]
    files["templates/simulated-limits.yaml"] = "\n".join(checks) + "\n"
    files["templates/simulated-received-values.yaml"] = RECORD.replace("CHART", chart.name)
    return StandIn(chart.name, version, files)


def _files(chart: Path) -> dict[str, str]:
    found = (path for path in sorted(chart.rglob("*")) if path.is_file() and path.name not in _NEVER_PACKED)
    named = {path.relative_to(chart).as_posix(): path for path in found}
    return {name: path.read_text() for name, path in named.items() if not name.startswith("tests/")}


def _is_left_out(chart: ModuleChart, path: str) -> bool:
    return any(path == f"templates/{item}" or path.startswith(f"templates/{item}/") for item in chart.left_out)


def _cut(files: dict[str, str], path: str) -> str:
    if path not in files:
        raise ValueError(f"the pinned chart has no {path}")
    return files.pop(path)


def _replace(files: dict[str, str], path: str, pattern: str, text: str) -> None:
    """Replaces the one place that ``pattern`` is found at: a chart of another form must not slip through."""
    changed, count = re.subn(pattern, lambda _found: text, files.get(path, ""))
    if count != 1:
        raise ValueError(f"{path} of the pinned chart: expected once, found {count} times: {pattern}")
    files[path] = changed


def _without_conversions(files: dict[str, str], folder: str) -> dict[str, str]:
    """Takes the conversion webhooks out of the CRDs: names of CRDs to paths.

    They lead to a Service. What an upgrade does not mention it leaves alone, so the supervisor's own stay.
    """
    found: dict[str, str] = {}
    for path in [path for path in files if folder and path.startswith(f"{folder}/")]:
        name, conversion = _CRD_NAME.search(files[path]), _CONVERSION.search(files[path])
        place = _CONVERSION_PATH.search(conversion[0]) if conversion else None
        if name and conversion and place:
            found[name[1]] = place[1]
            files[path] = files[path].replace(conversion[0], "")
    return found
