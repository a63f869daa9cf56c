"""One stack and one browser for all tests of the dashboard."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.dashboard.night import Night, running_night


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def night() -> AsyncIterator[Night]:
    """Each test has users of its own, or looks only at what none changes."""
    async with running_night() as night:
        yield night
