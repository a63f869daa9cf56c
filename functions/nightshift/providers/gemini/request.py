"""A request in Gemini's format: the body of `generateContent`, alone or in a line of a batch's input file.

`{"key", "request"}`, https://ai.google.dev/gemini-api/docs/batch-api. The user's words travel only as a part of the
user's content, and JSON escapes all that is not ASCII. So no input can end the line, forge another or touch the
instructions.

Answers of batches have come back under other requests' keys (googleapis/python-genai#1909). So in a batch the schema
has one more field, whose only value is the request's own id. The answer then names its question by itself.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from nightshift.providers.gemini.embedding import embedding_body
from nightshift.providers.http_api import sendable
from nightshift.providers.request import Request
from nightshift.values.compact_json import compact_json
from nightshift.values.ids import custom_id_of

# The field by which an answer proves to which request it belongs.
PROOF: Final = "requestId"
_DATA_URL: Final = re.compile(r"data:([a-z0-9/]+);base64,")
_TYPES: Final = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    # https://ai.google.dev/gemini-api/docs/video-understanding
    "mp4": "video/mp4",
    "mov": "video/mov",
    "webm": "video/webm",
}


def batch_line(request: Request) -> bytes:
    """The line of a batch's input file, without its newline."""
    custom_id = custom_id_of(request.job_id)
    if request.dimensions is not None:
        return compact_json({"key": custom_id, "request": embedding_body(request)})
    return compact_json({"key": custom_id, "request": _body(request, _proving(request.schema, custom_id))})


def content_body(request: Request) -> bytes:
    """The body of one call: https://ai.google.dev/api/generate-content, or of a vector: `embedding.py`."""
    is_vector = request.dimensions is not None
    return compact_json(embedding_body(request) if is_vector else _body(request, request.schema))


def _body(request: Request, schema: Mapping[str, Any]) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    parts += [_media_part(address) for address in (request.image, request.video) if address]
    if request.text:
        parts.append({"text": sendable(request.text)})
    return {
        "systemInstruction": {"parts": [{"text": request.instructions}]},
        "contents": [{"role": "user", "parts": parts}],
        "generationConfig": {
            "maxOutputTokens": request.max_output_tokens,
            "responseMimeType": "application/json",
            "responseJsonSchema": schema,
        },
    }


def _proving(schema: Mapping[str, Any], custom_id: str) -> dict[str, Any]:
    """The schema with the field that proves the request; the first, so that an answer cut short has it, too."""
    proof = {PROOF: {"type": "string", "enum": [custom_id]}}
    properties, required = schema.get("properties", {}), schema.get("required", [])
    return {**schema, "properties": {**proof, **properties}, "required": [PROOF, *required]}


def _media_part(address: str) -> dict[str, Any]:
    data = _DATA_URL.match(address)
    if data:
        return {"inlineData": {"mimeType": data[1], "data": address[data.end() :]}}
    kind = _TYPES.get(urlsplit(address).path.rpartition(".")[2].lower())
    return {"fileData": {"fileUri": address, **({"mimeType": kind} if kind else {})}}
