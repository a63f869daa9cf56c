"""The life of a batch: validating, in_progress, finalizing, completed, and the ways out of it.

One asyncio task per batch moves it. Nothing else changes a status, with one exception: a cancel shows
`cancelling` at once, as the API does. What ends a run early (a cancel, an expiry, a scripted
failure) sets `batch.ending` and nudges the run, which notices at its next pause or before its next line. Lines
already answered stay answered: they are in the output file however the batch ends, except when it fails.

A hold keeps every batch in a status until it is released. In `in_progress` it lets the first `answered`
lines through.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import BinaryIO

from local.provider_server.answers import Answerer
from local.provider_server.api import LINES_PER_TURN, Api
from local.provider_server.batch_results import BatchResults
from local.provider_server.batches import TERMINAL, Batch, BatchError, Ending, Status
from local.provider_server.errors import ApiError
from local.provider_server.files import FileStore
from local.provider_server.pace import Pace
from local.provider_server.script import Script

log = logging.getLogger(__name__)

HOLDABLE = ("validating", "in_progress", "finalizing", "cancelling")


class BatchRuns:
    """The running tasks of one server."""

    def __init__(
        self,
        api: Api,
        files: FileStore,
        answerer: Answerer,
        script: Script,
        pace: Pace,
        *,
        workers: int,
        max_requests: int,
        announce: Callable[[Batch], None],
    ) -> None:
        self._api = api
        self._files = files
        self._answerer = answerer
        self._script = script
        self._pace = pace
        self._workers = workers
        self._max_requests = max_requests
        # Called once for each batch, when it has ended.
        self._announce = announce
        self._holds: dict[Status, int] = {}
        self._tasks: dict[asyncio.Task[None], Batch] = {}
        # Set whenever a batch may have stopped moving on its own.
        self._changed = asyncio.Event()

    def start(self, batch: Batch) -> None:
        """Let a new batch run."""
        task = asyncio.create_task(self._run(batch))
        self._tasks[task] = batch
        task.add_done_callback(lambda _: self._changed.set())

    def hold(self, status: Status, answered: int = 0) -> None:
        """Keep every batch that reaches `status` there."""
        if status not in HOLDABLE:
            raise ValueError(f"a batch can be held in {', '.join(HOLDABLE)}, not in {status}")
        self._holds[status] = answered

    def release(self, status: Status | None = None) -> None:
        """Lift one hold, or all."""
        if status is None:
            self._holds.clear()
        else:
            self._holds.pop(status, None)
        for batch in self._tasks.values():
            _nudge(batch)

    def end(self, batch: Batch, ending: Ending, answered: int = 0) -> None:
        """Make a batch end early, after its first `answered` lines."""
        if batch.status in TERMINAL:
            raise ApiError(409, f"Cannot end a batch with status '{batch.status}'.")
        batch.ending = ending
        batch.answer_first = answered
        _nudge(batch)

    def cancel(self, batch: Batch) -> None:
        """Cancel on a client's wish; a second cancel changes nothing."""
        if batch.status == "cancelling":
            return
        if batch.status in TERMINAL:
            raise ApiError(409, f"Cannot cancel a batch with status '{batch.status}'.")
        batch.move("cancelling")
        self.end(batch, "cancelled")

    async def settled(self) -> None:
        """Return when every batch is terminal or held; raises what a hook raised."""
        while self._moving():
            self._changed.clear()
            await self._changed.wait()
        for task in [task for task in self._tasks if task.done()]:
            del self._tasks[task]
            task.result()

    async def finished(self, batch: Batch) -> None:
        """Return when this batch is terminal."""
        await asyncio.wait([task for task, running in self._tasks.items() if running is batch])

    async def close(self) -> None:
        """Stop all runs where they are."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def _moving(self) -> bool:
        return any(not task.done() and (batch.answering > 0 or not batch.held) for task, batch in self._tasks.items())

    async def _run(self, batch: Batch) -> None:
        results = BatchResults(batch, self._api, self._files, self._script)
        try:
            await self._advance(batch, results)
        except Exception as bug:
            log.exception("batch %s", batch.id)
            results.discard()
            _fail(batch, BatchError("server_error", f"The server failed: {bug!r}"))
            raise
        finally:
            batch.held = False
            if batch.status in TERMINAL:
                self._announce(batch)

    async def _advance(self, batch: Batch, results: BatchResults) -> None:
        await self._pause(batch, self._pace.validating_seconds)
        stored = self._files.view.get(batch.input_file_id)
        if stored is None:
            _fail(batch, BatchError("invalid_input_file", "The input file was deleted."))
            return
        # Opened once: a client that deletes the input file from here on does no harm.
        with stored.path.open("rb") as lines:
            if batch.status == "validating" and not await self._validate(batch, lines):
                return
            if batch.status == "in_progress":  # and not cancelled meanwhile
                lines.seek(0)
                await self._answer_lines(batch, results, lines)
        await self._finish(batch, results)

    async def _validate(self, batch: Batch, lines: BinaryIO) -> bool:
        """Go on to `in_progress`, or to `failed` (False); a cancel during the check prevails over both."""
        check = await self._api.check(lines, batch, self._max_requests)
        if batch.status != "validating":
            return True
        if batch.ending == "failed":
            check.errors = []
        elif batch.fault.fail_code is not None:
            check.errors = [BatchError(batch.fault.fail_code, batch.fault.fail_message)]
        if check.errors or batch.ending == "failed":
            _fail(batch, *check.errors)
            return False
        batch.request_counts.total = check.total
        batch.model = check.model
        batch.move("in_progress")
        return True

    async def _answer_lines(self, batch: Batch, results: BatchResults, lines: Iterable[bytes]) -> None:
        clock = asyncio.get_running_loop()
        started = clock.time()
        source = enumerate(lines)

        async def work() -> None:
            for place, line in source:
                share = (place + 1) / batch.request_counts.total
                due = started + self._pace.in_progress_seconds * share
                await self._pause(batch, due - clock.time(), lines_before=place)
                custom_id, body = self._api.request_of(line)
                if batch.ending is None or place < batch.answer_first:
                    batch.answering += 1
                    results.write(custom_id, await self._answerer.answer(custom_id, body, batch.endpoint))
                    batch.answering -= 1
                    self._changed.set()
                elif batch.ending != "failed":
                    results.write_left(custom_id, batch.ending)
                if place % LINES_PER_TURN == 0:
                    await asyncio.sleep(0)

        if self._workers == 1:
            await work()
            return
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(work())

    async def _finish(self, batch: Batch, results: BatchResults) -> None:
        if batch.ending is None:
            batch.move("finalizing")
            await self._pause(batch, self._pace.finalizing_seconds)
        if batch.ending == "cancelled":
            await self._pause(batch, self._pace.finalizing_seconds)
        if batch.ending == "failed":
            results.discard()
            _fail(batch)
            return
        results.publish()
        batch.move(batch.ending or "completed")

    async def _pause(self, batch: Batch, seconds: float, *, lines_before: int = 0) -> None:
        """Wait out the pace and any hold; return early when the batch is to end or its status was changed."""
        entered = batch.status
        clock = asyncio.get_running_loop()
        deadline = clock.time() + seconds
        while batch.status == entered and (batch.ending is None or entered == "cancelling"):
            held = entered in self._holds and lines_before >= self._holds[entered]
            left = deadline - clock.time()
            if not held and left <= 0:
                break
            batch.held = held
            self._changed.set()
            batch.nudge.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(None if held else left):
                    await batch.nudge.wait()
            if entered == "cancelling" and batch.ending != "cancelled":
                break
        batch.held = False


def _fail(batch: Batch, *errors: BatchError) -> None:
    batch.errors = [*batch.errors, *errors]
    batch.move("failed")


def _nudge(batch: Batch) -> None:
    """Wake the run up; until it has looked around, the batch counts as moving."""
    batch.held = False
    batch.nudge.set()
