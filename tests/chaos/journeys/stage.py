"""The stage of a journey: a world, its traffic, and the steps that a journey takes in it."""

import functools
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from google.api_core.exceptions import GoogleAPIError

from cli.__main__ import COMMANDS
from cli.commands import running
from local.provider_server.batches import TERMINAL, Batch
from nightshift.bulk.wishes import WishRefused
from nightshift.earning import claims
from nightshift.errors import TryLater
from nightshift.runtime import Runtime
from tests.chaos.calls import Traffic
from tests.support.world import World

# Three hours of ticks: the provider's queue is full for half an hour, and nothing else here waits longer than a lease.
TICKS: Final = 18
TICK_MINUTES: Final = 10


class NotFinished(AssertionError):
    """Something is still under way after all the ticks."""


class SentTwice(AssertionError):
    """A job is in two live provider batches that are both on record."""


class Stage:
    """A world, the traffic of its functions, and what the provider answered.

    `answers` counts, by job, the provider batches in which it was answered, and so paid for.
    """

    def __init__(self, world: World, traffic: Traffic, answers: Counter[str]) -> None:
        self.world = world
        self.traffic = traffic
        self.answers = answers
        world.provider.script.edit_output = self._count_answers

    async def write(self, uid: str, job_id: str, **fields: Any) -> str:
        """Write a job and deliver its event."""
        await self.world.write(uid, job_id, **fields)
        await self.trigger(job_id)
        return job_id

    async def trigger(self, job_id: str) -> None:
        """Deliver the event of a job's creation."""
        await self._invoke(lambda: self.world.trigger(job_id))

    async def write_bulk(self, bulk_id: str, **fields: Any) -> str:
        """Write a bulk job of alice's, and deliver its event."""
        await self.world.write_bulk("alice", bulk_id, **fields)
        await self.trigger_bulk(bulk_id)
        return bulk_id

    async def trigger_bulk(self, bulk_id: str) -> None:
        """Deliver the event of a bulk job's creation."""
        await self._invoke(lambda: self.world.trigger_bulk(bulk_id))

    async def work_bulk(self, bulk_id: str, part: int | None = None) -> None:
        """Deliver a call for a worker of a bulk job."""
        await self._invoke(lambda: self.world.work_bulk(bulk_id, part))

    async def wish(self, wish: Callable[..., Awaitable[Any]], bulk_id: str) -> None:
        """Let the user wish something of a bulk job; a wish that means nothing any more is refused."""

        async def recorded() -> int:
            with suppress(WishRefused):
                await wish(self.world.operators_runtime(), bulk_id)
            return 200

        await self._invoke(recorded)

    async def tick(self) -> None:
        """Let the provider work, and deliver a tick."""
        await self.world.provider.settled()
        await self._invoke(self.world.tick)

    async def sweep(self) -> None:
        """Deliver a sweep."""
        await self._invoke(self.world.sweep)

    async def work(self) -> None:
        """Deliver the calls for workers."""
        for call in await self.world.calls_for_workers():
            await self._invoke(functools.partial(self.world.work, call))

    async def announce(self) -> None:
        """Let the provider work, and deliver its event about each batch, and the calls that it brings."""
        await self.world.provider.settled()
        for remote_id in list(self.world.provider.batches):

            async def deliver(remote_id: str = remote_id) -> int:
                return (await self.world.announce(remote_id)).status_code

            await self._invoke(deliver)
        await self.work()

    async def deliver(self, message_id: str) -> None:
        """Deliver the event of a message's creation."""
        created = "google.cloud.firestore.document.v1.created"
        event = {"ce-document": f"outbox/{message_id}"}
        await self._invoke(lambda: self.world.event("deliver_notification", created, event))

    async def claim(self, claim: Callable[[Runtime], Awaitable[claims.Claimed]]) -> None:
        """Let a user claim tokens, again and again until there is an answer."""

        async def ask() -> int:
            try:
                await claim(self.world.operators_runtime())
            except (TryLater, GoogleAPIError):
                return 503
            return 200

        for _ in range(TICKS):
            answer = await self.traffic.invoke(ask)
            if answer == 200:
                return
        raise NotFinished("a claim was never answered")

    async def operate(self, *arguments: str) -> int:
        """Let an operator run a command that changes something; returns its exit code, 2 if its process died."""
        options = running.parsed(COMMANDS, [*arguments, "--yes", "--json"])
        code = await self.traffic.invoke(lambda: running.run(self.world.operators_runtime(), options))
        if code is None:
            self.world.set_env()
        await self._assert_no_job_is_live_twice()
        return 2 if code is None else int(code)

    async def ask(self, path: str, body: Any, key: str, uid: str = "alice", *, admin: bool = True) -> None:
        """POST to the API as a client does: twice under one key, since the first answer may have been lost."""
        headers = {"Idempotency-Key": key}

        async def post() -> int:
            answer = await self.world.api("POST", path, uid, admin=admin, json=body, headers=headers)
            return answer.status_code

        for _ in range(2):
            await self._invoke(post)

    async def gather_in_one_batch(self, *jobs: tuple[str, str]) -> list[str]:
        """Write jobs, each a user and an id, whose events are lost, and let a tick submit them; returns the batches."""
        for uid, job_id in jobs:
            await self.world.write(uid, job_id)
        self.world.pass_time(minutes=TICK_MINUTES)
        await self.tick()
        return [batch["id"] for batch in await self.world.batches()]

    async def finish(self) -> None:
        """Let ticks go on until nothing is under way, nor on its way. Raises NotFinished."""
        for _ in range(TICKS):
            await self.tick()
            if not await self._under_way():
                await self.traffic.land()
                await self.world.provider.settled()
                if not await self._under_way():
                    return
            self.world.pass_time(minutes=TICK_MINUTES)
        raise NotFinished(f"still under way: {await self._under_way()}")

    async def expire_held(self, answered: int) -> None:
        """Let the batches that are held at the provider expire, with so many lines answered; then hold none."""
        await self.world.provider.settled()
        for remote_id, batch in list(self.world.provider.batches.items()):
            if batch.held:
                await self.world.provider.expire(remote_id, answered)
        self.world.provider.release()

    async def _invoke(self, invocation: Callable[[], Awaitable[int]]) -> None:
        if await self.traffic.invoke(invocation) is None:
            self.world.set_env()
        await self._assert_no_job_is_live_twice()

    async def _under_way(self) -> dict[str, Any]:
        jobs = await self.world.jobs("created", "queued", "processing")
        found: dict[str, Any] = {
            "jobs": {job_id: job["status"] for job_id, job in jobs.items()},
            "batches": {batch["id"]: batch["status"] for batch in await self.world.open_batches()},
            "orders": [key for key, one in (await self.world.documents("orders")).items() if one["status"] == "open"],
            "bulk jobs": {
                bulk_id: bulk["status"]
                for bulk_id, bulk in (await self.world.documents("bulk_jobs")).items()
                if bulk["status"] not in {"completed", "failed", "cancelled"} or bulk.get("wish")
            },
            "files": [file.filename for file in self.world.provider.files.values()],
        }
        return {name: some for name, some in found.items() if some}

    async def _assert_no_job_is_live_twice(self) -> None:
        live = {key: batch for key, batch in self.world.provider.batches.items() if batch.status not in TERMINAL}
        if len(live) < 2:
            return
        owned = {batch.get("remoteId") for batch in await self.world.batches()}
        jobs = Counter(job for key, batch in live.items() if key in owned for job in self._jobs_of(batch))
        twice = [job for job, number in jobs.items() if number > 1]
        if twice:
            raise SentTwice(f"in two live batches: {twice}")

    def _jobs_of(self, batch: Batch) -> set[str]:
        file = self.world.provider.files.get(batch.input_file_id)
        return set(map(_request_id, file.path.read_bytes().splitlines())) if file else set()

    def _count_answers(self, _: Batch, lines: list[bytes]) -> list[bytes]:
        self.answers.update({_request_id(line).removeprefix("job-") for line in lines if _is_answered(line)})
        return lines


def _request_id(line: bytes) -> str:
    """Which request a line of a batch is, or is about, in any provider's format."""
    fields = json.loads(line)
    return str(fields.get("custom_id") or fields["key"])


def _is_answered(line: bytes) -> bool:
    """Whether a result was paid for: Anthropic's have lines of requests that it never answered beside them."""
    return str(json.loads(line).get("result", {}).get("type", "succeeded")) == "succeeded"
