"""`scheduler`: stop the submission of batches, start it again, or say what holds it back. One read, and one write."""

from argparse import ArgumentParser, Namespace

from cli.commands.command import Command, ExitCode
from cli.commands.confirmation import confirm
from cli.commands.printing import Printer
from nightshift.batches import submission
from nightshift.batches.submission import Submission
from nightshift.runtime import Runtime

_BY = "operator"


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("wish", choices=("show", "start", "stop"), help="what is done")


async def _run(runtime: Runtime, options: Namespace, printer: Printer) -> ExitCode:
    now = await submission.read(runtime)
    if options.wish == "stop":
        await confirm(options, "Submits no new batch until it is started again; polling and refunds go on.")
        now = await submission.switch(runtime, is_stopped=True, by=_BY)
    elif options.wish == "start":
        await confirm(options, "Submits batches again; the next tick begins.")
        now = await submission.switch(runtime, is_stopped=False, by=_BY)
    window = runtime.settings.submit_at
    printer.line(
        {
            "scheduler": {
                "isStopped": now.is_stopped,
                "changedAt": now.changed_at,
                "changedBy": now.changed_by,
                "window": str(window) if window else None,
                "opensAt": now.opens_at,
                "heldBy": now.held_by,
            }
        }
    )
    printer.say(_told(runtime, now), style="yellow" if now.held_by else "green")
    return ExitCode.DONE


def _told(runtime: Runtime, now: Submission) -> str:
    if now.is_stopped:
        return f"Submission is stopped, by {now.changed_by}. Polling, refunds and deadlines go on."
    if now.opens_at:
        return f"Submission waits for the window {runtime.settings.submit_at}, which opens at {now.opens_at:%H:%M} UTC."
    return "Batches are submitted."


COMMAND = Command(
    name="scheduler",
    help="stop the submission of batches, or start it again",
    description="Stops the submission of new batches, starts it again, or shows what holds it back: a stop, or the "
    "hours of NIGHTSHIFT_SUBMIT_AT. Polling, ingestion, refunds, deadlines and instant answers always go on.",
    example="scheduler stop",
    add_arguments=_add_arguments,
    run=_run,
    changes=True,
)
