"""The journeys whose calls are enumerated, each a coroutine over a stage.

A stage is a world whose functions run under traffic: a function that died is followed by a new process, and
nothing else is done about it. An event whose function died or failed is not delivered again, so what it left is for
later triggers and ticks to find; only the journey `twice` delivers every event a second time.

Every journey ends with `stage.finish()`: ticks, as often as Cloud Scheduler sends them, until nothing is under way
any more. The first comes while the leases of the dead still live, the others after they have run out.

A new journey is one more function with `@journey`.
"""

import asyncio
import functools
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from google.api_core.exceptions import GoogleAPIError

from cli.__main__ import COMMANDS
from cli.commands import running
from local.openai_server import BatchFault, Reply, ReplyRule, RequestFault
from local.provider_server.batches import TERMINAL, Batch
from nightshift.api.creating import id_for
from nightshift.bulk import wishes
from nightshift.bulk.wishes import WishRefused
from nightshift.earning import claims
from nightshift.errors import TryLater
from nightshift.runtime import Runtime
from tests.chaos.calls import Traffic
from tests.support.messages import telling
from tests.support.world import World

# Three hours of ticks: the provider's queue is full for half an hour, and nothing else here waits longer than a lease.
_TICKS = 18
_TICK_MINUTES = 10


_NO_MODEL = {"error": {"code": "model_not_found", "message": "The model does not exist.", "type": "invalid_request"}}


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
        await self._invoke(lambda: self.world.trigger_bulk(bulk_id))
        return bulk_id

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

        for _ in range(_TICKS):
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
        self.world.pass_time(minutes=_TICK_MINUTES)
        await self.tick()
        return [batch["id"] for batch in await self.world.batches()]

    async def finish(self) -> None:
        """Let ticks go on until nothing is under way, nor on its way. Raises NotFinished."""
        for _ in range(_TICKS):
            await self.tick()
            if not await self._under_way():
                await self.traffic.land()
                await self.world.provider.settled()
                if not await self._under_way():
                    return
            self.world.pass_time(minutes=_TICK_MINUTES)
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


@dataclass(frozen=True)
class Journey:
    """One journey.

    `submissions`: how often a job of it is submitted at most while nothing is struck. `answers`: how many of these the
    provider answers, and is paid for. `provider` is that of the jobs' model.
    """

    name: str
    submissions: int
    answers: int
    provider: str
    play: Callable[[Stage], Awaitable[None]]


JOURNEYS: dict[str, Journey] = {}


def journey(
    *, submissions: int = 1, answers: int = 1, provider: str = "openai"
) -> Callable[[Callable[[Stage], Awaitable[None]]], None]:
    """Register a coroutine function as a journey under its own name."""

    def register(play: Callable[[Stage], Awaitable[None]]) -> None:
        name = play.__name__.replace("_", "-")
        JOURNEYS[name] = Journey(name, submissions, answers, provider, play)

    return register


@journey()
async def single(stage: Stage) -> None:
    """One job, from its event to its answer."""
    await stage.world.give("alice", 3)
    await stage.write("alice", "alice-1")
    await stage.finish()


@journey()
async def twice(stage: Stage) -> None:
    """One job whose event is delivered twice, and two ticks at once."""
    await stage.world.give("alice", 3)
    await stage.write("alice", "alice-1")
    await stage.trigger("alice-1")
    await stage.world.provider.settled()
    await asyncio.gather(stage.tick(), stage.tick())
    await stage.finish()


@journey()
async def many(stage: Stage) -> None:
    """Five jobs of two users and two types, one with an uploaded image: one goes at once, four by the tick."""
    world = stage.world
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 5)
    await world.give("bob", 5)
    photo = {"imageUri": await world.upload("bob")}
    await stage.write("alice", "alice-1")
    await stage.write("bob", "bob-1", type="photo_rating", input=photo)
    await stage.write("alice", "alice-2", priority=9)
    await stage.write("bob", "bob-2")
    await stage.write("alice", "alice-3")
    await stage.finish()


@journey()
async def hot_wallet(stage: Stage) -> None:
    """Six jobs of one wallet at once, paid for in groups, four of which it covers; the fifth and sixth are refused."""
    world = stage.world
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 4)
    job_ids = [await world.write("alice", f"alice-{number}") for number in range(1, 7)]
    await asyncio.gather(*(stage.trigger(job_id) for job_id in job_ids))
    await stage.finish()


@journey(submissions=2, answers=2)
async def retry(stage: Stage) -> None:
    """One job whose first answer is not valid, and whose second is."""
    stage.world.provider.faults.add(ReplyRule(reply=Reply(content="no JSON"), times=1))
    await stage.world.give("alice", 3)
    await stage.write("alice", "alice-1")
    await stage.finish()


@journey(submissions=2)
async def expired(stage: Stage) -> None:
    """Five jobs; the batch of four of them expires with two answered, and the other two are sent again."""
    world = stage.world
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 6)
    await stage.write("alice", "alice-1")
    world.provider.hold("in_progress", answered=2)
    for number in range(2, 6):
        await stage.write("alice", f"alice-{number}")
    await stage.tick()
    await stage.expire_held(answered=2)
    await stage.finish()


@journey()
async def refund(stage: Stage) -> None:
    """Three jobs of two users; a batch of two expires unanswered, and they are refunded. A fourth was never paid."""
    world = stage.world
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600", NIGHTSHIFT_MAX_ATTEMPTS="1")
    await world.give("alice", 2)
    await world.give("bob", 1)
    await stage.write("alice", "alice-1")
    world.provider.hold("in_progress")
    await stage.write("alice", "alice-2")
    await stage.write("bob", "bob-1")
    await stage.write("carol", "carol-1")
    await stage.tick()
    await stage.expire_held(answered=0)
    await stage.finish()


@journey()
async def full(stage: Stage) -> None:
    """One job that the provider's full queue does not take at first; it waits, and loses no attempt."""
    stage.world.provider.faults.add(BatchFault(fail_code="token_limit_exceeded"))
    await stage.world.give("alice", 3)
    await stage.write("alice", "alice-1")
    await stage.finish()


@journey()
async def not_its_fault(stage: Stage) -> None:
    """Six jobs; their lines, and then their next batch, meet the provider's and the account's trouble."""
    world = stage.world
    replies = (
        Reply.http_error(400, "invalid_image_url", "Timeout while downloading the image."),
        *(Reply.nothing(), Reply.http_error(404, "model_not_found"), Reply.http_error(402), Reply.http_error(499)),
        Reply.line_error("a code that is new"),
    )
    for number, reply in enumerate(replies):
        world.provider.faults.add(ReplyRule(reply, custom_id=f"job-alice-{number}", times=1))
    await world.give("alice", len(replies))
    await stage.gather_in_one_batch(*(("alice", f"alice-{number}") for number in range(len(replies))))
    await world.provider.settled()
    world.provider.faults.add(BatchFault(fail_code="billing_hard_limit_reached"))
    await stage.finish()


@journey()
async def two_shards(stage: Stage) -> None:
    """Four jobs, one declined and refunded; their output is cut in two, and the last worker closes the batch."""
    world = stage.world
    await world.open_pubsub()
    world.set_env(NIGHTSHIFT_SHARD_LINES="2")
    world.provider.faults.add(ReplyRule(reply=Reply.refuses("No."), custom_id="job-bob-1"))
    await world.give("alice", 3)
    await world.give("bob", 1)
    for uid, job_id in (("alice", "alice-1"), ("alice", "alice-2"), ("bob", "bob-1"), ("alice", "alice-3")):
        await world.write(uid, job_id)
    world.pass_time(minutes=_TICK_MINUTES)
    await stage.tick()
    await stage.tick()
    await stage.work()
    await stage.finish()


@journey()
async def webhook(stage: Stage) -> None:
    """One job, and the provider says when its batch has ended: no tick is needed while nothing goes wrong."""
    await stage.world.open_pubsub()
    await stage.world.give("alice", 3)
    await stage.write("alice", "alice-1")
    await stage.announce()
    await stage.finish()


@journey(submissions=2)
async def by_api(stage: Stage) -> None:
    """By the API: submission is stopped, a job is created, ordered to be sent, taken back from its batch, sent again.

    A second job failed before, and is run again by an order. Each request is sent twice under one key.
    """
    world = stage.world
    await world.open_pubsub()
    rejected = Reply.http_error(400, "context_length_exceeded")
    world.provider.faults.add(ReplyRule(reply=rejected, custom_id="job-alice-1", times=1))
    await world.give("alice", 3)
    await stage.write("alice", "alice-1")
    await stage.tick()
    await stage.ask("/scheduler/stop", {}, "stop")
    world.provider.hold("in_progress")
    await stage.ask("/jobs", {"type": "waste_classification", "input": {"text": "a bottle"}}, "job", admin=False)
    await stage.trigger(id_for("alice", "job", "job"))
    await stage.ask("/queue/submit", {}, "submit")
    await stage.work()
    for batch in await world.open_batches():
        await stage.ask(f"/batches/{batch['id']}/retry", {}, "again")
    await stage.work()
    await stage.ask("/scheduler/start", {}, "start")
    world.provider.release()
    await stage.ask("/jobs/retry", {"code": "provider_rejected"}, "retry")
    await stage.work()
    await stage.finish()


# In real time an attempt is a question to the provider: a fault there costs one for each of its calls, and a death one.
_MOST_QUESTIONS = 6


@journey(submissions=_MOST_QUESTIONS)
async def instant(stage: Stage) -> None:
    """One instant job, answered by its own event."""
    await stage.world.give("alice", 5)
    await stage.write("alice", "alice-1", speed="instant")
    await stage.finish()


@journey(submissions=_MOST_QUESTIONS)
async def instant_retry(stage: Stage) -> None:
    """Three instant jobs of two users: one is put off and swept up, one is declined, one was written unheard."""
    world = stage.world
    limited = RequestFault("POST", "/v1/chat/completions", status=429, headers={"Retry-After": "30"})
    world.provider.faults.add(limited, ReplyRule(reply=Reply.refuses("No."), text="unspeakable", times=None))
    await world.give("alice", 10)
    await world.give("bob", 5)
    await stage.write("alice", "alice-1", speed="instant")
    await stage.write("bob", "bob-1", speed="instant", input={"text": "unspeakable"})
    await world.write("alice", "alice-2", speed="instant")
    await stage.sweep()
    world.pass_time(minutes=3)
    # To another instance: for this one the half minute for which the provider wants no call is a real one.
    world.set_env()
    await asyncio.gather(stage.sweep(), stage.sweep())
    await stage.finish()


@journey(submissions=_MOST_QUESTIONS)
async def deadline(stage: Stage) -> None:
    """Three jobs; two have a deadline, one in a batch that the provider holds, one queued; then the batch is late."""
    world = stage.world
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 5)
    world.provider.hold("in_progress")
    soon = world.now() + timedelta(minutes=30)
    await stage.write("alice", "alice-1", deadline=soon)
    await stage.write("alice", "alice-2", deadline=soon)
    await stage.write("alice", "alice-3")
    world.pass_time(minutes=29)
    await stage.sweep()
    world.provider.release()
    await stage.finish()


@journey()
async def cancel_job(stage: Stage) -> None:
    """Two jobs, one of them cancelled by an operator while its line is ingested, and once more after that."""
    await stage.world.give("alice", 2)
    await stage.gather_in_one_batch(("alice", "alice-1"), ("alice", "alice-2"))
    await stage.world.provider.settled()
    await asyncio.gather(stage.tick(), stage.operate("cancel", "job", "alice-1"))
    await stage.operate("cancel", "job", "alice-1")
    await stage.finish()


@journey()
async def cancel_waiting(stage: Stage) -> None:
    """Three jobs that lie in no batch are cancelled: one is created, one queued, and one's event comes meanwhile."""
    world = stage.world
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 4)
    await stage.write("alice", "alice-1")
    await world.write("alice", "alice-2")
    await stage.write("alice", "alice-3")
    await world.write("alice", "alice-4")
    for job_id in ("alice-2", "alice-3"):
        await stage.operate("cancel", "job", job_id)
    await asyncio.gather(stage.trigger("alice-4"), stage.operate("cancel", "job", "alice-4"))
    await stage.finish()


@journey()
async def retry_job(stage: Stage) -> None:
    """Two jobs that failed are run again: one was rejected and refunded, one was refused for want of tokens."""
    world = stage.world
    too_long = Reply.http_error(400, "context_length_exceeded")
    world.provider.faults.add(ReplyRule(reply=too_long, custom_id="job-alice-1", times=1))
    await world.give("alice", 1)
    await stage.write("alice", "alice-1")
    await stage.write("bob", "bob-1")
    await stage.tick()
    await world.give("bob", 1)
    for job_id in ("alice-1", "bob-1"):
        await stage.operate("retry", "job", job_id)
    await stage.finish()


@journey(submissions=_MOST_QUESTIONS)
async def operate_instant(stage: Stage) -> None:
    """Two instant jobs: one was declined and is run again, one waits and is cancelled while a sweep takes it up."""
    world = stage.world
    world.provider.faults.add(ReplyRule(reply=Reply.refuses("No."), times=1))
    await world.give("alice", 10)
    await stage.write("alice", "alice-1", speed="instant")
    world.provider.faults.add(
        RequestFault("POST", "/v1/chat/completions", status=429, headers={"Retry-After": "30"}, times=1)
    )
    await stage.write("alice", "alice-2", speed="instant")
    world.pass_time(minutes=3)
    # As in `instant_retry`.
    world.set_env()
    await asyncio.gather(stage.sweep(), stage.operate("cancel", "job", "alice-2"))
    await stage.operate("retry", "job", "alice-1")
    await stage.sweep()
    await stage.finish()


@journey()
async def cancel_batch(stage: Stage) -> None:
    """Three jobs of two users; their batch is cancelled by an operator with one answered, and two are refunded."""
    await _stop_batch(stage, "cancel")


@journey()
async def retry_batch(stage: Stage) -> None:
    """Three jobs of two users; their batch is stopped by an operator with one answered, and two are sent again."""
    await _stop_batch(stage, "retry")


async def _stop_batch(stage: Stage, command: str) -> None:
    world = stage.world
    world.provider.hold("in_progress", answered=1)
    await world.give("alice", 2)
    await world.give("bob", 1)
    for batch_id in await stage.gather_in_one_batch(("alice", "alice-1"), ("alice", "alice-2"), ("bob", "bob-1")):
        await stage.operate(command, "batch", batch_id)
    world.provider.release()
    await stage.finish()


@journey(provider="anthropic")
async def anthropic(stage: Stage) -> None:
    """At Anthropic, which keeps no stamp: as at Groq, and a lost batch is adopted by evidence."""
    await _stop_batch(stage, "retry")


@journey(provider="gemini", answers=2)
async def gemini(stage: Stage) -> None:
    """At Gemini: three jobs of two users; their batch is stopped with one answered, which it does not give back."""
    await _stop_batch(stage, "retry")


@journey(provider="groq")
async def groq(stage: Stage) -> None:
    """At Groq: three jobs of two users; their batch is stopped with one answered, and two are sent again."""
    await _stop_batch(stage, "retry")


@journey(provider="xai")
async def xai(stage: Stage) -> None:
    """At xAI: three jobs of two users; their batch is stopped with one answered, and two are sent again."""
    await _stop_batch(stage, "retry")


@journey()
async def move_batch(stage: Stage) -> None:
    """Three jobs of two users; their batch is moved by an operator with one answered, and two go to another lane."""
    stage.world.set_env(NIGHTSHIFT_FALLBACK_MODEL="gpt-5-nano")
    await _stop_batch(stage, "move")


@journey()
async def move_late(stage: Stage) -> None:
    """Three jobs of two users; their batch is late with one answered, and a tick moves the two others."""
    world = stage.world
    world.set_env(NIGHTSHIFT_FALLBACK_MODEL="gpt-5-nano")
    world.provider.hold("in_progress", answered=1)
    await world.give("alice", 2)
    await world.give("bob", 1)
    await stage.gather_in_one_batch(("alice", "alice-1"), ("alice", "alice-2"), ("bob", "bob-1"))
    world.pass_time(hours=21)
    await stage.tick()
    world.provider.release()
    await stage.finish()


@journey()
async def move_broken(stage: Stage) -> None:
    """Two jobs, whose model is not there for their lane: what waits, and what has not been sent, goes to another."""
    world = stage.world
    world.set_env(NIGHTSHIFT_FALLBACK_MODEL="gpt-5-nano")
    world.provider.faults.add(RequestFault("POST", "/v1/batches", status=404, body=_NO_MODEL, times=2))
    await world.give("alice", 2)
    await stage.write("alice", "alice-1")
    await stage.write("alice", "alice-2")
    await stage.finish()


@journey()
async def reprocess(stage: Stage) -> None:
    """One job, answered; an operator has it asked anew for free, and repeats the run if it was cut short."""
    await stage.world.give("alice", 1)
    await stage.write("alice", "alice-1")
    await stage.finish()
    for _ in range(2):
        await stage.operate("reprocess", "--type", "waste_classification", "--run", "night")
    await stage.finish()


@journey()
async def cancel_unsent(stage: Stage) -> None:
    """One job, whose batch the provider does not take in now; an operator cancels it before it ever gets there."""
    world = stage.world
    world.provider.faults.add(RequestFault("POST", "/v1/files", status=503))
    await world.give("alice", 1)
    await stage.write("alice", "alice-1")
    for batch in await world.batches():
        await stage.operate("cancel", "batch", batch["id"])
    await stage.finish()


@journey()
async def erase(stage: Stage) -> None:
    """Of two users in a live batch one is erased, with an upload, and a job that was answered before."""
    world = stage.world
    await world.give("alice", 4)
    await world.give("bob", 1)
    await world.upload("alice")
    await stage.write("alice", "alice-1")
    await stage.tick()
    world.provider.hold("in_progress")
    await stage.gather_in_one_batch(("alice", "alice-2"), ("bob", "bob-1"))
    await world.write("alice", "alice-3")
    await stage.operate("erase", "alice", "--keep-account")
    world.provider.release()
    for _ in range(_TICKS):
        await stage.tick()
        world.pass_time(minutes=_TICK_MINUTES)
        if await stage.operate("erase", "alice", "--keep-account") == 0:
            break
    await stage.finish()
    await _assert_erased(world, "alice")


async def _assert_erased(world: World, uid: str) -> None:
    for collection in ("ai_jobs", "classifications", "notifications"):
        owners = {fields["userId"] for fields in (await world.documents(collection)).values()}
        assert uid not in owners, f"{collection} hold nothing of {uid}"
    assert not await world.read(f"wallets/{uid}")
    assert not await world.documents(f"wallets/{uid}/ledger")
    runtime = world.operators_runtime()
    assert not await asyncio.to_thread(lambda: list(runtime.uploads.list_blobs(prefix=f"users/{uid}/")))


@journey()
async def earn(stage: Stage) -> None:
    """A user whose job is answered logs in, turns points into tokens, and claims an achievement."""
    world = stage.world
    world.set_env(NIGHTSHIFT_ECONOMY="true")
    await world.give("alice", 1)
    for number in range(9):
        entry = {"points": 10, "kind": "answer", "jobId": f"old-{number}", "type": "waste_classification"}
        await world.firestore.document(f"economy/alice/points/old-{number}").set(entry)
    before = {"points": 90, "answered": 9, "answeredOf": {"waste_classification": 9}}
    await world.firestore.document("economy/alice").set(before)
    await stage.write("alice", "alice-1")
    await stage.finish()
    await stage.claim(lambda runtime: claims.daily_login(runtime, "alice", "Asia/Kolkata"))
    await stage.claim(lambda runtime: claims.convert(runtime, "alice", request_key="one"))
    await stage.claim(lambda runtime: claims.claim_achievement(runtime, "alice", "ten_answers"))
    await stage.traffic.land()
    economy = await world.read("economy/alice")
    assert (economy["points"], economy["answered"]) == (0, 10), "points come once, and are taken once"
    assert (await world.read("wallets/alice"))["totalEarned"] == 1 + 50 + 2 + 1 + 5, "each token is given once"


@journey(submissions=_MOST_QUESTIONS, answers=2)
async def told(stage: Stage) -> None:
    """Two answers of a user who hears of them by e-mail and push; the event of the second message is lost."""
    world = stage.world
    async with telling(world) as messages:
        await messages.user()
        await messages.wants(email=True, push=True)
        await messages.device("phone")
        await stage.write("alice", "alice-1", speed="instant")
        await stage.deliver("alice-1.job_completed")
        await stage.write("alice", "alice-2", speed="instant")
        await stage.finish()
        for _ in range(_TICKS):
            states = await messages.statuses()
            if set(states) <= {"sent", "doubtful"}:
                break
            world.pass_time(minutes=30)
            await stage.tick()
        assert set(states) <= {"sent", "doubtful"}, f"each message has come to rest: {states}"
        told = messages.ends_told()
        assert max(told) <= 2, "no end is told twice"
        codes = [message.get("codes") for message in (await world.documents("outbox")).values()]
        assert min(told) == 2 or "doubtful" in states or any(codes), "what was not told has its reason on record"


_CSV = b"name;kind\nAnna;jar\nBo;tin\n;box\nCy;unspeakable\n"


@journey()
async def bulk(stage: Stage) -> None:
    """A file of four rows in two parts; one row is declined, one batch is asked again, and all is exported."""
    world = stage.world
    world.set_env(NIGHTSHIFT_PART_ITEMS="2")
    await world.give("alice", 9)
    world.provider.faults.add(
        ReplyRule(Reply.refuses("no"), text="unspeakable"),
        ReplyRule(Reply.http_error(503), text="jar"),
    )
    source = {"uri": await world.upload("alice", "bulk/list.csv", _CSV)}
    await stage.write_bulk("bulk-1", source=source, template={"text": "{{kind}} of {{name}}"}, maxTokens=9)
    await stage.tick()
    await stage.work_bulk("bulk-1")
    await stage.finish()


@journey()
async def bulk_instant(stage: Stage) -> None:
    """Three rows in two parts, answered in real time; the provider wants to be left alone once."""
    world = stage.world
    world.set_env(NIGHTSHIFT_PART_ITEMS="2")
    await world.give("alice", 20)
    world.provider.faults.add(
        ReplyRule(Reply.refuses("no"), text="unspeakable"),
        RequestFault("POST", "/v1/chat/completions", status=429, headers={"Retry-After": "30"}, times=1),
    )
    items = [{"text": text} for text in ("jar", "tin", "unspeakable")]
    await stage.write_bulk("bulk-1", items=items, mode="instant", maxTokens=15)
    world.pass_time(minutes=3)
    # As in `instant_retry`.
    world.set_env()
    await stage.work_bulk("bulk-1", 1)
    await stage.work_bulk("bulk-1", 2)
    await stage.finish()


@journey()
async def bulk_cancel(stage: Stage) -> None:
    """Three rows in two parts; the provider has answered one when the user cancels."""
    world = stage.world
    world.set_env(NIGHTSHIFT_PART_ITEMS="2")
    await world.give("alice", 5)
    world.provider.hold("in_progress", answered=1)
    items = [{"text": text} for text in ("jar", "tin", "box")]
    await stage.write_bulk("bulk-1", items=items, maxTokens=5)
    await world.provider.settled()
    await stage.wish(wishes.cancel, "bulk-1")
    await stage.work_bulk("bulk-1")
    world.provider.release()
    await stage.finish()


@journey(answers=2)
async def bulk_retry(stage: Stage) -> None:
    """Two rows, of which one is declined; the user has it quoted and run again, and confirms the price."""
    world = stage.world
    await world.give("alice", 5)
    world.provider.faults.add(ReplyRule(Reply.refuses("no"), text="tin"))
    items = [{"text": text} for text in ("jar", "tin")]
    await stage.write_bulk("bulk-1", items=items, maxTokens=5)
    await stage.finish()
    await stage.wish(wishes.retry, "bulk-1")
    await stage.work_bulk("bulk-1")
    await stage.tick()
    await stage.wish(wishes.confirm, "bulk-1")
    await stage.work_bulk("bulk-1")
    if (await world.bulk("bulk-1"))["status"] == "quoted":
        world.pass_time(minutes=_TICK_MINUTES)
        await stage.tick()
        await stage.wish(wishes.confirm, "bulk-1")
    await stage.finish()


@journey()
async def bulk_pause(stage: Stage) -> None:
    """Four rows in two parts that are quoted, confirmed, paused and resumed."""
    world = stage.world
    world.set_env(NIGHTSHIFT_PART_ITEMS="2")
    await world.give("alice", 5)
    items = [{"text": text} for text in ("jar", "tin", "box", "can")]
    await stage.write_bulk("bulk-1", items=items)
    for wish in (wishes.confirm, wishes.pause, wishes.resume):
        await stage.wish(wish, "bulk-1")
        await stage.work_bulk("bulk-1")
    for _ in range(2):
        # Whatever died before is over: what was wished in vain is wished again.
        world.pass_time(minutes=_TICK_MINUTES)
        await stage.tick()
        await stage.wish(wishes.confirm, "bulk-1")
        await stage.wish(wishes.resume, "bulk-1")
    await stage.finish()
