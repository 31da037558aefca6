"""What time it is, for the few decisions that depend on it."""

import os
import time
from datetime import UTC, datetime


def now() -> datetime:
    """The time in UTC; ``SOURCE_DATE_EPOCH`` (seconds) replaces it, so that a graph can be made again as it was.

    Source: reproducible-builds.org, SOURCE_DATE_EPOCH specification.
    """
    stated = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(stated) if stated.isdigit() else int(time.time()), tz=UTC)
