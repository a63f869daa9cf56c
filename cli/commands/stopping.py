"""Stopping a batch, for `cancel` and `retry`: it records the wish, and a lease holder carries it out."""

import asyncio
from argparse import Namespace
from typing import Final

from cli.commands.command import CouldNotRun, ExitCode, Refused
from cli.commands.confirmation import confirm
from cli.commands.printing import Printer
from nightshift.batches import documents as batches
from nightshift.batches.advance import stop
from nightshift.batches.batch import Batch
from nightshift.errors import LeaseHeld, TryLater
from nightshift.runtime import Runtime
from nightshift.values.outcome import Stop

_THE_REST: Final[dict[Stop, str]] = {
    "cancel": "cancelled and refunded",
    "retry": "sent again, without an attempt spent",
    "move": "sent again in their fallback lane, without an attempt spent",
}
# A process rarely has a batch's lease for longer.
_TRIES: Final = 10


async def stop_batch(runtime: Runtime, options: Namespace, printer: Printer, wish: Stop) -> ExitCode:
    """Stop a batch as is wished, once it was confirmed."""
    batch = await _stoppable(runtime, options.id)
    await confirm(
        options,
        f"Stops batch {batch.batch_id} ({batch.status}, {batch.lane}, jobs: {batch.job_count:,}). What is answered by "
        f"then is kept and paid for; all its other jobs are {_THE_REST[wish]}.",
    )
    later = await _stopped(runtime, batch.batch_id, wish)
    now = await batches.read(runtime, batch.batch_id)
    status = now.status if now else None
    printer.line({"batch": {"batchId": batch.batch_id, "stop": wish, "status": status, "later": later}})
    if now is None or not now.is_open:
        printer.say(f"Batch {batch.batch_id} is closed: {status}.", style="green")
    elif later:
        printer.say(f"It is on record that batch {batch.batch_id} stops; the next tick goes on with it ({later}).")
    else:
        printer.say(
            f"Batch {batch.batch_id} was asked to stop. It is closed by the tick after the provider has ended it."
        )
    return ExitCode.DONE


async def _stoppable(runtime: Runtime, batch_id: str) -> Batch:
    batch = await batches.read(runtime, batch_id)
    if batch is None:
        raise Refused(f"There is no batch {batch_id} in {runtime.settings.project}.")
    if not batch.is_open:
        raise Refused(f"Batch {batch_id} is closed: {batch.status}.")
    if not batch.is_stoppable:
        raise Refused(f"The provider is done with batch {batch_id}; its jobs are being settled.")
    return batch


async def _stopped(runtime: Runtime, batch_id: str, wish: Stop) -> str | None:
    """Put the wish on record; returns what keeps it from being carried out now, if anything does."""
    for _ in range(_TRIES):
        try:
            await stop(runtime, batch_id, wish)
        except TryLater as trouble:
            batch = await batches.read(runtime, batch_id)
            if batch and batch.stop == wish:
                return str(trouble)
            if not isinstance(trouble, LeaseHeld):
                raise
            await asyncio.sleep(runtime.instance.bounds.lease_pause_seconds)
        else:
            await _stoppable_or_stopped(runtime, batch_id, wish)
            return None
    raise CouldNotRun(f"Another process has the lease of batch {batch_id}; nothing was changed. Try again in a minute.")


async def _stoppable_or_stopped(runtime: Runtime, batch_id: str, wish: Stop) -> None:
    """Raise Refused for a batch that ended before the wish came."""
    batch = await batches.read(runtime, batch_id)
    if batch and batch.stop != wish:
        await _stoppable(runtime, batch_id)
