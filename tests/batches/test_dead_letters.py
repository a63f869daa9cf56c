"""A call that no worker can answer, over the real Pub/Sub: put aside after five deliveries, and done by the tick."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from math import ceil

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.steps.dead_letters import LEAST_SECONDS, MOST_SECONDS
from local.pubsub import DELIVERY_ATTEMPTS, Topics
from local.relay import Relay, running_relay
from local.serve import serving
from nightshift.functions import DEAD_LETTERS, EVENT_SECONDS, function
from nightshift.settings import Settings
from tests.support.patience import PATIENCE_SECONDS, patience
from tests.support.promises import assert_promises_kept
from tests.support.world import INGEST_TOPIC, World

# More than would put a call aside on the local stack.
REFUSALS = DELIVERY_ATTEMPTS + 1


class Workers:
    """`ingest_batch_results` behind Pub/Sub, as the stack joins them. It is not there before `are_there` is set.

    Where all instances are busy, a call is answered 429 as by Cloud Run, `REFUSALS` times at most. After that it waits
    for an instance. So a slow machine uses up no more deliveries than a quick one.
    """

    def __init__(self, world: World, instances: int = 100) -> None:
        self.are_there = asyncio.Event()
        # Message id → how often it was delivered, and the last answer to it.
        self.deliveries: Counter[str] = Counter()
        self.answers: dict[str, int] = {}
        self.topics: Topics
        # Message id → how often it met no free instance.
        self.refusals: Counter[str] = Counter()
        self._world = world
        self._instances = asyncio.Semaphore(instances)

    @asynccontextmanager
    async def subscribed(self, attempts: int = DELIVERY_ATTEMPTS) -> AsyncIterator["Workers"]:
        """Let Pub/Sub push to them, through the relay."""
        app = Starlette(routes=[Route("/", self._work, methods=["POST"])])
        async with (
            serving(app) as address,
            running_relay(Relay(project=self._world.project, topics={INGEST_TOPIC: f"http://{address}/"})) as relay,
            httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client,
        ):
            self.topics = Topics(client, os.environ["PUBSUB_EMULATOR_HOST"], self._world.project)
            await self.topics.create(INGEST_TOPIC)
            await self.topics.create(DEAD_LETTERS)
            await self.topics.keep(DEAD_LETTERS)
            await self.topics.push(INGEST_TOPIC, f"http://{relay}/pubsub/{INGEST_TOPIC}", DEAD_LETTERS, attempts)
            yield self

    async def dead_letter(self) -> dict[str, str]:
        """The next call that was put aside, as soon as there is one."""
        async with patience():
            while not (bodies := await self.topics.pull(DEAD_LETTERS)):  # noqa: ASYNC110 - Pub/Sub sends no event for it
                await asyncio.sleep(0.1)
        (body,) = bodies
        call: dict[str, str] = json.loads(body)
        return call

    async def _work(self, request: Request) -> Response:
        message_id = request.headers["ce-id"]
        self.deliveries[message_id] += 1
        if self._instances.locked() and self.refusals[message_id] < REFUSALS:
            self.refusals[message_id] += 1
            return Response(status_code=429)
        async with self._instances:
            await self.are_there.wait()
            answer = await self._world.call(
                "ingest_batch_results", headers=dict(request.headers), content=await request.body()
            )
        self.answers[message_id] = answer.status_code
        return Response(status_code=answer.status_code)


async def test_a_call_that_fails_five_times_is_put_aside_and_the_tick_does_its_work(world: World) -> None:
    """A dead worker's lease lies on a shard: its call is given up, the others are answered, and nothing is lost."""
    await world.give("alice", 5)
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600", NIGHTSHIFT_SHARD_LINES="2")
    for _ in range(5):
        await world.write()
    world.pass_time(hours=1)
    assert await world.tick() == 200
    await world.provider.settled()
    workers = Workers(world)

    async with workers.subscribed():
        assert await world.tick() == 200
        (batch,) = await world.batches()
        shard = world.firestore.document(f"ai_batches/{batch['id']}/shards/output-001")
        dead = {"owner": "a dead worker", "expiresAt": world.now() + timedelta(hours=1), "writes": 3}
        await shard.update({"lease": dead})
        workers.are_there.set()

        assert await workers.dead_letter() == {"batchId": batch["id"], "shardId": "output-001"}
        assert sorted(workers.deliveries.values()) == [1, 1, DELIVERY_ATTEMPTS]
        assert sorted(workers.answers.values()) == [200, 200, 500]
        assert len(await world.jobs("processing")) == 2

        world.pass_time(hours=2)
        assert await world.tick() == 200

    assert len(await world.jobs("completed")) == 5
    (batch,) = await world.batches()
    assert (batch["status"], batch["counts"]["completed"]) == ("completed", 5)
    used = [job["usage"]["inputTokens"] for job in (await world.jobs()).values()]
    assert batch["usage"]["inputTokens"] == sum(used) > 0
    await assert_promises_kept(world)


async def test_more_shards_than_instances_leave_no_dead_letter(world: World) -> None:
    """One instance, three shards: Pub/Sub counts each 429 as a delivery, and there are enough of them, as deployed."""
    await world.give("alice", 5)
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600", NIGHTSHIFT_SHARD_LINES="2")
    for _ in range(5):
        await world.write()
    world.pass_time(hours=1)
    assert await world.tick() == 200
    await world.provider.settled()
    workers = Workers(world, instances=1)

    async with workers.subscribed(function("ingest_batch_results").most_deliveries):
        assert await world.tick() == 200
        async with patience():
            while sorted(workers.refusals.values()) != [REFUSALS, REFUSALS]:  # noqa: ASYNC110 - Pub/Sub's own pace
                await asyncio.sleep(0.1)
            workers.are_there.set()
            while await world.jobs("processing"):  # noqa: ASYNC110 - other processes do the work
                await asyncio.sleep(0.1)
        assert set(workers.answers.values()) == {200}
        assert await workers.topics.pull(DEAD_LETTERS) == []

    assert len(await world.jobs("completed")) == 5
    await assert_promises_kept(world)


def test_as_deployed_the_deliveries_outlast_the_shards_of_the_largest_batch() -> None:
    """Each shard takes as long as a function may run, and each call but the first meets no free instance until then."""
    ingest, fields = function("ingest_batch_results"), Settings.model_fields
    shards = ceil(fields["max_batch_requests"].default / fields["shard_lines"].default)
    longest = ceil(shards / ingest.max_instances) * EVENT_SECONDS

    waits = [min(LEAST_SECONDS * 2**number, MOST_SECONDS) for number in range(ingest.most_deliveries - 1)]

    assert sum(waits) > longest
