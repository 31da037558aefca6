"""What can go wrong with the toolchain. Every error says what is wrong and, in its hint, what to do."""


class ToolchainError(Exception):
    """Base of all toolchain errors: a message for what is wrong, a hint for what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ToolMissingError(ToolchainError):
    """An executable is needed now and nobody has made it yet."""


class GoMissingError(ToolchainError):
    """There is no `go` on PATH."""


class GoTooOldError(ToolchainError):
    """The `go` on PATH cannot compile the pinned modules."""


class DiskSpaceError(ToolchainError):
    """The build would fill the disk."""


class ModuleRefusedError(ToolchainError):
    """The module registry or a checksum refused a module; `module` names it, or is None when go did not."""

    def __init__(self, message: str, hint: str, module: str | None = None) -> None:
        super().__init__(message, hint)
        self.module = module


class BuildFailedError(ToolchainError):
    """The compiler or the linker failed; the message ends with the last lines of its log."""


class DownloadError(ToolchainError):
    """An official download could not be used; the caller falls back to building."""
