"""An upstream that serves few requests at once: who goes first, and what becomes of a request whose client has gone."""

import asyncio

import httpx

from local.openai_server import OpenAIServer
from local.openai_server.turns import Turns
from tests.local.test_openai_server_rig import KEY
from tests.support.patience import PATIENCE_SECONDS

ASKED = {"model": "m", "messages": [{"role": "user", "content": "x"}]}


async def test_an_urgent_request_goes_before_those_that_wait_already() -> None:
    """Each kind in the order of asking; one who leaves the queue takes no turn with it."""
    turns, order = Turns(1), list[str]()

    async def ask(name: str, *, is_urgent: bool) -> None:
        async with turns.turn(is_urgent=is_urgent):
            order.append(name)
            await asyncio.sleep(0)

    async with turns.turn(is_urgent=False):
        asking = [
            asyncio.create_task(ask(name, is_urgent=name.startswith("urgent")))
            for name in ("line 1", "line 2", "gone", "urgent 1", "urgent 2")
        ]
        await asyncio.sleep(0)
        asking[2].cancel()
    await asyncio.gather(*asking, return_exceptions=True)

    assert order == ["urgent 1", "urgent 2", "line 1", "line 2"]


async def test_a_request_whose_client_has_gone_is_given_up_at_the_upstream() -> None:
    """The upstream sees its connection closed, so it stops computing; the next request has its turn at once."""
    asked, was_cancelled = asyncio.Event(), asyncio.Event()
    upstream = OpenAIServer()

    async def never(*_: object) -> None:
        asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            was_cancelled.set()
            raise

    async with upstream.serve() as upstream_url:
        upstream.script.answer = never
        server = OpenAIServer(api_key=KEY, upstream=upstream_url, upstream_key="any", upstream_concurrency=1)
        headers = {"authorization": f"Bearer {KEY}"}
        async with (
            server.serve() as base_url,
            httpx.AsyncClient(headers=headers, trust_env=False, timeout=PATIENCE_SECONDS) as client,
        ):
            waiting = asyncio.create_task(client.post(f"{base_url}/chat/completions", json=ASKED))
            await asked.wait()
            waiting.cancel()
            await was_cancelled.wait()

            upstream.script.answer = None
            answer = await client.post(f"{base_url}/chat/completions", json=ASKED)
            assert answer.status_code == 200
