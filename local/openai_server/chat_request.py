"""What a chat completion request must be, as far as this server answers such requests.

Checked: the known arguments, the model, the messages with their content parts, images, the sampling ranges
and the response format. Accepted but not acted upon: tools, since the stand-in never calls one. Refused
although the API has it: `stream`, which a batch has no use for.
"""

import json
import re
from functools import lru_cache
from typing import Any

from local.openai_server.chat_answer import content_parts
from local.openai_server.chat_content import check_content
from local.openai_server.strict_schema import strict_schema_fault
from local.provider_server.arguments import (
    check_metadata,
    refuse_unknown,
    require_choice,
    require_string,
    wrong_type,
)
from local.provider_server.errors import ApiError, JsonObject

# fmt: off
ARGUMENTS = frozenset((
    "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs", "max_completion_tokens",
    "max_tokens", "messages", "metadata", "modalities", "model", "moderation", "n", "parallel_tool_calls", "prediction",
    "presence_penalty", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning_effort",
    "response_format", "safety_identifier", "seed", "service_tier", "stop", "store", "stream", "stream_options",
    "temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user", "verbosity", "web_search_options",
))
# fmt: on
MESSAGE_KEYS = {
    "system": ("role", "content", "name"),
    "developer": ("role", "content", "name"),
    "user": ("role", "content", "name"),
    "assistant": ("role", "content", "name", "refusal", "audio", "tool_calls", "function_call"),
    "tool": ("role", "content", "tool_call_id"),
    "function": ("role", "content", "name"),
}
RANGES = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
}
COUNTS = {"n": 128, "max_tokens": None, "max_completion_tokens": None}
FORMAT_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_chat_request(body: Any) -> None:
    """Raise ApiError (400) if the API would refuse this request."""
    if not isinstance(body, dict):
        raise ApiError(400, "The request body must be a JSON object.", code="invalid_type")
    refuse_unknown(body, ARGUMENTS)
    require_string(body, "model")
    if body.get("stream"):
        raise ApiError(
            400, "This server does not stream: leave 'stream' out.", param="stream", code="unsupported_value"
        )
    _check_messages(body)
    _check_numbers(body)
    check_metadata(body.get("metadata"))
    if body.get("response_format") is not None:
        _check_response_format(body["response_format"], body)


def user_text(body: JsonObject) -> str:
    """All text of the user's messages, without what the system says."""
    return "\n".join(
        part["text"]
        for message in body["messages"]
        if message["role"] == "user"
        for part in content_parts(message)
        if part.get("type") == "text"
    )


def _check_messages(body: JsonObject) -> None:
    if "messages" not in body:
        raise ApiError(
            400,
            "Missing required parameter: 'messages'.",
            param="messages",
            code="missing_required_parameter",
        )
    messages = body["messages"]
    if not isinstance(messages, list):
        raise wrong_type("messages", "an array of objects", messages)
    if not messages:
        raise ApiError(400, "Invalid 'messages': empty array.", param="messages", code="empty_array")
    for place, message in enumerate(messages):
        where = f"messages[{place}]"
        if not isinstance(message, dict):
            raise wrong_type(where, "an object", message)
        role = require_choice(message, "role", MESSAGE_KEYS)
        refuse_unknown(message, MESSAGE_KEYS[role])
        if role == "tool":
            require_string(message, "tool_call_id")
        if role == "assistant" and message.get("content") is None:
            continue
        if "content" not in message:
            raise ApiError(
                400,
                f"Missing required parameter: '{where}.content'.",
                param=f"{where}.content",
                code="missing_required_parameter",
            )
        check_content(message["content"], role, f"{where}.content")


def _check_numbers(body: JsonObject) -> None:
    for name, (least, most) in RANGES.items():
        number = body.get(name)
        if number is None:
            continue
        if not isinstance(number, int | float) or isinstance(number, bool):
            raise wrong_type(name, "a decimal", number)
        if not least <= number <= most:
            raise ApiError(
                400,
                f"Invalid '{name}': must be between {least} and {most}.",
                param=name,
                code="invalid_value",
            )
    for name, highest in COUNTS.items():
        count = body.get(name)
        if count is None:
            continue
        if not isinstance(count, int) or isinstance(count, bool):
            raise wrong_type(name, "an integer", count)
        if count < 1 or (highest is not None and count > highest):
            raise ApiError(400, f"Invalid '{name}': {count} is out of range.", param=name, code="invalid_value")


def _check_response_format(response_format: Any, body: JsonObject) -> None:
    if not isinstance(response_format, dict):
        raise wrong_type("response_format", "an object", response_format)
    kind = require_choice(response_format, "type", ("text", "json_object", "json_schema"))
    refuse_unknown(response_format, ("type", "json_schema") if kind == "json_schema" else ("type",))
    if kind == "json_object" and "json" not in json.dumps(body["messages"]).lower():
        raise ApiError(
            400,
            "'messages' must contain the word 'json' in some form for a 'response_format' of 'json_object'.",
            param="messages",
        )
    if kind == "json_schema":
        _check_json_schema(response_format.get("json_schema"))


def _check_json_schema(json_schema: Any) -> None:
    where = "response_format.json_schema"
    if not isinstance(json_schema, dict):
        raise wrong_type(where, "an object", json_schema)
    refuse_unknown(json_schema, ("name", "description", "schema", "strict"))
    name = require_string(json_schema, "name")
    if not FORMAT_NAME.fullmatch(name):
        raise ApiError(
            400,
            f"Invalid '{where}.name': expected a string that matches the pattern '^[a-zA-Z0-9_-]{{1,64}}$'.",
            param=f"{where}.name",
            code="invalid_value",
        )
    strict = json_schema.get("strict")
    if strict is not None and not isinstance(strict, bool):
        raise wrong_type(f"{where}.strict", "a boolean", strict)
    schema = json_schema.get("schema")
    if not isinstance(schema, dict):
        raise wrong_type(f"{where}.schema", "an object", schema)
    if strict:
        fault = _strict_fault(json.dumps(schema))
        if fault is not None:
            raise ApiError(400, f"Invalid schema for response_format '{name}': {fault}", param="response_format")


@lru_cache(maxsize=256)
def _strict_fault(schema_text: str) -> str | None:
    """A batch repeats one schema on every line: it is checked once."""
    return strict_schema_fault(json.loads(schema_text))
