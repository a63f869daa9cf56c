"""What the parameters of a message must be, as far as this server answers such requests.

What the API refuses is refused here: unknown arguments, no `max_tokens`, sampling parameters, which the pinned version
has no more, and a schema with keywords that structured outputs do not know.
"""

import base64
import binascii
from typing import Any

from local.provider_server.arguments import refuse_unknown, require_choice, require_string
from local.provider_server.errors import ApiError, JsonObject

ARGUMENTS = frozenset(
    {
        *("model", "max_tokens", "messages", "system", "metadata", "output_config", "service_tier", "stop_sequences"),
        *("stream", "thinking", "tools", "tool_choice"),
    }
)
BLOCKS = ("text", "image")
SOURCES = {"base64": ("type", "media_type", "data"), "url": ("type", "url")}
IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
# https://platform.claude.com/docs/en/build-with-claude/structured-outputs
KEYWORDS = frozenset(
    {
        *("type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "allOf"),
        *("$ref", "$defs", "title", "description", "format", "minItems"),
    }
)


def check_message(body: Any) -> None:
    """Raise ApiError (400) if the API would refuse these parameters."""
    if not isinstance(body, dict):
        raise ApiError(400, "The request body is not a JSON object.")
    refuse_unknown(body, ARGUMENTS)
    require_string(body, "model")
    most = body.get("max_tokens")
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise ApiError(400, "max_tokens: Field required")
    if body.get("stream"):
        raise ApiError(400, "stream: this server does not stream")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ApiError(400, "messages: at least one message is required")
    for place, message in enumerate(messages):
        _check_turn(message, f"messages.{place}")
    config = body.get("output_config")
    if config is not None:
        form = config.get("format") if isinstance(config, dict) else None
        if not isinstance(form, dict) or form.get("type") != "json_schema" or not isinstance(form.get("schema"), dict):
            raise ApiError(400, "output_config.format: expected a json_schema")
        check_schema(form["schema"])


def check_schema(schema: Any) -> None:
    """Raise ApiError (400) for what structured outputs do not take."""
    if not isinstance(schema, dict):
        raise ApiError(400, "output_config.format.schema: expected an object")
    for keyword in schema.keys() - KEYWORDS:
        kind = schema.get("type", "schema")
        raise ApiError(400, f"output_config.format.schema: For '{kind}' type, property '{keyword}' is not supported")
    if schema.get("minItems", 0) not in {0, 1}:
        raise ApiError(400, "output_config.format.schema: For 'array' type, 'minItems' values other than 0 or 1")
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        raise ApiError(400, "output_config.format.schema: For 'object' type, 'additionalProperties' must be false")
    for name in ("properties", "$defs"):
        for one in schema.get(name, {}).values():
            check_schema(one)
    for one in [*schema.get("anyOf", []), *schema.get("allOf", []), *([schema["items"]] if "items" in schema else [])]:
        check_schema(one)


def blocks_of(message: JsonObject) -> list[JsonObject]:
    """The content of a message as blocks; a string is one text block."""
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def user_text(body: JsonObject) -> str:
    """All text of the user's messages."""
    blocks = (block for turn in body["messages"] if turn["role"] == "user" for block in blocks_of(turn))
    return "\n".join(block["text"] for block in blocks if block["type"] == "text")


def _check_turn(message: Any, where: str) -> None:
    if not isinstance(message, dict):
        raise ApiError(400, f"{where}: expected an object")
    refuse_unknown(message, ("role", "content"))
    require_choice(message, "role", ("user", "assistant"))
    content = message.get("content")
    if isinstance(content, str) and content:
        return
    if not isinstance(content, list) or not content:
        raise ApiError(400, f"{where}.content: at least one block is required")
    for block in content:
        if not isinstance(block, dict) or block.get("type") not in BLOCKS:
            raise ApiError(400, f"{where}.content: unknown block")
        if block["type"] == "text" and not str(block.get("text") or "").strip():
            raise ApiError(400, f"{where}: text content blocks must be non-empty")
        if block["type"] == "image":
            _check_image(block.get("source"), where)


def _check_image(source: Any, where: str) -> None:
    kind = source.get("type") if isinstance(source, dict) else None
    if kind not in SOURCES:
        raise ApiError(400, f"{where}.image.source: expected base64 or url")
    refuse_unknown(source, SOURCES[kind])
    if kind == "url":
        if not str(source.get("url")).startswith("https://"):
            raise ApiError(400, f"{where}.image.source.url: Only HTTPS URLs are supported.")
        return
    if source.get("media_type") not in IMAGE_TYPES:
        raise ApiError(400, f"{where}.image.source.media_type: unknown image type")
    try:
        base64.b64decode(source.get("data", ""), validate=True)
    except (binascii.Error, TypeError):
        raise ApiError(400, f"{where}.image.source.data: Could not process image") from None
