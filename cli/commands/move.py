"""`move`: stop a batch, and let its jobs without an answer be answered in the fallback lane.

It writes the wish, and what that leads to.
"""

from argparse import ArgumentParser, Namespace
from typing import Final

from cli.commands.arguments import document_id
from cli.commands.command import Command, ExitCode, Refused
from cli.commands.printing import Printer
from cli.commands.stopping import stop_batch
from nightshift.batches import documents as batches
from nightshift.jobs.fallback import may_leave
from nightshift.runtime import Runtime


async def _run(runtime: Runtime, options: Namespace, printer: Printer) -> ExitCode:
    batch = await batches.read(runtime, options.id)
    if batch and not may_leave(runtime, batch.lane):
        raise Refused(
            f"Jobs of the lane {batch.lane} have no other lane: NIGHTSHIFT_FALLBACK_MODEL names none whose provider "
            "has a key here."
        )
    return await stop_batch(runtime, options, printer, "move")


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("kind", choices=("batch",), help="what is moved")
    parser.add_argument("id", type=document_id, metavar="ID", help="its id")


COMMAND: Final = Command(
    name="move",
    help="stop a batch, and let another provider answer what it has not answered yet",
    description="Stops a batch: what the provider answered by then is kept and paid for. Once it is final there, its "
    "other jobs are queued in the fallback lane (NIGHTSHIFT_FALLBACK_MODEL), without an attempt spent. A job that has "
    "no fallback is sent again in its own lane.",
    example="move batch ns-8fK2mQx0ZrA1b2C3d4E5",
    add_arguments=_add_arguments,
    run=_run,
    changes=True,
)
