"""`POST openaiWebhook`: OpenAI says that a batch has ended, so that its users need not wait for the tick.

This is the one address that is open to the public, so it may do little. It verifies the event and calls a worker,
which looks at the batch (`batches/ended.py`). It holds the signing secret, and may publish on the workers' topic. It
has no API key, and reaches neither Firestore nor a bucket. A repeated event is published again; the worker knows.

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
from nightshift.batches.messages import EndedCall, call_for_ended
from nightshift.errors import EventUnreadable, HttpError
from nightshift.providers.base import SignatureInvalid, WebhookEvent
from nightshift.runtime import Runtime
from nightshift.values.ids import names_a_document

log = structlog.get_logger()

# Whose events come to this address.
_PROVIDER: Final = "openai"

# An event has some 300 bytes.
_MOST_BYTES: Final = 64 * 1024
# As the SDK has it, by the same clock.
_TOLERANCE_SECONDS: Final = 300


async def take_event(runtime: Runtime, request: Request) -> Response:
    """Call a worker for the batch that the event names.

    Raises:
        HttpError: 415 for what calls itself no JSON, 413 for more than an event can be, 401 without a valid signature,
        400 for a part of an event and for what is signed and still none, 503 when the event should be sent again.
    """
    check_is_json(request)
    _check_headers(request)
    event = _event(runtime, await read_body(request, _MOST_BYTES, runtime.instance), request)
    if event.remote_id is not None:
        bind_contextvars(event_id=event.event_id, remote_id=event.remote_id)
        call = EndedCall(provider=_PROVIDER, remote_id=event.remote_id, event_id=event.event_id)
        if not await call_for_ended(runtime, call):
            raise HttpError(503, "unavailable", "Send the event again.")
    return JSONResponse({"received": True})


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
        event = runtime.openai_events.ended_batch(body, request.headers)
    except SignatureInvalid as invalid:
        log.warning("webhook_refused", reason=str(invalid))
        raise HttpError(401, "unauthenticated", "The event has no valid signature.") from invalid
    except EventUnreadable as unreadable:
        log.error("event_unreadable", reason=str(unreadable))
        raise HttpError(400, "invalid_event", "The event cannot be read.") from unreadable
    if not names_a_document(event.event_id):
        raise HttpError(400, "invalid_event", "The event's id cannot be recorded.")
    return event
