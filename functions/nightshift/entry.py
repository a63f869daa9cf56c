"""The way into a function: each call's events carry its function and its trace, and no error's text gets out.

Whatever was not foreseen is logged by its type and place, and answered 500: functions-framework would print the whole
traceback, whose text may quote a job's input or a user's id. It would also hand an event over without the headers of
its request, which name the trace (https://github.com/GoogleCloudPlatform/functions-framework-python/issues/79): so to
the framework every function is one of HTTP, and `takes_event` reads the event.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from cloudevents.http import CloudEvent, from_http
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from structlog.contextvars import bind_contextvars, clear_contextvars

from nightshift.errors import EventUnreadable, NeverLands, TryLater
from nightshift.log import left_to_redelivery, where_raised
from nightshift.trace import trace_of

log = structlog.get_logger()

Function = Callable[[Request], Awaitable[Response]]

# Eventarc sends an event in one go.
_MOST_SECONDS: Final = 30.0


def guarded(function: Function) -> Function:
    """Let no error out of a function but a plain 500, upon which its event is delivered again.

    What is bound to the events of a call ends with it; calls that run at once share nothing, each being a task.
    """

    @functools.wraps(function)
    async def guard(request: Request) -> Response:
        clear_contextvars()
        bind_contextvars(function=function.__name__, **trace_of(request.headers))
        try:
            return await function(request)
        except TryLater as trouble:
            left_to_redelivery(trouble)
        except Exception as bug:  # noqa: BLE001 - whatever it is, its text is not printed
            log.error("event_failed", error=type(bug).__name__, where=where_raised(bug))
        finally:
            clear_contextvars()
        raise HTTPException(500)

    return guard


def takes_event(function: Callable[[CloudEvent], Awaitable[None]]) -> Function:
    """Hand a function the CloudEvent of its request; any other request is answered 400."""

    @functools.wraps(function)
    async def take(request: Request) -> Response:
        try:
            async with asyncio.timeout(_MOST_SECONDS):
                body = await request.body()
        except (ClientDisconnect, TimeoutError):
            raise TryLater("the event broke off") from None
        try:
            event = from_http(dict(request.headers), body)
        except Exception:  # noqa: BLE001 - the library raises whatever the event makes it stumble over
            log.error("event_unreadable", reason="it is no CloudEvent")
            return Response(status_code=400)
        try:
            await function(event)
        except EventUnreadable as unreadable:
            # No redelivery could mend it.
            log.error("event_unreadable", reason=str(unreadable))
        except NeverLands as impossible:
            # Delivered again it would fail again, for a day.
            log.error("write_impossible", error=str(impossible), where=where_raised(impossible))
        return Response("OK")

    return take
