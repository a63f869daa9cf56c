"""A request line: one job as a line of a provider's input file, in OpenAI's format.

`{"custom_id", "method": "POST", "url", "body"}`, https://platform.openai.com/docs/guides/batch. The user's
words travel only as the content of a user message, and JSON escapes all that is not ASCII, so no input can end
the line, forge another or touch the instructions.
"""

import json
from dataclasses import dataclass
from typing import Any

from nightshift.job_types.base import JobInput, JobType
from nightshift.providers.estimate import image_tokens, text_tokens
from nightshift.values.ids import custom_id_of

# What an answer is expected to take of the bound that its job type sets, which has to hold for the longest.
_EXPECTED_SHARE_OF_OUTPUT = 0.25


@dataclass(frozen=True, kw_only=True)
class RequestLine:
    """A line without its newline, and the tokens that it is estimated to cost."""

    job_id: str
    line: bytes
    # Input tokens, as the provider's limits count them.
    estimated_tokens: int
    estimated_output_tokens: int


def chat_completion_body(
    job_type: JobType[Any], job_input: JobInput, image_url: str | None, model: str
) -> dict[str, Any]:
    """The body of one chat completion: https://platform.openai.com/docs/api-reference/chat/create.

    Args:
        image_url: where the provider finds the image: an https URL, or a data URL; None for a job without one.
    """
    content: list[dict[str, Any]] = []
    if job_input.text:
        content.append({"type": "text", "text": job_input.text})
    if image_url:
        content.append({"type": "image_url", "image_url": {"url": image_url}})
    return {
        "model": model,
        "messages": [
            {"role": "system", "content": job_type.instructions},
            {"role": "user", "content": content},
        ],
        "max_completion_tokens": job_type.max_output_tokens,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": job_type.name, "strict": True, "schema": job_type.schema()},
        },
    }


def request_line(
    job_id: str, job_type: JobType[Any], job_input: JobInput, image_url: str | None, endpoint: str, model: str
) -> RequestLine:
    """The line that asks for one job's answer."""
    body = chat_completion_body(job_type, job_input, image_url, model)
    request = {"custom_id": custom_id_of(job_id), "method": "POST", "url": endpoint, "body": body}
    texts = (job_type.instructions, job_input.text or "", json.dumps(body["response_format"]))
    return RequestLine(
        job_id=job_id,
        line=json.dumps(request, separators=(",", ":")).encode("ascii"),
        estimated_tokens=sum(map(text_tokens, texts)) + (image_tokens(model) if image_url else 0),
        estimated_output_tokens=int(job_type.max_output_tokens * _EXPECTED_SHARE_OF_OUTPUT),
    )
