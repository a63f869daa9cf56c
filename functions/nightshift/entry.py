"""The way into a function: whatever was not foreseen is logged by its type and place, and answered 500.

functions-framework would print the whole traceback, whose text may quote a job's input or a user's id.
"""

import functools
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog
from starlette.exceptions import HTTPException

from nightshift.log import left_to_redelivery, where_raised
from nightshift.model.errors import TryLater

log = structlog.get_logger()

Answer = TypeVar("Answer")


def guarded(function: Callable[[Any], Awaitable[Answer]]) -> Callable[[Any], Awaitable[Answer]]:
    """Let no error out of a function but a plain 500, upon which its event is delivered again."""

    @functools.wraps(function)
    async def guard(call: Any) -> Answer:
        try:
            return await function(call)
        except TryLater as trouble:
            left_to_redelivery(function.__name__, trouble)
        except Exception as bug:  # noqa: BLE001 - whatever it is, its text is not printed
            log.error("event_failed", function=function.__name__, error=type(bug).__name__, where=where_raised(bug))
        raise HTTPException(500)

    return guard
