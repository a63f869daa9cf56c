"""The `chat.completion` object around a content, with a usage that is plausible and repeatable.

Tokens are estimated: a quarter of the characters, and a flat 85 for an image. No tokenizer is asked, and
the real count depends on the model.
"""

import json
import math
import secrets
import time
from typing import Any

from local.provider_server.errors import JsonObject

CHARACTERS_PER_TOKEN = 4
TOKENS_PER_IMAGE = 85


def chat_completion(
    body: JsonObject,
    content: str | JsonObject | None,
    *,
    refusal: str | None = None,
    finish_reason: str = "stop",
) -> JsonObject:
    """Answer `body` with `content`; a dict becomes JSON text; `n` choices are all the same."""
    text = json.dumps(content, ensure_ascii=False) if isinstance(content, dict) else content
    message: JsonObject = {"role": "assistant", "content": text, "refusal": refusal, "annotations": []}
    return {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "choices": [
            {"index": index, "message": message, "logprobs": None, "finish_reason": finish_reason}
            for index in range(body.get("n") or 1)
        ],
        "usage": completion_usage(body, text or refusal or ""),
        "service_tier": "default",
    }


def completion_usage(body: JsonObject, text: str) -> JsonObject:
    """The API's usage object of a chat completion."""
    characters, images = 0, 0
    for message in body["messages"]:
        for part in content_parts(message):
            if part.get("type") == "image_url":
                images += 1
            else:
                characters += len(part.get("text") or "")
    prompt = math.ceil(characters / CHARACTERS_PER_TOKEN) + TOKENS_PER_IMAGE * images
    completion = math.ceil(len(text) / CHARACTERS_PER_TOKEN) * (body.get("n") or 1)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def content_parts(message: JsonObject) -> list[Any]:
    """The content of a message as parts; a string is one text part."""
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return content or []
