"""The providers that have to pass the suite: for each its adapter, and a server that speaks its API."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from local.openai_server import OpenAIServer
from local.serve import serving
from nightshift.providers.base import Provider
from nightshift.providers.openai.client import OpenAIProvider
from tests.support.other_provider import OtherProvider

PROJECT: Final = "conformance"


@dataclass(frozen=True, kw_only=True)
class Served:
    """An adapter, and its server."""

    provider: Provider
    # Lets the server answer every batch that it has.
    finish: Callable[[], Awaitable[None]]


def _openai(base_url: str) -> OpenAIProvider:
    return OpenAIProvider(api_key="key", base_url=base_url, project=PROJECT)


@asynccontextmanager
async def _openai_server() -> AsyncIterator[Served]:
    server = OpenAIServer(api_key="key")
    async with server.serve() as base_url:
        yield Served(provider=_openai(base_url), finish=server.settled)


@asynccontextmanager
async def _compatible_server() -> AsyncIterator[Served]:
    """One that is as sloppy as many are."""
    server = OtherProvider()

    async def finish() -> None:
        server.finish()

    async with serving(server.app) as address:
        yield Served(provider=_openai(f"http://{address}/v1"), finish=finish)


PROVIDERS: Final[Mapping[str, Callable[[], AbstractAsyncContextManager[Served]]]] = {
    "openai": _openai_server,
    "openai-compatible": _compatible_server,
}
