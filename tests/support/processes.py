"""Functions in processes of their own: started as the README says, and called over HTTP."""

import asyncio
import os
import secrets
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from pathlib import Path

import httpx

from tests.support.patience import patience
from tests.support.world import SOURCE, World

_FRAMEWORK = str(Path(sys.executable).parent / "functions-framework")


async def start_function(target: str, port: int, environment: dict[str, str]) -> Process:
    """Start a function as the README says."""
    return await asyncio.create_subprocess_exec(
        *(_FRAMEWORK, "--source", str(SOURCE), "--target", target, "--port", str(port)),
        env=environment,
        stdout=PIPE,
        stderr=STDOUT,
    )


def clean_environment() -> dict[str, str]:
    """What any process on this machine needs, and nothing of the test run's own; and what Cloud Functions adds."""
    machine = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    # Set on every new function: https://cloud.google.com/functions/docs/monitoring/logging
    return machine | {"LOG_EXECUTION_ID": "true"}


def function_environment(world: World, base_url: str) -> dict[str, str]:
    """The documented environment."""
    google = ("FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST", "STORAGE_EMULATOR_HOST", "FIREBASE_AUTH_EMULATOR_HOST")
    return {
        **clean_environment(),
        **{name: os.environ[name] for name in google},
        "GOOGLE_CLOUD_PROJECT": world.project,
        "OPENAI_API_KEY": "test-key",
        "OPENAI_BASE_URL": base_url,
        "OPENAI_WEBHOOK_SECRET": world.provider.webhook_secret,
    }


async def deliver(client: httpx.AsyncClient, url: str, kind: str, job_id: str = "") -> int:
    """POST a binary-mode CloudEvent; returns the status code."""
    headers = {
        "ce-id": secrets.token_hex(8),
        "ce-specversion": "1.0",
        "ce-type": f"google.cloud.{kind}",
        "ce-source": "//test",
        **({"ce-document": f"ai_jobs/{job_id}"} if job_id else {}),
    }
    return (await client.post(url, headers=headers, json={"message": {"data": "", "attributes": {}}})).status_code


async def answers(client: httpx.AsyncClient, url: str) -> None:
    """Wait until a server listens there."""
    async with patience():
        while True:
            try:
                await client.get(url)
            except httpx.TransportError:
                await asyncio.sleep(0.1)
            else:
                return
