"""Gemini's API, as the server's shared parts ask for it."""

import json
import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from local.gemini_server.content_request import (
    MOST_DIMENSIONS,
    check_content,
    check_embedding,
    parts_of,
    user_text,
)
from local.provider_server.api import Answer, InputCheck, Question, ResultFile, Said
from local.provider_server.batches import TERMINAL, Batch, BatchError, Seen
from local.provider_server.errors import ApiError, JsonObject
from local.provider_server.standin import PLAIN_ANSWER
from local.provider_server.vectors import vector_of

CHARACTERS_PER_TOKEN = 4
TOKENS_PER_IMAGE = 258
NAME, MODEL = "displayName", "model"
EMBED = "embedContent"
_NUMBERS = {400: 3, 401: 16, 403: 7, 404: 5, 429: 8, 499: 1, 500: 13, 503: 14, 504: 4}
_WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_TYPES = {"": "GenerateContentBatch", EMBED: "EmbedContentBatch"}
_STOPS = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
_STATES = {
    "validating": "PENDING",
    "in_progress": "RUNNING",
    "finalizing": "RUNNING",
    "cancelling": "RUNNING",
    "completed": "SUCCEEDED",
    "failed": "FAILED",
    "cancelled": "CANCELLED",
    "expired": "EXPIRED",
}


class GeminiApi:
    """See `Api`, whose docstrings hold here."""

    paths: tuple[str, ...] = ("/v1/", "/v1beta/", "/upload/", "/download/")

    def error_body(self, error: ApiError) -> JsonObject:
        status = error.code if error.code in _WORDS.values() else _WORDS.get(error.status, "UNKNOWN")
        return {"error": {"code": error.status, "message": error.message, "status": status}}

    def question(self, body: Any, endpoint: str) -> Question:
        if endpoint == EMBED:
            text = check_embedding(body)
            dimensions = body.get("outputDimensionality", MOST_DIMENSIONS)
            counted = math.ceil(len(text) / CHARACTERS_PER_TOKEN)
            computed = {"embedding": {"values": vector_of(text, dimensions)}, "tokenCount": str(counted)}
            return Question(model="", text=text, seed="", computed=computed, body=body)
        check_content(body)
        config = body.get("generationConfig") or {}
        return Question(
            model=str(body.get("model", "")),
            text=user_text(body),
            seed=json.dumps(parts_of(body)),
            schema=config.get("responseJsonSchema"),
            plain=PLAIN_ANSWER,
            most_tokens=config.get("maxOutputTokens"),
            body=body,
        )

    def completion(self, question: Question, said: Said) -> JsonObject:
        text = json.dumps(said.content, ensure_ascii=False) if isinstance(said.content, dict) else said.content
        parts = parts_of(question.body)
        characters = sum(len(part.get("text", "")) for part in parts)
        prompt = math.ceil(characters / CHARACTERS_PER_TOKEN) + TOKENS_PER_IMAGE * sum(
            "text" not in part for part in parts
        )
        spoken = self.tokens_of(question, text or "")
        usage = {"promptTokenCount": prompt, "candidatesTokenCount": spoken, "totalTokenCount": prompt + spoken}
        if said.refusal is not None:
            # A prompt that is blocked has no candidate at all.
            blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
            return {**blocked, "usageMetadata": {"promptTokenCount": prompt, "totalTokenCount": prompt}}
        candidate: JsonObject = {"finishReason": _STOPS[said.finish_reason], "index": 0}
        if text is not None:
            candidate["content"] = {"parts": [{"text": text}], "role": "model"}
        return {"candidates": [candidate], "usageMetadata": usage | (said.usage or {}), "modelVersion": question.model}

    def tokens_of(self, question: Question, content: str) -> int:
        return math.ceil(len(content) / CHARACTERS_PER_TOKEN)

    async def check(self, lines: Iterable[bytes], batch: Batch, max_requests: int) -> InputCheck:
        check = InputCheck(errors=[])
        for line in lines:
            check.total += 1
            try:
                request = json.loads(line)
            except ValueError:
                request = None
            if not isinstance(request, dict) or "key" not in request or "request" not in request:
                check.errors = [BatchError("INVALID_ARGUMENT", f"Line {check.total} is no request with a key.")]
        if not check.total or check.total > max_requests:
            check.errors = [BatchError("INVALID_ARGUMENT", "The input file holds no requests, or too many.")]
        return check

    def request_of(self, line: bytes) -> tuple[str, Any]:
        request = json.loads(line)
        return request["key"], request["request"]

    def result_line(self, custom_id: str, answer: Answer) -> tuple[ResultFile, bytes]:
        if answer.status is not None and 200 <= answer.status < 400:
            return "output", _line({"key": custom_id, "response": answer.body})
        number = _NUMBERS.get(answer.status or 500, 13)
        return "output", _line({"key": custom_id, "error": {"code": number, "message": answer.error_message}})

    def left_line(self, custom_id: str, ending: str) -> None:
        # What a batch ended before is named nowhere.
        return None

    def count(self, batch: Batch, body: JsonObject) -> None:
        """A batch has no usage there."""

    def show(self, batch: Batch, seen: Seen) -> JsonObject:
        named = batch.metadata or {}
        has_ended = batch.status in TERMINAL and not seen.is_regressed
        counts = batch.request_counts
        done = counts.completed + counts.failed
        state = _STATES[batch.status] if has_ended or batch.status not in TERMINAL else "RUNNING"
        metadata = {
            "@type": f"type.googleapis.com/google.ai.generativelanguage.v1main.{_TYPES[batch.endpoint]}",
            "name": batch.id,
            "model": f"models/{named.get(MODEL, '')}",
            "displayName": named.get(NAME, ""),
            "state": f"BATCH_STATE_{state}",
            "createTime": _rfc3339(batch.created_at),
            "updateTime": _rfc3339(batch.created_at),
            # 64 bits are texts in Google's JSON.
            "batchStats": {
                "requestCount": str(counts.total),
                "pendingRequestCount": str(counts.total - done),
                "successfulRequestCount": str(counts.completed),
                "failedRequestCount": str(counts.failed),
            },
            "inputConfig": {"fileName": batch.input_file_id},
        }
        operation: JsonObject = {"name": batch.id, "metadata": metadata}
        if has_ended:
            operation["done"] = True
        if has_ended and batch.status == "completed" and seen.shows_output and batch.output_file_id:
            operation["response"] = {"responsesFile": batch.output_file_id}
            # The official SDK reads it here.
            operation["metadata"]["output"] = {"responsesFile": batch.output_file_id}
        elif has_ended and batch.status == "failed":
            error = batch.errors[0] if batch.errors else BatchError("INTERNAL", "The batch failed.")
            number = next((_NUMBERS[status] for status, word in _WORDS.items() if word == error.code), 13)
            operation["error"] = {"code": number, "message": error.message}
        elif has_ended and batch.status == "cancelled":
            operation["error"] = {"code": 1, "message": "The batch was cancelled."}
        return operation


def _line(fields: JsonObject) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
