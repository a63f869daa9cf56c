"""`POST openaiWebhook`: the provider says that a batch has ended, so that nobody has to wait for the tick.

An event is a hint where to look, never the truth: what became of the batch is asked of the provider. So events may be
repeated, late, out of order or contradict each other; the worst that they do is to make us look in vain.

A lost event loses nothing either, for the tick looks at every open batch.

What is believed is the signature over the body's very bytes, which the SDK compares in constant time. So nothing hangs
on the content type that the sender gives them, and none is asked for.
"""

import time
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from structlog.contextvars import bind_contextvars

from nightshift.api.limits import check_is_json, read_body
from nightshift.batches import documents as batches
from nightshift.batches import messages, webhooks
from nightshift.batches.advance import advance
from nightshift.batches.batch import Batch
from nightshift.batches.listing import ProviderListing
from nightshift.errors import EventUnreadable, HttpError, LeaseHeld, NeverLands, TryLater
from nightshift.log import left_to_the_next_tick, where_raised
from nightshift.providers.base import ProviderGone, ProviderRefusal, RemoteBatch, SignatureInvalid, WebhookEvent
from nightshift.runtime import Runtime
from nightshift.values.ids import names_a_document

log = structlog.get_logger()

# Whose events come to this address.
_PROVIDER: Final = "openai"

# An event has some 300 bytes.
_MOST_BYTES: Final = 64 * 1024
# As the SDK has it, by the same clock.
_TOLERANCE_SECONDS: Final = 300
# The provider wants its answer soon. To ingest and settle so many jobs takes under a second (0.9 s on the emulators).
_MOST_JOBS_IN_PLACE: Final = 200


async def take_event(runtime: Runtime, request: Request) -> Response:
    """Advance the batch that the event names.

    Raises:
        HttpError: 415 for what calls itself no JSON, 413 for more than an event can be, 401 without a valid signature,
        400 for a part of an event and for what is signed and still none, 503 when the event should be sent again.
    """
    check_is_json(request)
    _check_headers(request)
    event = _event(runtime, await read_body(request, _MOST_BYTES, runtime.instance), request)
    if event.remote_id is None or await webhooks.was_dealt_with(runtime, event.event_id):
        return _dealt_with()
    bind_contextvars(remote_id=event.remote_id)
    try:
        await _look_at(runtime, event.remote_id)
    except TryLater as trouble:
        left_to_the_next_tick("webhook", trouble)
        raise HttpError(503, "unavailable", "Send the event again.") from trouble
    except NeverLands as impossible:
        # Sent again it would fail again, for three days; the tick says so, too.
        log.error("write_impossible", error=str(impossible), where=where_raised(impossible))
    await webhooks.record(runtime, event.event_id)
    return _dealt_with()


def _check_headers(request: Request) -> None:
    """Refuse what no signature can prove, whatever its body holds, before a byte of the body is read.

    Raises:
        HttpError: 401.
    """
    headers = request.headers
    sent_at = headers.get("webhook-timestamp", "")
    is_fresh = sent_at.isascii() and sent_at.isdecimal() and abs(time.time() - int(sent_at[:12])) <= _TOLERANCE_SECONDS
    if not is_fresh or "webhook-id" not in headers or not headers.get("webhook-signature"):
        log.warning("webhook_refused", reason="its headers prove nothing")
        raise HttpError(401, "unauthenticated", "The event has no valid signature.")


def _event(runtime: Runtime, body: bytes, request: Request) -> WebhookEvent:
    try:
        event = runtime.providers.named(_PROVIDER).ended_batch(body, request.headers)
    except SignatureInvalid as invalid:
        log.warning("webhook_refused", reason=str(invalid))
        raise HttpError(401, "unauthenticated", "The event has no valid signature.") from invalid
    except EventUnreadable as unreadable:
        log.error("event_unreadable", reason=str(unreadable))
        raise HttpError(400, "invalid_event", "The event cannot be read.") from unreadable
    if not names_a_document(event.event_id):
        raise HttpError(400, "invalid_event", "The event's id cannot be recorded.")
    return event


async def _look_at(runtime: Runtime, remote_id: str) -> None:
    batch = await batches.with_remote_id(runtime, remote_id)
    remote = None if batch else await _retrieved(runtime, remote_id)
    if remote and remote.batch_id:
        batch = await _without_remote_id(runtime, remote.batch_id)
    if batch is None:
        log.info("webhook_for_unknown_batch")
        return
    bind_contextvars(batch_id=batch.batch_id, lane=str(batch.lane))
    if batch.job_count > _MOST_JOBS_IN_PLACE and await messages.call_workers(runtime, batch.batch_id):
        return
    try:
        await advance(runtime, batch.batch_id, ProviderListing.only([remote] if remote else []))
    except LeaseHeld:
        # Whoever is at it may have looked a moment too early. A worker looks again, and comes again until it may.
        await messages.call_workers(runtime, batch.batch_id)


async def _retrieved(runtime: Runtime, remote_id: str) -> RemoteBatch | None:
    try:
        return await runtime.providers.named(_PROVIDER).retrieve(remote_id)
    except (ProviderGone, ProviderRefusal):
        return None


async def _without_remote_id(runtime: Runtime, batch_id: str) -> Batch | None:
    """The batch of ours that carries this stamp at the provider, if the answer that told us its id there was lost.

    Where another id is on record, the provider's batch is a double, and none of ours.
    """
    batch = await batches.read(runtime, batch_id) if batches.is_batch_id(batch_id) else None
    return batch if batch and batch.remote_id is None else None


def _dealt_with() -> Response:
    return JSONResponse({"received": True})
