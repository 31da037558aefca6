"""Waits that end by themselves, also for who is cancelled in that moment.

``asyncio.wait_for`` of Python 3.11 forgets that it is cancelled when what it waits for comes just then; what is to be
cancelled uses ``asyncio.timeout`` instead.
"""

import asyncio
import contextlib


async def until_set(event: asyncio.Event, seconds: float) -> None:
    """Wait until ``event`` is set, at most so long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
