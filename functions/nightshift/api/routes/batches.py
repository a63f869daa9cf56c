"""Batches, for admins: list, look, stop.

A stop is recorded on the batch, and a worker is called, which asks the provider. Should the message be lost, the next
tick finds the wish on the batch.
"""

from collections.abc import Mapping
from typing import Any, Final

from google.cloud.firestore import FieldFilter

from nightshift.api.cursors import page_of
from nightshift.api.route import ApiCall, ApiRoute
from nightshift.api.routes import bulk
from nightshift.api.routes.jobs import page_of_jobs
from nightshift.api.shapes.batches import (
    BatchesAsked,
    BatchOrBulkJob,
    BatchPage,
    BatchView,
    EndCounts,
    StepTrouble,
    StopAccepted,
)
from nightshift.api.shapes.common import PageAsked
from nightshift.api.shapes.jobs import JobPage
from nightshift.batches import documents as batches
from nightshift.batches.advance import request_stop
from nightshift.batches.batch import OPEN, Batch
from nightshift.batches.messages import call_to_advance
from nightshift.database.collections import BATCHES
from nightshift.database.commits import READ
from nightshift.database.fields import time_or_none
from nightshift.errors import HttpError, LeaseHeld
from nightshift.jobs.documents import jobs_where
from nightshift.jobs.fallback import may_leave
from nightshift.runtime import Runtime
from nightshift.values.ids import names_a_document
from nightshift.values.outcome import Stop

_NO_BATCH: Final = {404: "There is no such batch."}
_STOPS: Final = {**_NO_BATCH, 409: "The batch has ended at the provider, or is held by another process now."}


async def list_all(call: ApiCall) -> BatchPage:
    """List batches, the newest first; with `open=true`, those that still have a step before them, the oldest first."""
    asked: BatchesAsked = call.query
    if asked.open and asked.status:
        raise HttpError(400, "invalid_request", "Name open or status, not both.")
    return await _list(call, is_open=asked.open is True, status=asked.status)


async def list_active(call: ApiCall) -> BatchPage:
    """List the open batches: `GET /batches?open=true`, under the path of an older service."""
    return await _list(call, is_open=True)


async def _list(call: ApiCall, *, is_open: bool, status: str | None = None) -> BatchPage:
    asked: PageAsked = call.query
    query: Any = call.runtime.firestore.collection(BATCHES)
    if is_open:
        query = query.where(filter=FieldFilter("status", "in", list(OPEN)))
    if status:
        query = query.where(filter=FieldFilter("status", "==", status))
    page, token = await page_of(query, asked.pageSize, asked.pageToken, by="createdAt", newest_first=not is_open)
    documents = ((found.id, found.to_dict() or {}) for found in page)
    read = ((fields, batches.readable(batch_id, fields)) for batch_id, fields in documents)
    return BatchPage(batches=[view_of(fields, batch) for fields, batch in read if batch], nextPageToken=token)


async def look(call: ApiCall) -> BatchOrBulkJob:
    """Look at one batch. The id of a bulk job is answered to its owner."""
    batch_id = call.path["id"]
    if call.caller and not call.caller.claims_admin:
        return await _own_bulk_job(call)
    snapshot = await _snapshot(call.runtime, batch_id)
    batch = batches.readable(batch_id, snapshot.to_dict() or {}) if snapshot and snapshot.exists else None
    return BatchOrBulkJob(view_of(snapshot.to_dict() or {}, batch)) if batch else await _own_bulk_job(call)


async def _snapshot(runtime: Runtime, batch_id: str) -> Any:
    if not names_a_document(batch_id):
        return None
    return await runtime.firestore.collection(BATCHES).document(batch_id).get(**READ)


async def _own_bulk_job(call: ApiCall) -> BatchOrBulkJob:
    """The caller's bulk job of the path. Of any other id a user hears no more than that it is an admin's."""
    try:
        return BatchOrBulkJob(await bulk.look(call))
    except HttpError as error:
        if call.caller and call.caller.claims_admin:
            raise _none() from None
        raise HttpError(403, "permission_denied", "This needs the custom claim admin.") from error


async def cancel(call: ApiCall) -> StopAccepted:
    """Stop a batch. What the provider answered by then is kept and paid for; the rest is cancelled and refunded."""
    return await _stop(call, "cancel")


async def retry(call: ApiCall) -> StopAccepted:
    """Stop a batch, and send what it has not answered in another one; no attempt is spent."""
    return await _stop(call, "retry")


async def move(call: ApiCall) -> StopAccepted:
    """Stop a batch, and let the fallback lane answer what it has not answered; no attempt is spent."""
    runtime, batch_id = call.runtime, call.path["id"]
    batch = await batches.read(runtime, batch_id) if names_a_document(batch_id) else None
    if batch and not may_leave(runtime, batch.lane, has_keys=False):
        raise HttpError(409, "no_fallback", "NIGHTSHIFT_FALLBACK_MODEL names no other lane for these jobs.")
    return await _stop(call, "move")


async def jobs_of(call: ApiCall) -> JobPage:
    """List the jobs that are in a batch, or were when it ended. Those that left it for another batch are not there."""
    asked: PageAsked = call.query
    query = jobs_where(call.runtime, batchId=call.path["id"])
    return await page_of_jobs(query, asked.pageSize, asked.pageToken)


async def _stop(call: ApiCall, wish: Stop) -> StopAccepted:
    runtime, batch_id = call.runtime, call.path["id"]
    batch = await batches.read(runtime, batch_id) if names_a_document(batch_id) else None
    if batch is None:
        raise _none()
    if not batch.is_stoppable:
        raise HttpError(409, "already_ended", f"The batch has ended: it is {batch.status}.")
    try:
        await request_stop(runtime, batch_id, wish)
    except LeaseHeld:
        again = {"Retry-After": "2"}
        raise HttpError(409, "batch_busy", "Another process is at work on the batch; try again.", again) from None
    await call_to_advance(runtime, batch_id)
    return StopAccepted(id=batch_id, stop=wish)


def _trouble(batch: Batch) -> StepTrouble | None:
    error = batch.last_error
    if error is None:
        return None
    return StepTrouble(reason=error.reason, needsOperator=error.needs_operator, since=error.since)


def _none() -> HttpError:
    return HttpError(404, "not_found", "There is no such batch.")


def view_of(fields: Mapping[str, Any], batch: Batch) -> BatchView:
    """A batch as the API shows it, of its document's fields."""

    def usd(name: str) -> float | None:
        amount = fields.get(name)
        return float(amount) if isinstance(amount, int | float) else None

    return BatchView(
        id=batch.batch_id,
        lane=str(batch.lane),
        status=batch.status,
        jobs=batch.job_count,
        remoteId=batch.remote_id,
        stop=batch.stop,
        trouble=batch.trouble.value if batch.trouble else None,
        errorCode=batch.error_code,
        errorMessage=message if isinstance(message := fields.get("errorMessage"), str) else None,
        lastError=_trouble(batch),
        bulkId=batch.source.bulk_id if batch.source else None,
        counts=None if batch.is_open else EndCounts(**batch.counts.fields()),
        estimatedUsd=batch.budget_usd if batch.is_open else None,
        costUsd=usd("costUsd"),
        realtimeCostUsd=usd("realtimeCostUsd"),
        createdAt=batch.created_at,
        submittedAt=batch.submitted_at,
        endedAt=batch.ended_at,
        completedAt=time_or_none(fields.get("completedAt")),
    )


ROUTES: Final = (
    ApiRoute(
        method="GET",
        path="/batches",
        who="admin",
        handler=list_all,
        query=BatchesAsked,
        answer=BatchPage,
        is_polled=True,
    ),
    ApiRoute(method="GET", path="/batch/active", who="admin", handler=list_active, query=PageAsked, answer=BatchPage),
    ApiRoute(
        method="GET",
        path="/batches/{id}",
        who="admin",
        handler=look,
        answer=BatchOrBulkJob,
        is_polled=True,
        admits_owner=True,
        errors=_NO_BATCH,
        aliases=("/batch/status/{id}", "/batch/results/{id}"),
    ),
    *(
        ApiRoute(
            method="POST",
            path=f"/batches/{{id}}/{wish}",
            who="admin",
            handler=handler,
            answer=StopAccepted,
            status=202,
            errors=_STOPS,
        )
        for wish, handler in (("cancel", cancel), ("retry", retry), ("move", move))
    ),
    ApiRoute(method="GET", path="/batches/{id}/jobs", who="admin", handler=jobs_of, query=PageAsked, answer=JobPage),
)
