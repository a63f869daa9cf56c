"""A request in OpenAI's format: the body of a chat completion, alone or in a line of a batch's input file.

`{"custom_id", "method": "POST", "url", "body"}`, https://platform.openai.com/docs/guides/batch. The user's words travel
only as the content of a user message, and JSON escapes all that is not ASCII. So no input can end the line, forge
another or touch the instructions.
"""

from typing import Any, Final

from nightshift.providers.openai.embedding import EMBEDDINGS, embedding_body
from nightshift.providers.request import Request
from nightshift.values.compact_json import compact_json
from nightshift.values.ids import custom_id_of

ENDPOINT: Final = "/v1/chat/completions"


def batch_line(request: Request, *, is_strict: bool = True) -> bytes:
    """The line of a batch's input file, without its newline."""
    fields = {"custom_id": custom_id_of(request.job_id), "method": "POST", "url": endpoint_of(request)}
    return compact_json({**fields, "body": _body(request, is_strict=is_strict)})


def request_body(request: Request, *, is_strict: bool = True) -> bytes:
    """The body of one call: https://platform.openai.com/docs/api-reference/chat/create, or of one for a vector."""
    return compact_json(_body(request, is_strict=is_strict))


def endpoint_of(request: Request) -> str:
    """The API that answers it."""
    return ENDPOINT if request.dimensions is None else EMBEDDINGS


def _body(request: Request, *, is_strict: bool) -> dict[str, Any]:
    is_vector = request.dimensions is not None
    return embedding_body(request) if is_vector else completion_body(request, is_strict=is_strict)


def completion_body(request: Request, *, is_strict: bool = True) -> dict[str, Any]:
    """What a chat completion is asked by.

    Args:
        is_strict: the model keeps to the schema by force; else as well as it can.
    """
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
            "json_schema": {"name": request.schema_name, "strict": is_strict, "schema": request.schema},
        },
    }
