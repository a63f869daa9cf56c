"""Nightshift's functions, in the order of a job's journey. Each parses, calls, and maps the error; nothing else.

A function answers 2xx when the event is dealt with for good, and 5xx (by raising) when it must be delivered again.
Whatever it raises ends in `guarded`, which logs it without its text. What is bound here is on every event of the call.
"""

import os

import functions_framework.aio as functions
from cloudevents.http import CloudEvent
from starlette.requests import Request
from starlette.responses import Response
from structlog.contextvars import bind_contextvars

from nightshift import log, settings
from nightshift.entry import guarded, takes_event
from nightshift.errors import EventUnreadable
from nightshift.runtime import Runtime
from nightshift.values.ids import names_a_document

# Cloud Functions sets it on every new function. functions-framework reads it after this module: it would put its own
# log handler, which prints the texts of libraries, over ours, and other spans over those of our events.
os.environ["LOG_EXECUTION_ID"] = "false"
runtime = Runtime(settings.load())
log.configure(runtime.settings.project)


@functions.http
@guarded
@takes_event
async def on_ai_job_created(event: CloudEvent) -> None:
    """A client wrote a job: admit it, and answer it, or submit its lane if the coalescing window allows."""
    from nightshift.admission.admit import admit
    from nightshift.batches.advance import submit_between_ticks
    from nightshift.instant.answer import answer
    from nightshift.instant.realtime import Taken

    job_id = _document_id(event, "ai_jobs")
    bind_contextvars(job_id=job_id)
    admitted = await admit(runtime, job_id)
    if admitted is None:
        return
    if isinstance(admitted, Taken):
        await answer(runtime, admitted)
        return
    await submit_between_ticks(runtime, admitted)


@functions.http
@guarded
@takes_event
async def answer_instant_jobs(_: CloudEvent) -> None:
    """Cloud Scheduler's sweep, every minute: jobs that waited, whose instance died, or whose deadline is near."""
    from nightshift.bulk.instant import call_for_all
    from nightshift.instant.sweep import sweep

    await call_for_all(runtime)
    await sweep(runtime)


@functions.http
@guarded
@takes_event
async def process_batch_jobs(_: CloudEvent) -> None:
    """Cloud Scheduler's tick, every ten minutes."""
    from nightshift.tick.tick import tick

    await tick(runtime)


@functions.http
@guarded
async def openai_webhook(request: Request) -> Response:
    """OpenAI says that a batch has ended: call a worker to look at it at once."""
    from nightshift.api.responses import respond
    from nightshift.api.webhook import take_event

    return await respond(runtime, request, take_event, method="POST")


@functions.http
@guarded
@takes_event
async def ingest_batch_results(event: CloudEvent) -> None:
    """A worker was called: settle one shard of a large batch's output, advance a batch, or carry out an order."""
    from nightshift.batches.messages import OrderCall, read_call
    from nightshift.batches.work import work

    call = read_call(event.get_data())
    if isinstance(call, OrderCall):
        from nightshift.orders.carry_out import carry_out

        await carry_out(runtime, call.order_id, runtime.time_limit(runtime.settings.tick_seconds))
        return
    await work(runtime, call)


@functions.http
@guarded
@takes_event
async def on_bulk_job_created(event: CloudEvent) -> None:
    """A client wrote a bulk job: check it, read its source, quote it, and start it if its price is confirmed."""
    from nightshift.bulk.advance import advance_bulk

    bulk_id = _document_id(event, "bulk_jobs")
    await advance_bulk(runtime, bulk_id, runtime.time_limit(runtime.settings.tick_seconds))


@functions.http
@guarded
@takes_event
async def answer_bulk_part(event: CloudEvent) -> None:
    """A worker was called: move a bulk job on, or answer one of its parts in real time."""
    from nightshift.bulk.messages import read_bulk_call
    from nightshift.bulk.work import work

    call = read_bulk_call(event.get_data())
    await work(runtime, call)


@functions.http
@guarded
async def get_batch_stats(request: Request) -> Response:
    """How the night goes, for admins."""
    from nightshift.api.responses import respond
    from nightshift.api.stats import batch_stats

    return await respond(runtime, request, batch_stats, method="GET", origin=runtime.settings.dashboard_origin)


@functions.http
@guarded
@takes_event
async def deliver_notification(event: CloudEvent) -> None:
    """A job or bulk job has ended whose user wants to hear of it: deliver what waits for the user."""
    from nightshift.notify.deliver import deliver_message

    message_id = _document_id(event, "outbox")
    await deliver_message(runtime, message_id)


@functions.http
@guarded
async def api(request: Request) -> Response:
    """The REST API, for users and admins."""
    from nightshift.api.serve import serve

    return await serve(runtime, request)


def _document_id(event: CloudEvent, of: str) -> str:
    """The document of a collection that a Firestore event names in its `document` attribute, `ai_jobs/{jobId}`."""
    document = event.get_attributes().get("document")
    collection, _, document_id = str(document).partition("/")
    if collection != of or not names_a_document(document_id):
        raise EventUnreadable(f"the event names no document of {of}")
    return document_id
