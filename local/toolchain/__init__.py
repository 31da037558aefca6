"""Finds or makes the executables that the local environment runs: the Pulumi engine and a Kubernetes control plane."""

from local.toolchain.errors import ToolchainError
from local.toolchain.report import ToolStatus, list_tools
from local.toolchain.toolchain import Toolchain, clean, ensure

__all__ = ["ToolStatus", "Toolchain", "ToolchainError", "clean", "ensure", "list_tools"]
