"""Answers one request, be it a line of a batch or a direct chat completion.

In this order: the request's own faults (a 400, as the API refuses it), the script's hook, the armed rules,
and then the upstream, or without one the stand-in.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from local.openai_server.chat_answer import chat_completion, completion_usage
from local.openai_server.chat_request import check_chat_request, user_text
from local.openai_server.embeddings import embeddings
from local.openai_server.errors import ApiError, JsonObject, error_body
from local.openai_server.faults import Faults
from local.openai_server.reply import Reply
from local.openai_server.script import Script
from local.openai_server.standin import standin_content
from local.openai_server.upstream import Upstream

CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A response (`status` and `body`), or a line error without one, or nothing at all (`missing`)."""

    status: int | None = None
    body: JsonObject = field(default_factory=dict)
    error_code: str | None = None
    error_message: str = ""
    missing: bool = False
    copies: int = 1


class Answerer:
    """Answers requests for one server."""

    def __init__(
        self,
        faults: Faults,
        script: Script,
        upstream: Upstream | None,
        check: Callable[[JsonObject], None] | None = None,
    ) -> None:
        self._check = check
        self._faults = faults
        self._script = script
        self._upstream = upstream

    async def answer(self, custom_id: str | None, body: Any, endpoint: str = CHAT) -> Answer:
        """Answer one request; never raises for what is wrong with the request."""
        try:
            if endpoint == EMBEDDINGS:
                return await self._embedded(custom_id, body)
            check_chat_request(body)
            if self._check is not None:
                self._check(body)
            reply = await self._scripted(custom_id, body, user_text(body))
            if reply is not None:
                return _reply_answer(reply, body)
            if self._upstream is not None:
                status, answered = await self._upstream.ask(body)
                return Answer(status=status, body=answered)
            return Answer(status=200, body=_standin_answer(body))
        except ApiError as refused:
            return Answer(status=refused.status, body=refused.body)

    async def _embedded(self, custom_id: str | None, body: Any) -> Answer:
        embedded = embeddings(body)
        reply = await self._scripted(custom_id, body, str(body["input"]))
        if reply is not None and reply.content is None:
            return _reply_answer(reply, body)
        if self._upstream is not None:
            status, answered = await self._upstream.ask(body, EMBEDDINGS)
            return Answer(status=status, body=answered)
        return Answer(status=200, body=embedded)

    async def _scripted(self, custom_id: str | None, body: JsonObject, text: str) -> Reply | None:
        if self._script.answer is not None:
            reply = self._script.answer(custom_id, body)
            if inspect.isawaitable(reply):
                reply = await reply
            if reply is not None:
                return reply
        return self._faults.take_reply(custom_id, text)


def _reply_answer(reply: Reply, body: JsonObject) -> Answer:
    if reply.missing:
        return Answer(missing=True)
    if reply.status_code == 0:
        return Answer(status=0)
    if reply.status_code is not None and reply.status_code >= 400:
        refused = error_body(reply.error_message, code=reply.error_code)
        return Answer(status=reply.status_code, body=refused, copies=reply.copies)
    if reply.error_code is not None:
        return Answer(error_code=reply.error_code, error_message=reply.error_message, copies=reply.copies)
    completion = chat_completion(body, reply.content, refusal=reply.refusal, finish_reason=reply.finish_reason)
    completion["usage"] |= reply.usage or {}
    return Answer(status=reply.status_code or 200, body=completion, copies=reply.copies)


def _standin_answer(body: JsonObject) -> JsonObject:
    content = standin_content(body)
    most = body.get("max_completion_tokens") or body.get("max_tokens")
    if most is not None and completion_usage(body, content)["completion_tokens"] > most:
        return chat_completion(body, content[: most * 4], finish_reason="length")
    return chat_completion(body, content)
