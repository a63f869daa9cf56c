"""What a result line is worth: a validated answer to its job, or the reason why it has no answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from nightshift.job_types.base import JobResult, JobType, reasons
from nightshift.providers.result_line import ResultLine
from nightshift.values.texts import Text
from nightshift.values.trouble import Trouble
from nightshift.values.usage import NOTHING_USED, Usage


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
    # Why exactly, for the log: our own words.
    reason: str
    # It decides whether the job is asked for again, and at whose expense.
    trouble: Trouble
    usage: Usage = NOTHING_USED


_REJECTED: Final = ("provider_rejected", Text.NOT_ACCEPTED)
_UNREACHED: Final = ("provider_rejected", Text.NOT_PROCESSED)
_NOT_RUN: Final = ("batch_failed", Text.NOT_PROCESSED)
_TOLD: Final[Mapping[Trouble, tuple[str, Text]]] = {
    Trouble.POLICY: ("provider_refused", Text.DECLINED),
    Trouble.IMAGE_UNREADABLE: ("invalid_input", Text.AI_CANNOT_READ_PHOTO),
    Trouble.IMAGE_NOT_FETCHED: ("invalid_input", Text.AI_CANNOT_FETCH_PHOTO),
    Trouble.TOO_LONG: ("provider_rejected", Text.TOO_LONG_FOR_AI),
    Trouble.REJECTED: _REJECTED,
    Trouble.LEFT_OUT: ("result_missing", Text.NO_ANSWER),
    Trouble.EXPIRED: ("batch_expired", Text.NOT_IN_TIME),
    Trouble.STOPPED: ("batch_failed", Text.STOPPED),
}


_UNKNOWN: Final[Mapping[str, Any]] = {}


def answer_of(line: ResultLine, job_type: JobType[Any], job_input: Mapping[str, Any] = _UNKNOWN) -> Answer | NoAnswer:
    """Judge one line: a validated answer, or why it has no answer.

    Args:
        job_input: of the job's input at least the fields by which its type judges answers.
    """
    if line.trouble:
        return no_answer(line.trouble, line.usage)
    if line.stop == "refusal":
        return no_answer(Trouble.POLICY, line.usage)
    if line.stop == "length":
        return _invalid(line, Text.ANSWER_CUT_OFF)
    if line.text is None:
        return _invalid(line, Text.ANSWER_EMPTY)
    try:
        result = job_type.check_result(line.text)
        fault = job_type.fault(job_input, result)
        return _invalid(line, Text.ANSWER_UNUSABLE, fault) if fault else Answer(result=result, usage=line.usage)
    except ValidationError as invalid:
        return _invalid(line, Text.ANSWER_UNUSABLE, reasons(invalid, job_type.result_model))


def no_answer(trouble: Trouble, usage: Usage = NOTHING_USED) -> NoAnswer:
    """What a user reads of a trouble that one request met."""
    error_code, text = _TOLD.get(trouble, _UNREACHED)
    return NoAnswer(error_code=error_code, message=text.say(), reason=trouble.value, trouble=trouble, usage=usage)


def not_run(trouble: Trouble) -> NoAnswer:
    """What a user reads of a trouble that a whole batch met, before any of its requests was answered."""
    error_code, text = _NOT_RUN
    return NoAnswer(error_code=error_code, message=text.say(), reason=trouble.value, trouble=trouble)


def _invalid(line: ResultLine, text: Text, reason: str | None = None) -> NoAnswer:
    said = text.say()
    return NoAnswer(
        error_code="result_invalid",
        message=said,
        reason=reason or said,
        trouble=Trouble.ANSWER_INVALID,
        usage=line.usage,
    )
