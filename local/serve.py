"""Serves an ASGI app inside a running event loop, as one task among others."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import count
from typing import Any

import uvicorn
from starlette.types import ASGIApp

# How often uvicorn looks after itself.
_TICK_SECONDS = 0.1


@asynccontextmanager
async def serving(app: ASGIApp, host: str = "127.0.0.1", port: int = 0, **uvicorn_options: Any) -> AsyncIterator[str]:
    """Serve on a port, by default one that the system chooses; yields HOST:PORT once it listens.

    The socket is bound before the server starts, so no other process can take the port in between.
    """
    # Named as TCP, since asyncio turns Nagle's delay (40 ms an answer) off only where it knows that it is.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        backlog=1024,
        timeout_graceful_shutdown=1,
        **uvicorn_options,
    )
    server = _LoopServer(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await server.ready.wait()
        yield f"{host}:{listener.getsockname()[1]}"
    finally:
        server.stopping.set()
        await task


class _LoopServer(uvicorn.Server):
    """Uvicorn inside the caller's event loop, which handles the signals itself."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.stopping = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        """Tick as uvicorn does, but stop at once when asked to, which a test suite does hundreds of times."""
        for tick in count():
            if self.stopping.is_set():
                return
            await self.on_tick(tick)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), _TICK_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down as uvicorn does, but without its pause when no client is connected any more."""
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
        for server in self.servers:
            server.close()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
