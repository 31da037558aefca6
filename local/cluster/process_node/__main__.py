"""The agent of a process node: ``python -m local.cluster.process_node FILE``, started by the supervisor."""

import argparse
import logging
import os
from pathlib import Path

from local.cluster.process_node import agent, network
from local.cluster.process_node.config import load


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Agent of a process node.")
    parser.add_argument("settings", type=Path, help="JSON file that the supervisor wrote")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    settings = load(parser.parse_args().settings)
    os.umask(0o022)
    if os.geteuid() != 0:
        # Before any thread: a process with threads may not change its user namespace.
        network.join(settings)
    agent.run(settings)


if __name__ == "__main__":
    main()
