"""`POST /v1/chat/completions` and `/v1/embeddings`: the `Answerer` of a batch's lines answers them in real time."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from local.openai_server.answer_pace import AnswerPace
from local.openai_server.api import CHAT, EMBEDDINGS
from local.openai_server.errors import error_body
from local.openai_server.rate_limit import RateLimit, RateLimited
from local.provider_server.answers import Answerer
from local.provider_server.api import Answer
from local.provider_server.departures import unless_gone
from local.provider_server.request_body import read_json


class ChatRoutes:
    """The chat endpoint of one server."""

    def __init__(self, answerer: Answerer, rate_limit: RateLimit, pace: AnswerPace) -> None:
        self._answerer = answerer
        self._rate_limit = rate_limit
        self._pace = pace

    async def complete(self, request: Request) -> Response:
        """Answer one request for a chat completion."""
        return await self._answer(request, CHAT)

    async def embed(self, request: Request) -> Response:
        """Answer one request for vectors."""
        return await self._answer(request, EMBEDDINGS)

    async def _answer(self, request: Request, endpoint: str) -> Response:
        """A scripted fate that only a batch line can have becomes a 500."""
        body = await read_json(request)
        try:
            headers = self._rate_limit.take()
        except RateLimited as limited:
            return JSONResponse(limited.body, 429, limited.headers)
        answer = await unless_gone(request, self._answer_after_a_while(body, endpoint))
        if answer is None:
            # Its status is nginx's for a client that has gone; it reaches only the log.
            return Response(status_code=499)
        if not answer.status:
            message = answer.error_message or "This request was scripted to get no answer."
            return JSONResponse(error_body(message, code=answer.error_code, kind="server_error"), 500, headers)
        return JSONResponse(answer.body, answer.status, headers)

    async def _answer_after_a_while(self, body: Any, endpoint: str) -> Answer:
        await self._pace.wait()
        return await self._answerer.answer(None, body, endpoint)
