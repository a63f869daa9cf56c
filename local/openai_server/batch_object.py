"""A batch as OpenAI's API shows it.

It leaves out what is not set, as the published schema wants it: no null where it says string.
"""

from dataclasses import asdict

from local.provider_server.batches import TERMINAL, Batch, Seen, Usage
from local.provider_server.errors import JsonObject


def shown(batch: Batch, seen: Seen) -> JsonObject:
    """What one read of the batch answers, with the lies that its fault asks for."""
    answer = batch_object(batch)
    if batch.status not in TERMINAL:
        return answer
    if seen.is_regressed:
        late = ("output_file_id", "error_file_id", "finalizing_at", f"{batch.status}_at")
        return {name: kept for name, kept in answer.items() if name not in late} | {"status": "in_progress"}
    if not seen.shows_output:
        answer.pop("output_file_id", None)
    if batch.fault.empty_error_file_id and not batch.error_file_id:
        answer["error_file_id"] = ""
    return answer


def batch_object(batch: Batch) -> JsonObject:
    """The API's batch object, as it truly is."""
    counts = {name: getattr(batch.request_counts, name) for name in ("total", "completed", "failed")}
    answer: JsonObject = {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "model": batch.model,
        "input_file_id": batch.input_file_id,
        "completion_window": batch.completion_window,
        "status": batch.status,
        "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id,
        "created_at": batch.created_at,
        "in_progress_at": batch.in_progress_at,
        "expires_at": batch.expires_at,
        "finalizing_at": batch.finalizing_at,
        "completed_at": batch.completed_at,
        "failed_at": batch.failed_at,
        "expired_at": batch.expired_at,
        "cancelling_at": batch.cancelling_at,
        "cancelled_at": batch.cancelled_at,
        "request_counts": counts,
        "usage": usage_object(batch.usage),
    }
    if batch.errors:
        answer["errors"] = {"object": "list", "data": [asdict(error) for error in batch.errors]}
    answer = {name: known for name, known in answer.items() if known is not None}
    answer["metadata"] = batch.metadata
    return answer


def usage_object(usage: Usage) -> JsonObject:
    """The API's usage object of a batch."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
