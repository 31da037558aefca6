"""`python -m local.toolchain`: makes the whole toolchain. Exits with 0 when it is complete, else with 1."""

import sys

from rich.console import Console

from local.toolchain.errors import ToolchainError
from local.toolchain.toolchain import ensure


def main() -> int:
    """Builds what is missing and says where everything is."""
    console = Console(stderr=False)
    try:
        toolchain = ensure(console=console)
    except ToolchainError as error:
        console.print(f"error: {error.message}", style="red", highlight=False, markup=False, soft_wrap=True)
        console.print(f"hint: {error.hint}", highlight=False, markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted: no half file is left, and the next run goes on from here", highlight=False)
        return 1
    for directory in toolchain.bin_dirs():
        console.print(str(directory), highlight=False, markup=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
