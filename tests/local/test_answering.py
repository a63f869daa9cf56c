"""Who answers on the local stack: the stand-in, a server that OPENAI_BASE_URL names, or OpenAI itself."""

import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.answering import STAND_IN, who_answers
from local.app_user import AppUser
from local.errors import StackError
from local.grant import grant_tokens
from local.openai_server import OpenAIServer
from local.ports import free_ports
from local.serve import serving
from local.stack import Options, running_stack


async def test_without_variables_the_stand_in_answers() -> None:
    """And says how that is changed; a key alone changes nothing."""
    assert await who_answers({"OPENAI_API_KEY": "sk-real"}) is STAND_IN
    assert "OPENAI_BASE_URL" in STAND_IN.sentence


async def test_live_is_openai_itself() -> None:
    """With the caller's key, also where OPENAI_BASE_URL names another server; without a key nothing starts."""
    live = await who_answers({"OPENAI_API_KEY": "sk-real", "OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, live=True)

    assert (live.base_url, live.api_key, live.is_stand_in) == ("", "sk-real", False)
    assert "OPENAI_BASE_URL is set aside" in live.sentence
    with pytest.raises(StackError, match="OPENAI_API_KEY is not set"):
        await who_answers({}, live=True)


async def test_a_server_with_batches_is_called_as_it_is() -> None:
    """With its key; one that refuses the key, or is not there, stops the start with a sentence."""
    server = OpenAIServer("sk-theirs")
    async with server.serve() as url:
        answering = await who_answers({"OPENAI_BASE_URL": f"{url}/", "OPENAI_API_KEY": "sk-theirs"})
        assert (answering.base_url, answering.api_key, answering.upstream) == (url, "sk-theirs", None)
        assert url in answering.sentence
        with pytest.raises(StackError, match="refuses the key"):
            await who_answers({"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "another"})
    with pytest.raises(StackError, match="nothing answers there"):
        await who_answers({"OPENAI_BASE_URL": f"http://127.0.0.1:{free_ports(1)[0]}/v1"})


async def test_a_server_without_batches_answers_batch_jobs_too() -> None:
    """The local server keeps the batches, and asks that server, with its key, for each answer."""
    asked: list[Request] = []
    answering_server = OpenAIServer()

    async def complete(request: Request) -> Response:
        asked.append(request)
        body = await request.json()
        assert {"max_completion_tokens", "response_format"} <= body.keys()
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(
                f"{answering_url}/chat/completions", json=body, headers={"Authorization": "Bearer any"}
            )
        return JSONResponse(answer.json(), answer.status_code)

    model_server = Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])
    async with answering_server.serve() as answering_url, serving(model_server) as address:
        caller = {"OPENAI_BASE_URL": f"http://{address}/v1", "OPENAI_API_KEY": "sk-theirs"}
        answering = await who_answers(caller)
        assert "It has no /batches" in answering.sentence
        async with (
            running_stack(Options(answering=answering), say=lambda _: None) as stack,
            httpx.AsyncClient(trust_env=False) as client,
        ):
            await grant_tokens(stack.firestore_host, stack.project, "alice", 6)
            alice = AppUser(client, stack, "alice")
            await alice.write_job("one", "waste_classification", {"text": "an empty glass bottle"})
            await alice.write_job("two", "waste_classification", {"text": "a banana peel"}, "instant")

            async with asyncio.timeout(60):
                while statuses(await alice.own("ai_jobs")) != {"completed"}:  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.2)
    assert [request.headers["authorization"] for request in asked] == ["Bearer sk-theirs"] * 2


def statuses(jobs: dict[str, dict[str, Any]]) -> set[str]:
    """Where the jobs are."""
    return {job["status"] for job in jobs.values()}
