"""A call that no worker can answer, over the real Pub/Sub: put aside after five deliveries, and done by the tick."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.pubsub import DELIVERY_ATTEMPTS, Topics
from local.relay import Relay, running_relay
from local.serve import serving
from nightshift.functions import DEAD_LETTERS
from tests.support.patience import PATIENCE_SECONDS, patience
from tests.support.promises import assert_promises_kept
from tests.support.world import INGEST_TOPIC, World


class Workers:
    """`ingest_batch_results` behind Pub/Sub, as the stack joins them. It is not there before `are_there` is set."""

    def __init__(self, world: World) -> None:
        self.are_there = asyncio.Event()
        # Message id → how often it was delivered, and the last answer to it.
        self.deliveries: Counter[str] = Counter()
        self.answers: dict[str, int] = {}
        self.topics: Topics
        self._world = world

    @asynccontextmanager
    async def subscribed(self) -> AsyncIterator["Workers"]:
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
            await self.topics.push(
                INGEST_TOPIC, f"http://{relay}/pubsub/{INGEST_TOPIC}", DEAD_LETTERS, DELIVERY_ATTEMPTS
            )
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
