"""`POST /v1/chat/completions`, answered by the same `Answerer` as the lines of a batch."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from local.openai_server.answers import Answerer
from local.openai_server.errors import error_body
from local.openai_server.request_body import read_json


class ChatRoutes:
    """The chat endpoint of one server."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer

    async def complete(self, request: Request) -> Response:
        """Answer one request; a scripted fate that only a batch line can have becomes a 500."""
        answer = await self._answerer.answer(None, await read_json(request))
        if answer.status is None:
            message = answer.error_message or "This request was scripted to get no answer."
            return JSONResponse(error_body(message, code=answer.error_code, kind="server_error"), 500)
        return JSONResponse(answer.body, answer.status)
