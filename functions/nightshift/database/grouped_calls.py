"""Calls that share: what is asked while a call is under way gathers, and goes with the next one.

This is a database's group commit. The first to ask goes at once, so a quiet instance waits for nothing; under load the
calls grow larger instead of more, and those of one instance never get in each other's way.

A call runs in a task of its own. A cancelled caller does not disturb the others. What it asked for is done all the
same, as if its answer had been lost. A crash ends all waiting callers; each has its own event, which comes again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import islice
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Reply = TypeVar("Reply")
# What was asked in one call, in the order of arrival, each with where its answer or its error goes.
Group = Mapping[Asked, asyncio.Future[Reply]]


class GroupedCalls(Generic[Asked, Reply]):
    """Groups the calls to one place. A place without callers takes no memory."""

    def __init__(self, call: Callable[[Group[Asked, Reply]], Awaitable[None]], *, most: int) -> None:
        """Args: `call` answers each it is given, or raises for all it did not answer; `most` are given at once."""
        self._call = call
        self._most = most
        self._waiting: dict[str, dict[Asked, asyncio.Future[Reply]]] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def ask(self, asked: Asked, *, at: str = "") -> Reply:
        """Ask at a place; raises what the call raised. The same, asked twice while it waits, is asked once."""
        waiting = self._waiting.setdefault(at, {})
        answer = waiting.setdefault(asked, asyncio.get_running_loop().create_future())
        if at not in self._under_way:
            self._under_way[at] = asyncio.create_task(self._answer_all(at, waiting))
        return await asyncio.shield(answer)

    async def _answer_all(self, at: str, waiting: dict[Asked, asyncio.Future[Reply]]) -> None:
        try:
            while waiting:
                gathered = {asked: waiting.pop(asked) for asked in list(islice(waiting, self._most))}
                try:
                    await self._call(gathered)
                except Exception as trouble:  # noqa: BLE001 - raised where it was asked
                    _fail(gathered, trouble)
                except BaseException as end:
                    # This task is not taken up again: no caller may be left waiting for it.
                    _fail(gathered | waiting, end)
                    raise
        finally:
            del self._waiting[at], self._under_way[at]


def _fail(gathered: Group[Asked, Reply], error: BaseException) -> None:
    for answer in gathered.values():
        if not answer.done():
            answer.set_exception(error)
