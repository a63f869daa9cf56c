"""Reading ahead: the next page is on its way while the one before is worked on, so neither waits for the other."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

Page = TypeVar("Page")


async def read_ahead(pages: AsyncGenerator[Page, None]) -> AsyncGenerator[Page, None]:
    """The same pages, each read while its reader is still at the one before.

    What breaks off a reading is raised where its page would come. One page more than the reader takes may be read.
    """
    async with aclosing(pages):
        coming = asyncio.create_task(_next(pages))
        try:
            while (page := await coming) is not None:
                coming = asyncio.create_task(_next(pages))
                yield page
        finally:
            # The generator can only be closed when no reading of it is under way.
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


async def _next(pages: AsyncGenerator[Page, None]) -> Page | None:
    return await anext(pages, None)
