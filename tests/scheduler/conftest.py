"""A project of its own: a server of Cloud Scheduler's API, the Pub/Sub emulator, and the command between them."""

import json
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.cloud.scheduler_v1 import Job, PubsubTarget

from cli.__main__ import COMMANDS
from cli.commands import running
from local.pubsub import Topics
from nightshift import settings
from nightshift.runtime import Runtime
from tests.scheduler.cloud_scheduler import CloudScheduler
from tests.support.patience import PATIENCE_SECONDS

LOCATION = "asia-south1"
# A file of its own: what these tests count must not hang on how many schedules the repository's has.
FILE = """
time_zone = "Asia/Kolkata"

[[job]]
name = "processBatchJobs"
description = "One tick: rescues, submits, polls, ingests, retries, refunds."
schedule = "*/10 * * * *"
topic = "nightshift-tick"

[[topic]]
name = "nightshift-ingest"

[[topic]]
name = "nightshift-dead-letters"
kept = true
"""


class Project:
    """What a test touches: what is declared, what is there, and the command."""

    def __init__(self, capsys: pytest.CaptureFixture[str], jobs_file: Path, client: httpx.AsyncClient) -> None:
        self.id = f"test-{secrets.token_hex(6)}"
        self.jobs_file = jobs_file
        self.jobs_file.write_text(FILE)
        self.server = CloudScheduler(self._publish, jobs_a_page=2)
        self.address = ""
        self.topics = Topics(client, os.environ["PUBSUB_EMULATOR_HOST"], self.id)
        self._capsys = capsys
        self._client = client

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Project"]:
        """The project, while its server answers."""
        async with self.server.serve() as self.address:
            yield self

    def arguments(self, command: str, *more: str) -> list[str]:
        """A command's arguments, for this project."""
        place = ("--project", self.id, "--region", LOCATION, "--api-endpoint", self.address)
        return ["schedules", command, *more, *place, "--file", str(self.jobs_file)]

    async def run(self, *arguments: str) -> int:
        """Run a command here; returns its exit code."""
        runtime = Runtime(settings.load().model_copy(update={"project": self.id}))
        return await running.run(runtime, running.parsed(COMMANDS, arguments))

    async def command(self, command: str, *more: str) -> tuple[int, list[dict[str, Any]], str]:
        """Run a command with --json; returns its exit code, what it printed, and what it complained about.

        Of what it printed: the fields of each step, schedule and sum, without the names of their kinds.
        """
        self._capsys.readouterr()
        code = await self.run(*self.arguments(command, *more, "--json"))
        printed = self._capsys.readouterr()
        told = [json.loads(line) for line in printed.out.splitlines()]
        complaints = "".join(f"{one['error']['message']}\n" for one in told if "error" in one)
        fields = [one[kind] for one in told for kind in ("step", "schedule", "done") if kind in one]
        return code, fields, complaints + printed.err

    async def sync(self, *more: str) -> dict[str, list[str]]:
        """Run `sync --yes`, which is to succeed; returns the names in its plan by action."""
        code, lines, complaints = await self.command("sync", "--yes", *more)
        assert (code, complaints) == (0, "")
        plan: dict[str, list[str]] = {}
        for line in lines[:-1]:
            plan.setdefault(line["action"], []).append(line["name"])
        return plan

    async def raw_sync(self) -> int:
        """Run `sync`, beside others; returns its exit code."""
        return await self.run(*self.arguments("sync", "--yes"))

    def declare(self, old: str, new: str) -> None:
        """Edit jobs.toml."""
        text = self.jobs_file.read_text()
        assert old in text
        self.jobs_file.write_text(text.replace(old, new))

    def declare_more(self, text: str) -> None:
        """Add to jobs.toml."""
        self.jobs_file.write_text(self.jobs_file.read_text() + text)

    def job(self, name: str = "processBatchJobs") -> Job:
        """A schedule as the server has it."""
        return self.server.jobs[self.path(name)]

    def path(self, name: str) -> str:
        """A schedule's full name."""
        return f"projects/{self.id}/locations/{LOCATION}/jobs/{name}"

    def pubsub_job(self, name: str, topic: str) -> Job:
        """A schedule that was made by hand."""
        target = PubsubTarget(topic_name=f"projects/{self.id}/topics/{topic}", data=b"now")
        return Job(name=self.path(name), schedule="0 1 * * *", time_zone="UTC", pubsub_target=target)

    async def pubsub(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the Pub/Sub emulator about something of this project."""
        host = os.environ["PUBSUB_EMULATOR_HOST"]
        answer = await self._client.request(method, f"http://{host}/v1/projects/{self.id}/{path}", json=body)
        return answer.raise_for_status().json()

    async def topic_names(self) -> set[str]:
        """The topics that there are."""
        return {topic["name"].rpartition("/")[2] for topic in (await self.pubsub("GET", "topics")).get("topics", [])}

    async def _publish(self, topic: str, body: bytes, attributes: dict[str, str]) -> None:
        await self.topics.publish(topic.rpartition("/")[2], body, attributes)


@pytest.fixture
async def project(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Project]:
    """A project in which nothing is yet."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "unused")
    # The functions of this process set the variable.
    monkeypatch.delenv("FUNCTION_TARGET", raising=False)
    async with (
        httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client,
        Project(capsys, tmp_path / "jobs.toml", client).running() as running,
    ):
        yield running
