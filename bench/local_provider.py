"""The OpenAI-compatible server as a process of its own."""

import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from local.environment import basic_environment
from local.part import ProcessPart, stop
from local.ports import HOST, free_ports


@asynccontextmanager
async def openai_server(*arguments: str) -> AsyncIterator[str]:
    """Serve it with these arguments; yields its base URL."""
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="nightshift-bench-") as folder:
        part = ProcessPart(
            name="OpenAI server",
            address=f"{HOST}:{port}",
            command=[sys.executable, "-m", "local.openai_server", "--port", str(port), *arguments],
            environment=basic_environment(os.environ) | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")},
            log_dir=Path(folder),
        )
        try:
            async with httpx.AsyncClient(trust_env=False) as http:
                await part.ready(http)
            yield f"http://{HOST}:{port}/v1"
        finally:
            stop([part])
