"""What the body of `generateContent` must be, as far as this server answers such requests."""

import base64
import binascii
from typing import Any

from local.provider_server.arguments import refuse_unknown
from local.provider_server.errors import ApiError, JsonObject

ARGUMENTS = frozenset(
    {
        *("contents", "systemInstruction", "generationConfig", "safetySettings", "tools", "toolConfig", "model"),
        *("cachedContent", "serviceTier", "labels"),
    }
)
EMBED_ARGUMENTS = frozenset({"content", "outputDimensionality", "taskType", "title", "model"})
# Of gemini-embedding-001: https://ai.google.dev/gemini-api/docs/embeddings
MOST_DIMENSIONS = 3_072
PARTS = frozenset({"text", "inlineData", "fileData"})
VIDEO_TYPES = ("video/mp4", "video/mov", "video/quicktime", "video/webm")
IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp", "image/heic", "image/heif")


def check_content(body: Any) -> None:
    """Raise ApiError (400) if the API would refuse it."""
    if not isinstance(body, dict):
        raise ApiError(400, "Invalid JSON payload received.")
    refuse_unknown(body, ARGUMENTS)
    contents = body.get("contents")
    if not isinstance(contents, list) or not contents:
        raise ApiError(400, "* GenerateContentRequest.contents: contents is not specified")
    for place, content in enumerate(contents):
        parts = content.get("parts") if isinstance(content, dict) else None
        if not isinstance(parts, list) or not parts:
            raise ApiError(400, f"* GenerateContentRequest.contents[{place}].parts: contents.parts must not be empty.")
        for part in parts:
            _check_part(part)
    config = body.get("generationConfig") or {}
    has_schema = "responseJsonSchema" in config or "responseSchema" in config
    if has_schema and config.get("responseMimeType") != "application/json":
        raise ApiError(400, "response_schema is only supported with response_mime_type application/json")


def check_embedding(body: Any) -> str:
    """The text of which `embedContent` is to give the vector. Raises ApiError (400) if the API would refuse it."""
    if not isinstance(body, dict):
        raise ApiError(400, "Invalid JSON payload received.")
    refuse_unknown(body, EMBED_ARGUMENTS)
    parts = (body.get("content") or {}).get("parts")
    texts = [part.get("text") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise ApiError(400, "* EmbedContentRequest.content: content is empty")
    dimensions = body.get("outputDimensionality", MOST_DIMENSIONS)
    if not isinstance(dimensions, int) or not 1 <= dimensions <= MOST_DIMENSIONS:
        raise ApiError(400, f"output_dimensionality has to be from 1 to {MOST_DIMENSIONS}.")
    return "\n".join(map(str, texts))


def parts_of(body: JsonObject) -> list[JsonObject]:
    """All parts of the user's contents."""
    return [part for content in body["contents"] if content.get("role", "user") == "user" for part in content["parts"]]


def user_text(body: JsonObject) -> str:
    """All text of the user's contents."""
    return "\n".join(part["text"] for part in parts_of(body) if "text" in part)


def _check_part(part: Any) -> None:
    if not isinstance(part, dict) or not part.keys() & PARTS:
        raise ApiError(400, "A part has to hold text, inlineData or fileData.")
    inline = part.get("inlineData")
    if inline is not None:
        if inline.get("mimeType") not in IMAGE_TYPES + VIDEO_TYPES:
            raise ApiError(400, f"Unsupported MIME type: {inline.get('mimeType')}")
        try:
            base64.b64decode(inline.get("data", ""), validate=True)
        except (binascii.Error, TypeError):
            raise ApiError(400, "Unable to process input image.") from None
    linked = part.get("fileData")
    if linked is not None and not str(linked.get("fileUri")).startswith("https://"):
        raise ApiError(400, f"Invalid or unsupported file uri: {linked.get('fileUri')}")
