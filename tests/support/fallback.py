"""A second provider, to which jobs and parts are moved."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from local.groq_server import GroqServer
from tests.support.world import API_KEY, World, access


@asynccontextmanager
async def fallback(world: World) -> AsyncIterator[GroqServer]:
    """Groq's server, as the fallback of a world."""
    server = GroqServer(api_key=API_KEY, now=lambda: world.now().timestamp())
    async with server.serve() as base_url:
        world.set_env(NIGHTSHIFT_FALLBACK_MODEL="groq:openai/gpt-oss-20b", **access("groq", base_url))
        yield server
