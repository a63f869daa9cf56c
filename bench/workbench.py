"""The local stack without its functions: a bench calls the journey itself, in projects of its own, and looks on.

The provider is a process of its own, as the emulators are: nothing but the measured code runs in this one.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from local.pubsub import Topics
from local.stack import Options, Stack, running_stack
from nightshift import settings
from nightshift.functions import Function
from nightshift.runtime import Runtime
from scheduler.declared import declared

# Its ticks come in a billion years: a bench sends its own.
_CLOCK_SPEED = 1e-12


@asynccontextmanager
async def workbench(functions: Sequence[Function] = ()) -> AsyncIterator["Workbench"]:
    """The stack with these functions, which no schedule calls; its variables are in `os.environ`."""
    options = Options(
        functions=functions, speed=_CLOCK_SPEED, validating_seconds=0, in_progress_seconds=0, finalizing_seconds=0
    )
    async with running_stack(options, say=lambda _: None) as stack, httpx.AsyncClient(trust_env=False) as http:
        os.environ.update(stack.environment)
        yield Workbench(stack=stack, http=http)


@dataclass(frozen=True, kw_only=True)
class Workbench:
    """A running stack, and what every bench does with it."""

    stack: Stack
    http: httpx.AsyncClient

    @asynccontextmanager
    async def project(self, **changes: Any) -> AsyncIterator[Runtime]:
        """A new project in the emulators; `changes` are of the settings. The buckets are the stack's."""
        project = f"bench-{secrets.token_hex(6)}"
        topics = Topics(self.http, self.stack.pubsub_host, project)
        for topic in declared().topics:
            await topics.create(topic.name)
        runtime = Runtime(settings.load().model_copy(update={"project": project, **changes}))
        try:
            yield runtime
        finally:
            runtime.firestore.close()

    async def provider_done(self) -> None:
        """Wait until the provider has completed every batch that it was given."""
        authorization = {"Authorization": f"Bearer {self.stack.openai_api_key}"}
        while True:
            answer = await self.http.get(f"{self.stack.openai_base_url}/batches?limit=100", headers=authorization)
            if all(batch["status"] == "completed" for batch in answer.raise_for_status().json()["data"]):
                return
            await asyncio.sleep(0.1)
