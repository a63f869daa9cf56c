"""The providers that have to pass the suite: for each its adapter, and a server that speaks its API."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from local.anthropic_server import AnthropicServer
from local.gemini_server import GeminiServer
from local.groq_server import GroqServer
from local.openai_server import OpenAIServer
from local.provider_server.server import ProviderServer
from local.serve import serving
from local.xai_server import XaiServer
from nightshift.providers.anthropic.client import AnthropicProvider
from nightshift.providers.base import Provider
from nightshift.providers.gemini.client import GeminiProvider
from nightshift.providers.groq.client import GroqProvider
from nightshift.providers.openai.client import OpenAIProvider
from nightshift.providers.xai.client import XaiProvider
from tests.support.other_provider import OtherProvider

PROJECT: Final = "conformance"
MODEL: Final = "gpt-5-mini"


@dataclass(frozen=True, kw_only=True)
class Served:
    """An adapter, and its server."""

    provider: Provider
    model: str
    # Lets the server answer every batch that it has.
    finish: Callable[[], Awaitable[None]]
    # The server, where it is one of ours, that takes our orders.
    server: ProviderServer | None = None
    # Where in it answers in real time are asked for, and batches created.
    answer_path: str = r"/v1/chat/completions"
    create_path: str = r"/v1/batches"
    # Where a batch's results are streamed from; None where they are read page by page.
    results_path: str | None = r"/v1/files/[^/]+/content"


def _openai(base_url: str) -> OpenAIProvider:
    return OpenAIProvider(api_key="key", base_url=base_url, project=PROJECT)


@asynccontextmanager
async def _openai_server() -> AsyncIterator[Served]:
    server = OpenAIServer(api_key="key")
    async with server.serve() as base_url:
        yield Served(provider=_openai(base_url), model=MODEL, finish=server.settled, server=server)


@asynccontextmanager
async def _compatible_server() -> AsyncIterator[Served]:
    """One that is as sloppy as many are."""
    server = OtherProvider()

    async def finish() -> None:
        server.finish()

    async with serving(server.app) as address:
        yield Served(provider=_openai(f"http://{address}/v1"), model=MODEL, finish=finish)


@asynccontextmanager
async def _anthropic_server() -> AsyncIterator[Served]:
    server = AnthropicServer(api_key="key")
    async with server.serve() as base_url:
        yield Served(
            provider=AnthropicProvider(api_key="key", base_url=base_url),
            model="claude-haiku-4-5",
            finish=server.settled,
            server=server,
            answer_path=r"/v1/messages",
            create_path=r"/v1/messages/batches",
            results_path=r"/v1/messages/batches/[^/]+/results",
        )


@asynccontextmanager
async def _gemini_server() -> AsyncIterator[Served]:
    server = GeminiServer(api_key="key")
    async with server.serve() as base_url:
        yield Served(
            provider=GeminiProvider(api_key="key", base_url=base_url, project=PROJECT),
            model="gemini-2.5-flash",
            finish=server.settled,
            server=server,
            answer_path=r"/v1beta/models/.*:generateContent",
            create_path=r"/v1beta/models/.*:batchGenerateContent",
            results_path=r"/download/.*",
        )


@asynccontextmanager
async def _groq_server() -> AsyncIterator[Served]:
    server = GroqServer(api_key="key")
    async with server.serve() as base_url:
        provider = GroqProvider(api_key="key", base_url=base_url, project=PROJECT)
        yield Served(provider=provider, model="openai/gpt-oss-120b", finish=server.settled, server=server)


@asynccontextmanager
async def _xai_server() -> AsyncIterator[Served]:
    server = XaiServer(api_key="key")
    async with server.serve() as base_url:
        provider = XaiProvider(api_key="key", base_url=base_url, project=PROJECT)
        yield Served(provider=provider, model="grok-4.3", finish=server.settled, server=server, results_path=None)


PROVIDERS: Final[Mapping[str, Callable[[], AbstractAsyncContextManager[Served]]]] = {
    "openai": _openai_server,
    "openai-compatible": _compatible_server,
    "anthropic": _anthropic_server,
    "gemini": _gemini_server,
    "groq": _groq_server,
    "xai": _xai_server,
}
