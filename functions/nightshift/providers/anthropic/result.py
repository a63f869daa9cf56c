"""A result line in Anthropic's format, read as our own.

`{"custom_id", "result": {"type": "succeeded", "message"} | {"type": "errored", "error"} | {"type": "canceled"} |
{"type": "expired"}}`. Nothing in it is trusted: it may be no JSON, name no job of ours, or hold an answer that is not
what was asked for.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from nightshift.providers.anthropic.codes import trouble_of_line
from nightshift.providers.base import loggable_code
from nightshift.providers.fields import object_of
from nightshift.providers.result_line import ResultLine, Stop
from nightshift.values.ids import job_id_of
from nightshift.values.trouble import Trouble
from nightshift.values.usage import Usage, count_of

_STOPS: Final[Mapping[Any, Stop]] = {
    "end_turn": "end",
    "stop_sequence": "end",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
}


def read_line(line: bytes) -> ResultLine | None:
    """The line's job and what is said of it, or None for a line that names no job of ours."""
    try:
        fields = json.loads(line.decode("utf-8-sig", errors="replace"))
    except (ValueError, RecursionError):
        return None
    custom_id = object_of(fields).get("custom_id")
    job_id = job_id_of(custom_id) if isinstance(custom_id, str) else None
    if job_id is None:
        return None
    result = object_of(fields.get("result"))
    match result.get("type"):
        case "succeeded":
            return read_message(job_id, result.get("message"))
        case "canceled":
            return ResultLine(job_id=job_id, trouble=Trouble.STOPPED, code="canceled")
        case "expired":
            return ResultLine(job_id=job_id, trouble=Trouble.EXPIRED, code="expired")
        case _:
            trouble, code = trouble_of_line(result.get("error"))
            return ResultLine(job_id=job_id, trouble=trouble, code=loggable_code(code) if code else "")


def read_message(job_id: str, body: Any) -> ResultLine:
    """A message, in a line or in real time; any other body is the provider's trouble."""
    message = object_of(body)
    blocks = message.get("content")
    usage = _usage(message.get("usage"))
    if not isinstance(blocks, list):
        return ResultLine(job_id=job_id, trouble=Trouble.PROVIDER, code="no_message", usage=usage)
    texts = [block.get("text") for block in map(object_of, blocks) if block.get("type") == "text"]
    text = "".join(part for part in texts if isinstance(part, str))
    reason = message.get("stop_reason")
    stop: Stop = _STOPS.get(reason, "other") if isinstance(reason, str) else "other"
    return ResultLine(job_id=job_id, text=text if texts else None, stop=stop, usage=usage)


def _usage(counted: Any) -> Usage:
    """What a cache holds is counted beside the input there, and within it here."""
    usage = object_of(counted)
    cached = count_of(usage.get("cache_read_input_tokens"))
    whole = count_of(usage.get("input_tokens")) + count_of(usage.get("cache_creation_input_tokens")) + cached
    return Usage.counted(input_tokens=whole, output_tokens=usage.get("output_tokens"), cached_input_tokens=cached)
