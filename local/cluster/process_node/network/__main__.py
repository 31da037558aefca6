"""``python -m local.cluster.process_node.network``: the process that holds one cluster's network."""

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from local.cluster.process_node.network.holder import HolderSettings, hold
from local.cluster.process_node.network.links import LinkError, Plan
from local.cluster.process_node.network.namespaces import NamespaceError, new_user_namespace
from local.process import end_with_parent


def main() -> int:
    """Run until the supervisor ends it, or dies."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("directory", "authority", "certificate", "key"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("server", "pods", "services"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    settings = HolderSettings(
        directory=given.directory,
        server=given.server,
        authority=given.authority,
        certificate=given.certificate,
        key=given.key,
        plan=Plan(pods=given.pods, services=given.services),
    )
    try:
        # Before the first thread: a process with threads cannot change its user namespace.
        user = None if os.geteuid() == 0 else new_user_namespace()
        end_with_parent()
        asyncio.run(hold(settings, user))
    except (NamespaceError, LinkError) as error:
        logging.getLogger(__name__).error("%s", error)  # noqa: TRY400 - the sentence is the message, no traceback needed
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
