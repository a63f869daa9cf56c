"""xAI's batches and results, read as our own: https://docs.x.ai/docs/guides/batch-api.

A batch has no status. It has counters, and the time at which it was cancelled:

| it says | it is |
|---|---|
| `cancel_by_xai_message` | failed: xAI rejected its input, and all counters stay 0 |
| `cancel_time`, and requests are pending | being stopped |
| `cancel_time`, and none is | cancelled |
| no request | still being read, and not completed |
| requests are pending | under way; after `expire_time`, expired |
| none of some is pending | completed |

A result is `{"batch_request_id", "batch_result": {"response": {"chat_get_completion": {…}}}}`, or has an `error`
`{"code", "message"}` in the response's place. Nothing in it is trusted.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from nightshift.providers.base import RemoteBatch, loggable_code
from nightshift.providers.openai.result import read_answer
from nightshift.providers.result_line import ResultLine
from nightshift.providers.xai.codes import trouble_of_error, trouble_of_rejection
from nightshift.values.ids import job_id_of
from nightshift.values.outcome import Outcome
from nightshift.values.usage import Usage, count_of

_STAMP: Final = "nightshift"
_REJECTED: Final = "rejected_by_xai"


def stamp(project: str, batch_id: str) -> str:
    """The name of our batch: whose it is, and which. Two projects may share an account."""
    return f"{_STAMP}.{project}.{batch_id}"


def read_batch(fields: Any, project: str, now: datetime) -> RemoteBatch:
    """A batch as xAI describes it. Raises ValueError for anything else."""
    fields = _object(fields)
    remote_id = fields.get("batch_id")
    if not isinstance(remote_id, str) or not remote_id:
        raise ValueError("it has no id")
    message = _text(fields.get("cancel_by_xai_message"))
    state = _object(fields.get("state"))
    requests, pending = count_of(state.get("num_requests")), count_of(state.get("num_pending"))
    outcome = _outcome(fields, message, requests, pending, now)
    name, ours = _text(fields.get("name")), stamp(project, "")
    return RemoteBatch(
        remote_id=remote_id,
        batch_id=name.removeprefix(ours) if name.startswith(ours) else None,
        requests=requests or None,
        # Only the day, which orders nothing.
        created_at=None,
        outcome=outcome,
        output_file_id=source_of(remote_id) if outcome and not message else None,
        error_file_id=None,
        completed=count_of(state.get("num_success")),
        usage=None,
        error_code=_REJECTED if message else None,
        error_message=message,
        trouble=trouble_of_rejection(message) if message else None,
        is_cancelling=outcome is None and bool(fields.get("cancel_time")),
    )


def _outcome(fields: Mapping[str, Any], message: str, requests: int, pending: int, now: datetime) -> Outcome | None:
    if message:
        return "failed"
    if fields.get("cancel_time") and not pending:
        return "cancelled"
    expires_at = _time(fields.get("expire_time"))
    if expires_at and expires_at <= now:
        return "expired"
    return None if pending or not requests else "completed"


def source_of(remote_id: str) -> str:
    """Where a batch's results are: the batch itself has them, page by page."""
    return f"results:{remote_id}"


def batch_of(source: str) -> str | None:
    """The batch whose results it names; None for a file."""
    return source.partition(":")[2] if source.startswith("results:") else None


def read_result(fields: Any) -> ResultLine | None:
    """One result; None if it names no job of ours."""
    fields = _object(fields)
    custom_id = fields.get("batch_request_id")
    job_id = job_id_of(custom_id) if isinstance(custom_id, str) else None
    if job_id is None:
        return None
    result = _object(fields.get("batch_result"))
    responses = list(_object(result.get("response")).values())
    if responses:
        return read_completion(job_id, responses[0])
    error = result.get("error") or {"message": fields.get("error_message")}
    code = str(_object(error).get("code") or "")
    return ResultLine(job_id=job_id, trouble=trouble_of_error(error), code=loggable_code(code) if code else "")


def read_completion(job_id: str, body: Any) -> ResultLine:
    """A chat completion. Its reasoning is not among its completion tokens: what is not input is output."""
    line = read_answer(job_id, body)
    usage = _object(_object(body).get("usage"))
    total = count_of(usage.get("total_tokens"))
    output = max(line.usage.output_tokens, total - line.usage.input_tokens)
    return replace(
        line,
        usage=Usage.counted(
            input_tokens=line.usage.input_tokens,
            output_tokens=output,
            cached_input_tokens=line.usage.cached_input_tokens,
        ),
    )


def _time(text: Any) -> datetime | None:
    """A time, or the end of the day that a bare date names."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    if len(text) == len("2026-11-28"):
        moment = moment.replace(hour=23, minute=59, second=59)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _text(field: Any) -> str:
    return field if isinstance(field, str) else ""


def _object(field: Any) -> Mapping[str, Any]:
    return field if isinstance(field, Mapping) else {}
