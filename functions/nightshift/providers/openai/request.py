"""A request in OpenAI's format: the body of a chat completion, alone or in a line of a batch's input file.

`{"custom_id", "method": "POST", "url", "body"}`, https://platform.openai.com/docs/guides/batch. The user's
words travel only as the content of a user message, and JSON escapes all that is not ASCII, so no input can end
the line, forge another or touch the instructions.
"""

import json
from typing import Any, Final

from nightshift.providers.request import Request
from nightshift.values.ids import custom_id_of

ENDPOINT: Final = "/v1/chat/completions"


def batch_line(request: Request) -> bytes:
    """The line of a batch's input file, without its newline."""
    line = {"custom_id": custom_id_of(request.job_id), "method": "POST", "url": ENDPOINT, "body": _body(request)}
    return _encoded(line)


def completion_body(request: Request) -> bytes:
    """The body of one call: https://platform.openai.com/docs/api-reference/chat/create."""
    return _encoded(_body(request))


def _body(request: Request) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if request.text:
        content.append({"type": "text", "text": request.text})
    if request.image:
        content.append({"type": "image_url", "image_url": {"url": request.image}})
    return {
        "model": request.model,
        "messages": [
            {"role": "system", "content": request.instructions},
            {"role": "user", "content": content},
        ],
        "max_completion_tokens": request.max_output_tokens,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": request.schema_name, "strict": True, "schema": request.schema},
        },
    }


def _encoded(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode("ascii")
