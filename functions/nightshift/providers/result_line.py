"""A result line: what a provider's output or error file says of one job, in OpenAI's format.

`{"id", "custom_id", "response": {"status_code", "request_id", "body"} | null, "error": {"code", "message"} |
null}`. Nothing in it is trusted: it may be no JSON, name no job of ours, or hold an answer that is not what was
asked for.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from nightshift.job_types.base import JobResult, JobType, reasons
from nightshift.values.ids import job_id_of
from nightshift.values.usage import NOTHING_USED, Usage

# A passing trouble of the provider's: the same request may succeed next time.
_PASSING_STATUS: Final = frozenset({401, 403, 408, 409, 425, 429})


@dataclass(frozen=True, kw_only=True)
class ResultLine:
    """A line that names one of our jobs. `response` and `error` are as the provider wrote them."""

    job_id: str
    response: Mapping[str, Any] | None
    error: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A validated answer."""

    result: JobResult
    usage: Usage


@dataclass(frozen=True, kw_only=True)
class NoAnswer:
    """Why a job has none: `error_code` and `message` become the job's own if it fails for good."""

    error_code: str
    message: str
    # Whether the same request may get an answer next time.
    retryable: bool
    usage: Usage = NOTHING_USED


def parse_result_line(line: bytes) -> ResultLine | None:
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
    response, error = fields.get("response"), fields.get("error")
    return ResultLine(
        job_id=job_id,
        response=response if isinstance(response, dict) else None,
        error=error if isinstance(error, dict) else None,
    )


def usage_of(line: ResultLine) -> Usage:
    """The tokens that the provider counted for this line."""
    usage = (_object(line.response, "body") or {}).get("usage")
    if not isinstance(usage, dict):
        return Usage()
    return Usage.counted(
        input_tokens=usage.get("prompt_tokens"),
        output_tokens=usage.get("completion_tokens"),
        cached_input_tokens=(_object(usage, "prompt_tokens_details") or {}).get("cached_tokens"),
    )


def answer_of(line: ResultLine, job_type: JobType[Any]) -> Answer | NoAnswer:
    """Judge one line: a validated answer, or why there is none and whether to ask again."""
    if line.response is None:
        code = (line.error or {}).get("code")
        if code == "batch_expired":
            return NoAnswer(
                error_code="batch_expired", message="The provider did not get to it in time.", retryable=True
            )
        if code == "batch_cancelled":
            return NoAnswer(error_code="batch_failed", message="The provider's batch was cancelled.", retryable=True)
        return NoAnswer(error_code="provider_rejected", message="The provider could not process it.", retryable=True)
    status = line.response.get("status_code")
    if status != 200:
        passing = not isinstance(status, int) or status >= 500 or status in _PASSING_STATUS
        return NoAnswer(error_code="provider_rejected", message="The provider rejected the request.", retryable=passing)
    return _judge_completion(line, job_type)


def _judge_completion(line: ResultLine, job_type: JobType[Any]) -> Answer | NoAnswer:
    usage = usage_of(line)
    choices = (_object(line.response, "body") or {}).get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    message = _object(choice, "message") or {}
    finish_reason = choice.get("finish_reason")
    if message.get("refusal") or finish_reason == "content_filter":
        return NoAnswer(
            error_code="provider_refused",
            message="The AI declined to answer this.",
            retryable=False,
            usage=usage,
        )
    if finish_reason == "length":
        return NoAnswer(
            error_code="result_invalid", message="The AI's answer was cut off.", retryable=True, usage=usage
        )
    content = message.get("content")
    if not isinstance(content, str):
        return NoAnswer(error_code="result_invalid", message="The AI's answer was empty.", retryable=True, usage=usage)
    try:
        return Answer(result=job_type.check_result(content), usage=usage)
    except ValidationError as invalid:
        return NoAnswer(
            error_code="result_invalid",
            message=f"The AI's answer was not what was asked for: {reasons(invalid)}.",
            retryable=True,
            usage=usage,
        )


def _object(parent: Mapping[str, Any] | None, key: str) -> Mapping[str, Any] | None:
    child = (parent or {}).get(key)
    return child if isinstance(child, dict) else None
