"""Answers one request, be it a line of a batch or one in real time.

In this order: the request's own faults (a 400, as the API refuses it), the script's hook, the armed rules,
and then the upstream, or without one the stand-in.
"""

import inspect
from typing import Any, Protocol

from local.provider_server.api import Answer, Api, Question, Said
from local.provider_server.errors import ApiError, JsonObject
from local.provider_server.faults import Faults
from local.provider_server.reply import Reply
from local.provider_server.script import Script
from local.provider_server.standin import standin_content

_CHARACTERS_PER_TOKEN = 4


class Asks(Protocol):
    """What answers instead of the stand-in."""

    async def ask(self, body: JsonObject, endpoint: str, *, is_urgent: bool) -> tuple[int, JsonObject]:
        """Return the status and the JSON body of its answer; an urgent request goes before the others."""
        ...


class Answerer:
    """Answers requests for one server."""

    def __init__(self, api: Api, faults: Faults, script: Script, upstream: Asks | None = None) -> None:
        self._api = api
        self._faults = faults
        self._script = script
        self._upstream = upstream

    async def answer(self, custom_id: str | None, body: Any, endpoint: str) -> Answer:
        """Answer one request; never raises for what is wrong with the request."""
        try:
            question = self._api.question(body, endpoint)
            reply = await self._scripted(custom_id, question)
            if reply is not None and not (question.computed and reply.content is not None):
                return self._reply_answer(reply, question)
            if self._upstream is not None:
                status, answered = await self._upstream.ask(body, endpoint, is_urgent=custom_id is None)
                return Answer(status=status, body=answered)
            if question.computed is not None:
                return Answer(status=200, body=question.computed)
            return Answer(status=200, body=self._standin_answer(question))
        except ApiError as refused:
            return Answer(status=refused.status, body=self._api.error_body(refused), error_message=refused.message)

    async def _scripted(self, custom_id: str | None, question: Question) -> Reply | None:
        if self._script.answer is not None:
            reply = self._script.answer(custom_id, question.body)
            if inspect.isawaitable(reply):
                reply = await reply
            if reply is not None:
                return reply
        return self._faults.take_reply(custom_id, question.text)

    def _reply_answer(self, reply: Reply, question: Question) -> Answer:
        if reply.missing:
            return Answer(missing=True)
        if reply.status_code == 0:
            return Answer(status=0)
        if reply.status_code is not None and reply.status_code >= 400:
            refused = ApiError(reply.status_code, reply.error_message, code=reply.error_code)
            return Answer(
                status=reply.status_code,
                body=self._api.error_body(refused),
                error_message=reply.error_message,
                copies=reply.copies,
            )
        if reply.error_code is not None:
            return Answer(error_code=reply.error_code, error_message=reply.error_message, copies=reply.copies)
        said = Said(content=reply.content, refusal=reply.refusal, finish_reason=reply.finish_reason, usage=reply.usage)
        body = self._api.completion(question, said)
        return Answer(status=reply.status_code or 200, body=body, copies=reply.copies)

    def _standin_answer(self, question: Question) -> JsonObject:
        content, most = standin_content(question), question.most_tokens
        if most is not None and self._api.tokens_of(question, content) > most:
            said = Said(content=content[: most * _CHARACTERS_PER_TOKEN], finish_reason="length")
            return self._api.completion(question, said)
        return self._api.completion(question, Said(content=content))
