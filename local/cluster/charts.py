"""The chart mirror of the local environment: stand-in charts, built in memory, served as a Helm repository.

A stand-in has the workload's name, labels and placement and writes the values that it received into a ConfigMap, so
that tests can check what a program passes.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from components.versions import CHARTS
from local.cluster.http_server import HttpResponse
from local.cluster.managers import training_charts
from local.cluster.managers.kserve import KSERVE
from local.cluster.managers.kserve_charts import CHARTS as KSERVE_CHARTS
from local.cluster.managers.kserve_charts import kserve_chart
from local.cluster.managers.module_charts import module_chart
from local.cluster.stand_ins import StandIn, archive, controller, device_plugin
from local.toolchain.errors import ToolchainError

_LOG = logging.getLogger(__name__)
_CREATED = "2026-01-01T00:00:00Z"
_OK, _NOT_FOUND, _UNAVAILABLE = 200, 404, 503
_DEVICE_PLUGINS = frozenset({"nvidia-device-plugin", "aws-efa-k8s-device-plugin"})
Pack = Callable[[str, Path], StandIn]
"""Makes a stand-in of a version out of a module's sources."""

ON_DEMAND: Final[Mapping[str, tuple[str, Pack]]] = {
    **{name: (KSERVE.executable, partial(kserve_chart, name)) for name in KSERVE_CHARTS},
    **{name: (chart.executable, partial(module_chart, chart)) for name, chart in training_charts.CHARTS.items()},
}
"""Charts that are packed from the sources of a manager: its executable, and how."""


def stand_in(name: str, version: str) -> StandIn:
    """The stand-in of a chart that needs no source besides this kit."""
    return device_plugin(name, version) if name in _DEVICE_PLUGINS else controller(name, version)


class ChartMirror:
    """The repository's files by name: ``index.yaml`` and one archive per chart.

    ``sources_of`` finds the sources of a manager's Go module; it is asked when one of its charts is first fetched, so
    that environments without that manager never need them.
    """

    def __init__(self, sources_of: Callable[[str], Path]) -> None:
        self._sources_of = sources_of
        charts = [stand_in(name, pin.version) for name, pin in CHARTS.items() if name not in ON_DEMAND]
        self.files: dict[str, bytes] = {}
        entries: dict[str, list[dict[str, object]]] = {}
        for chart in charts:
            data = archive(chart)
            file = f"{chart.name}-{chart.version}.tgz"
            self.files[file] = data
            meta = json.loads(chart.files["Chart.yaml"])
            digest = hashlib.sha256(data).hexdigest()
            entries[chart.name] = [{**meta, "urls": [file], "created": _CREATED, "digest": digest}]
        self._on_demand = {f"{name}-{CHARTS[name].version}.tgz": name for name in ON_DEMAND}
        for file, name in self._on_demand.items():
            # Without a digest, which would mean packing it now.
            entries[name] = [{**_metadata(name, CHARTS[name].version), "urls": [file], "created": _CREATED}]
        index = {"apiVersion": "v1", "entries": entries, "generated": _CREATED}
        self.files["index.yaml"] = json.dumps(index, indent=2).encode()

    def serve(self, name: str) -> HttpResponse:
        """The file ``name`` of the repository; may take seconds the first time."""
        if name in self._on_demand and name not in self.files:
            chart = self._on_demand[name]
            executable, pack = ON_DEMAND[chart]
            try:
                self.files[name] = archive(pack(CHARTS[chart].version, self._sources_of(executable)))
            except (ToolchainError, OSError, ValueError) as error:
                _LOG.warning("the chart mirror has no %s now: %s", name, error)
                return HttpResponse(_UNAVAILABLE, f"{name} cannot be packed: {error}\n".encode())
        data = self.files.get(name)
        if data is None:
            held = ", ".join(sorted(self.files.keys() | self._on_demand))
            return HttpResponse(_NOT_FOUND, f"the local chart mirror has no {name}; it has: {held}\n".encode())
        kind = "application/gzip" if name.endswith(".tgz") else "application/yaml"
        return HttpResponse(_OK, data, kind)


def _metadata(name: str, version: str) -> dict[str, str]:
    """A chart's entry in the index."""
    return {"apiVersion": "v2", "name": name, "version": version, "appVersion": version, "type": "application"}
