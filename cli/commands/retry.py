"""`retry`: run jobs again that failed or were cancelled, one or all that match, or send a batch's in another one.

Of a job it reads 13 documents, and writes 2 and deletes 1 in one commit; of a batch it writes the wish, and what that
leads to.
"""

from argparse import ArgumentParser, Namespace
from typing import Final

from cli.commands.arguments import document_id, moment
from cli.commands.command import Command, CouldNotRun, ExitCode, Refused
from cli.commands.confirmation import confirm
from cli.commands.printing import Printer
from cli.commands.retrying import retry_jobs
from cli.commands.stopping import stop_batch
from cli.commands.wishing import wish_of_bulk
from nightshift.admission.retry import retriable, retry
from nightshift.errors import JobRefused
from nightshift.jobs import created
from nightshift.runtime import Runtime
from nightshift.values.status import FAILED, PROCESSING, QUEUED

_NEXT: Final = {
    QUEUED: "; the next tick submits it, if no trigger does",
    PROCESSING: "; the next sweep answers it in real time, within a minute",
}


async def _run(runtime: Runtime, options: Namespace, printer: Printer) -> ExitCode:
    has_filter = any((options.code, options.type, options.lane, options.since))
    if has_filter != (options.kind == "jobs") or (options.id is None) != (options.kind == "jobs"):
        raise CouldNotRun("Name one job or batch by its id; or jobs by a filter: --code, --type, --lane, --since.")
    if options.kind == "jobs":
        return await retry_jobs(runtime, options, printer)
    if options.kind == "batch":
        return await stop_batch(runtime, options, printer, "retry")
    if options.kind == "bulk":
        return await wish_of_bulk(runtime, options, printer, "retry")
    try:
        job = await retriable(runtime, options.id)
        price = "its tokens were returned, and it costs nothing" if job.job.lane else "it is charged if it is admitted"
        await confirm(
            options,
            f"Runs job {job.job_id} of {job.user_id} again, which is {job.fields.get('status')}: {price}. "
            "Its notification is deleted.",
        )
        status = await retry(runtime, options.id)
    except JobRefused as refusal:
        raise Refused(f"Job {options.id} is not run again. {refusal.message}") from refusal
    now = await created.read(runtime, options.id) if status == FAILED else None
    code = now.fields.get("errorCode") if now else None
    printer.line({"job": {"jobId": options.id, "status": status, "errorCode": code}})
    if status == FAILED:
        raise Refused(f"Job {options.id} was refused again: {code}.")
    printer.say(f"Job {options.id} is {status}{_NEXT.get(status, '')}.", style="green")
    return ExitCode.DONE


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("kind", choices=("job", "batch", "jobs", "bulk"), help="what is run again")
    parser.add_argument("id", type=document_id, nargs="?", metavar="ID", help="its id; jobs have a filter instead")
    matching = parser.add_argument_group("jobs", "all failed jobs that match; at least one of")
    matching.add_argument("--code", help="their error code; cancelled jobs match only their own")
    matching.add_argument("--type", help="their job type")
    matching.add_argument("--lane", help="their lane, provider:endpoint:model")
    matching.add_argument("--since", type=moment, metavar="TIME", help="failed since then: 2026-11-28T10:30Z, or 36h")


COMMAND: Final = Command(
    name="retry",
    help="run failed or cancelled jobs again, one or all that match, or send a batch's unanswered jobs again",
    description="Runs a job again that failed or was cancelled. It is free if it was charged and refunded; else it "
    "is admitted anew. An instant job is answered in real time again, and so is a batch job whose deadline is over. Or "
    "stops a batch: what the provider answered by then is kept, the rest is sent again at once. Or runs all failed "
    "jobs again that match a filter: their count and price are asked for first, and it can be repeated. Or quotes what "
    "failed of a bulk job; its user confirms it.",
    example="retry jobs --code provider_rejected --since 12h",
    add_arguments=_add_arguments,
    run=_run,
    changes=True,
)
