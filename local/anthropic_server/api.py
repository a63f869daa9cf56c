"""Anthropic's API, as the server's shared parts ask for it."""

import json
import math
import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from local.anthropic_server.errors import body_of, error_of
from local.anthropic_server.message_request import blocks_of, check_message, user_text
from local.provider_server.api import Answer, InputCheck, Question, ResultFile, Said
from local.provider_server.batches import TERMINAL, Batch, Seen
from local.provider_server.errors import ApiError, JsonObject
from local.provider_server.standin import PLAIN_ANSWER

CHARACTERS_PER_TOKEN = 4
TOKENS_PER_IMAGE = 1_600
_STOPS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}
_TOLD = re.compile(r"\{([^{}]*)\}$")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


class AnthropicApi:
    """See `Api`, whose docstrings hold here."""

    paths: tuple[str, ...] = ("/v1/",)

    def __init__(self) -> None:
        # Where its batches say that their results are.
        self.address = ""

    def error_body(self, error: ApiError) -> JsonObject:
        return body_of(error)

    def question(self, body: Any, endpoint: str) -> Question:
        check_message(body)
        form = (body.get("output_config") or {}).get("format")
        return Question(
            model=body["model"],
            text=user_text(body),
            seed=json.dumps([blocks_of(turn) for turn in body["messages"] if turn["role"] == "user"]),
            schema=with_told_bounds(form["schema"]) if form else None,
            plain=PLAIN_ANSWER,
            most_tokens=body["max_tokens"],
            body=body,
        )

    def completion(self, question: Question, said: Said) -> JsonObject:
        text = json.dumps(said.content, ensure_ascii=False) if isinstance(said.content, dict) else said.content
        # What the model says when it declines is a text like any other; the stop reason tells.
        shown = said.refusal if said.refusal is not None else text
        blocks = [block for turn in question.body["messages"] for block in blocks_of(turn)]
        characters = sum(len(block.get("text") or "") for block in blocks) + len(str(question.body.get("system") or ""))
        images = sum(block["type"] == "image" for block in blocks)
        usage = {
            "input_tokens": math.ceil(characters / CHARACTERS_PER_TOKEN) + TOKENS_PER_IMAGE * images,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": self.tokens_of(question, shown or ""),
            "service_tier": "standard",
        }
        return {
            "id": f"msg_{secrets.token_hex(12)}",
            "type": "message",
            "role": "assistant",
            "model": question.model,
            "content": [] if shown is None else [{"type": "text", "text": shown}],
            "stop_reason": "refusal" if said.refusal is not None else _STOPS[said.finish_reason],
            "stop_sequence": None,
            "usage": usage | (said.usage or {}),
        }

    def tokens_of(self, question: Question, content: str) -> int:
        return math.ceil(len(content) / CHARACTERS_PER_TOKEN)

    async def check(self, lines: Iterable[bytes], batch: Batch, max_requests: int) -> InputCheck:
        # All that is checked before a batch runs was checked when it was created.
        return InputCheck(errors=[], total=batch.request_counts.total)

    def request_of(self, line: bytes) -> tuple[str, Any]:
        request = json.loads(line)
        return request["custom_id"], request["params"]

    def result_line(self, custom_id: str, answer: Answer) -> tuple[ResultFile, bytes]:
        if answer.status is not None and 200 <= answer.status < 400:
            result: JsonObject = {"type": "succeeded", "message": answer.body}
            result["message"]["usage"]["service_tier"] = "batch"
        elif answer.status:
            error = answer.body.get("error", {})
            result = {"type": "errored", "error": {"type": "error", "error": error}}
        else:
            result = {
                "type": "errored",
                "error": error_of(500, answer.error_message or "Internal server error", answer.error_code),
            }
        return "output", _line(custom_id, result)

    def left_line(self, custom_id: str, ending: str) -> tuple[ResultFile, bytes]:
        return "output", _line(custom_id, {"type": "expired" if ending == "expired" else "canceled"})

    def count(self, batch: Batch, body: JsonObject) -> None:
        """A batch has no usage there."""

    def show(self, batch: Batch, seen: Seen) -> JsonObject:
        has_ended = batch.status in TERMINAL and not seen.is_regressed
        counts = batch.request_counts
        is_canceling = batch.status == "cancelling" and not has_ended
        created_at = datetime.fromtimestamp(batch.created_at, UTC)
        ended_at = getattr(batch, f"{batch.status}_at") if has_ended else None
        done = counts.completed + counts.failed + counts.expired + counts.cancelled
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": "ended" if has_ended else "canceling" if is_canceling else "in_progress",
            "request_counts": {
                # Zero until all has ended.
                "processing": counts.total - done if has_ended else counts.total,
                "succeeded": counts.completed if has_ended else 0,
                "errored": counts.failed if has_ended else 0,
                "canceled": counts.cancelled if has_ended else 0,
                "expired": counts.expired if has_ended else 0,
            },
            "created_at": _rfc3339(created_at),
            "expires_at": _rfc3339(datetime.fromtimestamp(batch.expires_at, UTC)),
            "ended_at": _rfc3339(datetime.fromtimestamp(ended_at, UTC)) if ended_at else None,
            "cancel_initiated_at": (
                _rfc3339(datetime.fromtimestamp(batch.cancelling_at, UTC)) if batch.cancelling_at else None
            ),
            "archived_at": None,
            "results_url": (
                f"{self.address}/v1/messages/batches/{batch.id}/results" if has_ended and seen.shows_output else None
            ),
        }


def with_told_bounds(schema: Any) -> Any:
    """A schema with the bounds that its descriptions tell, as `{minimum: 0, maximum: 1}`: a model reads them there."""
    if not isinstance(schema, dict):
        return [with_told_bounds(one) for one in schema] if isinstance(schema, list) else schema
    found = _TOLD.search(schema["description"]) if isinstance(schema.get("description"), str) else None
    pairs = (pair.split(": ", 1) for pair in found[1].split(", ")) if found else ()
    bounds = {name: json.loads(told) for name, told in pairs if _NUMBER.fullmatch(told)}
    return {name: with_told_bounds(one) for name, one in schema.items()} | bounds


def _line(custom_id: str, result: JsonObject) -> bytes:
    return json.dumps({"custom_id": custom_id, "result": result}, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
