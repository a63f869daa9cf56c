"""A result line in OpenAI's format, read as our own.

`{"id", "custom_id", "response": {"status_code", "request_id", "body"} | null, "error": {"code", "message"} |
null}`. Nothing in it is trusted: it may be no JSON, name no job of ours, or hold an answer that is not what was
asked for.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from nightshift.providers.base import loggable_code
from nightshift.providers.openai.codes import Complaint, trouble_of_answer, trouble_of_line
from nightshift.providers.openai.embedding import read_embedding
from nightshift.providers.result_line import ResultLine, Stop
from nightshift.values.ids import job_id_of
from nightshift.values.trouble import Trouble
from nightshift.values.usage import NOTHING_USED, Usage

_STOPS: Final[Mapping[Any, Stop]] = {"stop": "end", "length": "length", "content_filter": "refusal"}


def read_line(line: bytes) -> ResultLine | None:
    """The line's job and what is said of it, or None for a line that names no job of ours."""
    try:
        # A bad byte spoils the one character, not the line; a byte order mark before it spoils nothing.
        fields = json.loads(line.decode("utf-8-sig", errors="replace"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or not isinstance(fields.get("custom_id"), str):
        return None
    job_id = job_id_of(fields["custom_id"])
    if job_id is None:
        return None
    response = fields.get("response")
    if not isinstance(response, dict):
        complaint = Complaint.read(fields.get("error"))
        return ResultLine(job_id=job_id, trouble=trouble_of_line(complaint), code=_word(complaint.code))
    status = response.get("status_code")
    if status == 200:
        return read_answer(job_id, response.get("body"))
    complaint = Complaint.read(_object(response.get("body")).get("error") or fields.get("error"))
    return _refused(job_id, status, complaint, _usage(response.get("body")))


def read_answer(job_id: str, body: Any) -> ResultLine:
    """A chat completion or a vector, in a line or in real time; any other body is the provider's trouble."""
    return read_embedding(job_id, _object(body)) or _read_completion(job_id, body)


def _read_completion(job_id: str, body: Any) -> ResultLine:
    choices = _object(body).get("choices")
    if not isinstance(choices, list):
        return ResultLine(job_id=job_id, trouble=Trouble.PROVIDER, code="no_completion", usage=_usage(body))
    choice = _object(choices[0]) if choices else {}
    message = _object(choice.get("message"))
    reason, content = choice.get("finish_reason"), message.get("content")
    stop: Stop = _STOPS.get(reason, "other") if isinstance(reason, str) else "other"
    return ResultLine(
        job_id=job_id,
        text=content if isinstance(content, str) else None,
        stop="refusal" if message.get("refusal") else stop,
        usage=_usage(body),
    )


def _refused(job_id: str, status: Any, complaint: Complaint, usage: Usage = NOTHING_USED) -> ResultLine:
    """A request that was answered with an error."""
    return ResultLine(
        job_id=job_id, trouble=trouble_of_answer(status, complaint), code=_word(complaint.code), usage=usage
    )


def _word(code: str) -> str:
    return loggable_code(code) if code else ""


def _usage(body: Any) -> Usage:
    usage = _object(_object(body).get("usage"))
    return Usage.counted(
        input_tokens=usage.get("prompt_tokens"),
        output_tokens=usage.get("completion_tokens"),
        cached_input_tokens=_object(usage.get("prompt_tokens_details")).get("cached_tokens"),
    )


def _object(field: Any) -> Mapping[str, Any]:
    return field if isinstance(field, dict) else {}
