"""Many small requests at once, but not all at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
_AT_ONCE = 32


async def for_each(items: Iterable[T], act: Callable[[T], Awaitable[object]]) -> None:
    """Await ``act`` for every item, a few at a time; the first error is raised after all have ended."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(item: T) -> None:
        async with gate:
            await act(item)

    results = await asyncio.gather(*(one(item) for item in items), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
