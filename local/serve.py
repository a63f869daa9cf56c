"""Serves an ASGI app inside a running event loop, as one task among others."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone: Ctrl-C means the whole stack, and whoever runs it listens for it."""
        yield


@asynccontextmanager
async def serving(app: ASGIApp, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serve on a port that the system chooses; yields HOST:PORT once it listens.

    The socket is bound before the server starts, so nobody can take the port in between.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    listener = socket.create_server((host, 0), backlog=1024)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            await asyncio.wait([task], timeout=0.01)
            if task.done():
                task.result()
        yield f"{host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
