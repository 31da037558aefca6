"""Sources of pinned Go modules, for what is read at run time rather than compiled (custom resource definitions)."""

from pathlib import Path

from local.toolchain.build import source_directory
from local.toolchain.golang import find_go
from local.toolchain.pins import MODULES


def module_sources(name: str, go_module: str) -> Path:
    """The directory of ``go_module`` in the version that our module ``name`` pins, verified by its go.sum.

    Raises:
        local.toolchain.errors.ToolchainError: there is no Go, or the registry does not serve the module.
    """
    module = next(item for item in MODULES if item.name == name)
    return source_directory(find_go(), module, go_module, log_name=f"{name}-sources")
