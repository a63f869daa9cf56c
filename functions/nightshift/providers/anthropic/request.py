"""A request in Anthropic's format: the parameters of a message, alone or in a batch.

`{"custom_id", "params"}`, https://platform.claude.com/docs/en/api/creating-message-batches. The user's words travel
only as the content of a user message, and JSON escapes all that is not ASCII. So no input can end the line, forge
another or touch the instructions.
"""

import re
from typing import Any, Final

from nightshift.providers.anthropic.schema import accepted
from nightshift.providers.http_api import sendable
from nightshift.providers.request import Request
from nightshift.values.compact_json import compact_json
from nightshift.values.ids import custom_id_of

_DATA_URL: Final = re.compile(r"data:([a-z/]+);base64,")


def batch_line(request: Request) -> bytes:
    """The line of a batch's requests, without its newline."""
    return compact_json({"custom_id": custom_id_of(request.job_id), "params": _params(request)})


def message_body(request: Request) -> bytes:
    """The body of one call: https://platform.claude.com/docs/en/api/messages."""
    return compact_json(_params(request))


def _params(request: Request) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    # An image is understood best before the text that is about it.
    if request.image:
        content.append({"type": "image", "source": _source(request.image)})
    # A text of blanks is refused.
    if request.text and request.text.strip():
        content.append({"type": "text", "text": sendable(request.text)})
    return {
        "model": request.model,
        "max_tokens": request.max_output_tokens,
        "system": request.instructions,
        "messages": [{"role": "user", "content": content}],
        "output_config": {"format": {"type": "json_schema", "schema": accepted(request.schema)}},
    }


def _source(address: str) -> dict[str, str]:
    data = _DATA_URL.match(address)
    if data is None:
        return {"type": "url", "url": address}
    return {"type": "base64", "media_type": data[1], "data": address[data.end() :]}
