"""OpenAI's API, as the server's shared parts ask for it."""

import json
import secrets
from collections.abc import Callable, Iterable
from typing import Any

from local.openai_server.batch_input import check_input, parse_line
from local.openai_server.batch_object import shown
from local.openai_server.chat_answer import chat_completion, completion_usage, content_parts
from local.openai_server.chat_request import check_chat_request, user_text
from local.openai_server.embeddings import embeddings
from local.openai_server.errors import body_of
from local.provider_server.api import Answer, InputCheck, Question, ResultFile, Said
from local.provider_server.batches import Batch, Seen
from local.provider_server.errors import ApiError, JsonObject
from local.provider_server.standin import PLAIN_ANSWER

CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"
_LEFT = {
    "expired": ("batch_expired", "This request could not be executed before the completion window expired."),
    "cancelled": ("batch_cancelled", "This request was not executed because the batch was cancelled."),
}


class OpenAIApi:
    """See `Api`, whose docstrings hold here."""

    paths: tuple[str, ...] = ("/v1/",)

    def __init__(self, check_body: Callable[[JsonObject], None] | None = None) -> None:
        self._check_body = check_body

    def error_body(self, error: ApiError) -> JsonObject:
        return body_of(error)

    def question(self, body: Any, endpoint: str) -> Question:
        if endpoint == EMBEDDINGS:
            computed = embeddings(body)
            return Question(model=body["model"], text=str(body["input"]), seed="", computed=computed, body=body)
        check_chat_request(body)
        if self._check_body is not None:
            self._check_body(body)
        form = body.get("response_format") or {"type": "text"}
        is_object = form["type"] == "json_object"
        return Question(
            model=body["model"],
            text=user_text(body),
            seed=json.dumps([content_parts(message) for message in body["messages"] if message["role"] == "user"]),
            schema=form["json_schema"]["schema"] if form["type"] == "json_schema" else None,
            plain=json.dumps({"answer": PLAIN_ANSWER}) if is_object else PLAIN_ANSWER,
            most_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
            body=body,
        )

    def completion(self, question: Question, said: Said) -> JsonObject:
        body = chat_completion(question.body, said.content, refusal=said.refusal, finish_reason=said.finish_reason)
        body["usage"] |= said.usage or {}
        return body

    def tokens_of(self, question: Question, content: str) -> int:
        return int(completion_usage(question.body, content)["completion_tokens"])

    async def check(self, lines: Iterable[bytes], batch: Batch, max_requests: int) -> InputCheck:
        return await check_input(lines, batch.endpoint, max_requests)

    def request_of(self, line: bytes) -> tuple[str, Any]:
        request = parse_line(line)
        return request["custom_id"], request["body"]

    def result_line(self, custom_id: str, answer: Answer) -> tuple[ResultFile, bytes]:
        if answer.error_code is not None and answer.status is None:
            return "errors", _line(custom_id, None, {"code": answer.error_code, "message": answer.error_message})
        response = {"status_code": answer.status, "request_id": secrets.token_hex(16), "body": answer.body}
        is_answered = answer.status and answer.status < 400
        return "output" if is_answered else "errors", _line(custom_id, response, None)

    def left_line(self, custom_id: str, ending: str) -> tuple[ResultFile, bytes]:
        code, message = _LEFT[ending]
        return "errors", _line(custom_id, None, {"code": code, "message": message})

    def count(self, batch: Batch, body: JsonObject) -> None:
        batch.usage.add(body.get("usage") or {})

    def show(self, batch: Batch, seen: Seen) -> JsonObject:
        return shown(batch, seen)


def _line(custom_id: str, response: JsonObject | None, error: JsonObject | None) -> bytes:
    line = {
        "id": f"batch_req_{secrets.token_hex(12)}",
        "custom_id": custom_id,
        "response": response,
        "error": error,
    }
    # As the provider does it: non-ASCII text is written as it is, U+2028 included.
    return json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogatepass")
