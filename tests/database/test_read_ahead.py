"""Reading ahead: the next page is read meanwhile, no more than that, and nothing is left open."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from nightshift.database.read_ahead import read_ahead


class Source:
    """Pages that are numbers, and what became of their reading."""

    def __init__(self, pages: int, breaks_at: int | None = None) -> None:
        self.read: list[int] = []
        self.is_closed = False
        self._pages = pages
        self._breaks_at = breaks_at

    async def pages(self) -> AsyncGenerator[int, None]:
        """One page after the other."""
        try:
            for number in range(self._pages):
                await asyncio.sleep(0)
                if number == self._breaks_at:
                    raise LookupError(number)
                self.read.append(number)
                yield number
        finally:
            self.is_closed = True


async def test_the_next_page_is_read_while_its_reader_is_at_the_one_before() -> None:
    """One ahead, and all in their order."""
    source, seen = Source(pages=4), list[tuple[int, list[int]]]()
    async for page in read_ahead(source.pages()):
        for _ in range(5):
            await asyncio.sleep(0)
        seen.append((page, list(source.read)))
    assert seen == [(0, [0, 1]), (1, [0, 1, 2]), (2, [0, 1, 2, 3]), (3, [0, 1, 2, 3])]
    assert source.is_closed


async def test_a_reader_that_leaves_closes_the_source_though_a_reading_is_under_way() -> None:
    """As a batch that is full leaves its lane's stream."""
    source = Source(pages=9)
    async with aclosing(read_ahead(source.pages())) as pages:
        assert await anext(pages) == 0
    assert source.is_closed
    assert len(source.read) <= 2


async def test_a_reading_that_breaks_off_is_raised_at_its_page() -> None:
    """The pages before it are all given."""
    source, seen = Source(pages=4, breaks_at=2), list[int]()
    with pytest.raises(LookupError):
        async for page in read_ahead(source.pages()):
            seen.append(page)
    assert seen == [0, 1]
    assert source.is_closed


async def test_a_reading_that_breaks_off_after_its_reader_has_left_disturbs_nothing() -> None:
    """No page of it is wanted any more."""
    source = Source(pages=4, breaks_at=1)
    async with aclosing(read_ahead(source.pages())) as pages:
        assert await anext(pages) == 0
        for _ in range(5):
            await asyncio.sleep(0)
    assert source.is_closed
