"""Where the control plane's executables are."""

from pathlib import Path

from local.toolchain.toolchain import Toolchain

NAMES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")


def executables() -> dict[str, Path]:
    """The path of every executable in ``NAMES``; builds nothing.

    Raises:
        local.toolchain.errors.ToolMissingError: some are missing; the message names them and the command that helps.
    """
    toolchain = Toolchain.load(NAMES)
    return {name: toolchain.path(name) for name in NAMES}
