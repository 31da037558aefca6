"""Between the agent and one sandbox, container, or exec: ``python -m local.cluster.process_node.shim MODE``.

The agent writes one line of JSON (what to run), later lines ``kill NUMBER``; an end of that input means that the agent
is gone. The shim answers with lines of JSON: ready, started, failed, ended.
"""

import json
import os
import signal
import sys
from typing import Any

from local.cluster.process_node import syscalls
from local.cluster.process_node.shim import process, sandbox


def main() -> None:
    """Run one mode to its end."""
    # With the agent goes everything that it started; the shim's own children are tied to the shim in the same way. An
    # agent that died before this line is told by the end of the input.
    syscalls.die_with_parent(signal.SIGKILL)
    mode = sys.argv[1]
    specification: dict[str, Any] = json.loads(_first_line())
    if mode == "sandbox":
        sandbox.run(specification)
    else:
        process.run(specification)


def _first_line() -> bytes:
    # Byte by byte: what follows the line belongs to later readers of the descriptor.
    line = bytearray()
    while (byte := os.read(0, 1)) not in {b"\n", b""}:
        line += byte
    return bytes(line)


if __name__ == "__main__":
    main()
