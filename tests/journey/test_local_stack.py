"""The local stack as its user meets it: one stack for all of these tests, with the real functions.

Its clock hardly moves, so no answer waits for a tick; and a server without batches answers, as on a computer with
models of its own. The tests share its database: each has a user of its own.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.answering import who_answers
from local.app_user import AppUser
from local.grant import grant_tokens
from local.openai_server import OpenAIServer
from local.serve import serving
from local.stack import Options, Stack, running_stack
from tests.support.patience import PATIENCE_SECONDS, patience

pytestmark = pytest.mark.asyncio(loop_scope="module")


class ModelServer:
    """An OpenAI-compatible server that knows chat completions and no batches; `asked` are its calls."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.app = Starlette(routes=[Route("/v1/chat/completions", self._complete, methods=["POST"])])
        self._answerer = OpenAIServer()
        self._answerer_url = ""

    async def start(self, closing: AsyncExitStack) -> str:
        """Serve until the exit stack is closed; returns HOST:PORT."""
        self._answerer_url = await closing.enter_async_context(self._answerer.serve())
        return await closing.enter_async_context(serving(self.app))

    async def _complete(self, request: Request) -> Response:
        self.asked.append(request)
        body = await request.json()
        assert {"max_completion_tokens", "response_format"} <= body.keys()
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client:
            answer = await client.post(
                f"{self._answerer_url}/chat/completions", json=body, headers={"Authorization": "Bearer any"}
            )
        return JSONResponse(answer.json(), answer.status_code)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def models() -> AsyncIterator[ModelServer]:
    """The server that answers."""
    yield ModelServer()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(models: ModelServer) -> AsyncIterator[Stack]:
    """The whole stack."""
    async with AsyncExitStack() as closing:
        address = await models.start(closing)
        answering = await who_answers({"OPENAI_BASE_URL": f"http://{address}/v1", "OPENAI_API_KEY": "sk-theirs"})
        assert "It has no /batches" in answering.sentence
        options = Options(speed=0.001, answering=answering)
        yield await closing.enter_async_context(running_stack(options, say=lambda _: None))


async def test_an_answer_comes_without_any_tick(stack: Stack) -> None:
    """The provider's webhook alone brings the answer in."""
    await _answered(stack, "alice", batch="one")


async def test_a_server_without_batches_answers_batch_jobs_too(stack: Stack, models: ModelServer) -> None:
    """The local server keeps the batches, and asks that server, with its key, for each answer."""
    models.asked.clear()

    await _answered(stack, "bob", batch="two", instant="three")

    assert [request.headers["authorization"] for request in models.asked] == ["Bearer sk-theirs"] * 2


async def _answered(stack: Stack, uid: str, **jobs: str) -> None:
    """Write a job of each speed as this user, and wait until all are answered."""
    await grant_tokens(stack.firestore_host, stack.project, uid, 6)
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client:
        user = AppUser(client, stack, uid)
        for speed, job_id in jobs.items():
            await user.write_job(job_id, "waste_classification", {"text": "an empty glass bottle"}, speed)
        async with patience():
            while {job["status"] for job in (await user.own("ai_jobs")).values()} != {"completed"}:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
