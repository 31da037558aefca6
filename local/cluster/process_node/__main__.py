"""The agent of a process node: ``python -m local.cluster.process_node FILE``, started by the supervisor."""

import argparse
import logging
import os
import sys
from pathlib import Path

from local.cluster.process_node import agent, network
from local.cluster.process_node.config import load


def main() -> int:
    """Run until the supervisor ends it; the exit status."""
    parser = argparse.ArgumentParser(description="Agent of a process node.")
    parser.add_argument("settings", type=Path, help="JSON file that the supervisor wrote")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    settings = load(parser.parse_args().settings)
    os.umask(0o022)
    try:
        if os.geteuid() != 0:
            # Before any thread: a process with threads may not change its user namespace.
            network.join(settings)
        agent.run(settings)
    except OSError as error:
        # A port that is taken, certificates that cannot be read, a network that is not there: the sentence says it.
        logging.getLogger(__name__).error("the agent of %s cannot run: %s", settings.node, error)  # noqa: TRY400
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
