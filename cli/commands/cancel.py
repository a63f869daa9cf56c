"""`cancel`: end a job, or a batch, without an answer.

Of a job it reads 9 documents and writes 4, in one commit; of a batch it writes the wish, and what that leads to.
"""

from argparse import Namespace
from typing import Final

from cli.commands.arguments import job_batch_or_bulk
from cli.commands.command import Command, ExitCode, Refused
from cli.commands.confirmation import confirm
from cli.commands.printing import Printer
from cli.commands.stopping import stop_batch
from cli.commands.wishing import wish_of_bulk
from nightshift.jobs import created
from nightshift.jobs.cancel import LIVE, cancel
from nightshift.jobs.created import JobDocument
from nightshift.ledger.refunds import Refunds
from nightshift.runtime import Runtime
from nightshift.values.ids import names_a_document
from nightshift.values.status import CANCELLED, CREATED


async def _run(runtime: Runtime, options: Namespace, printer: Printer) -> ExitCode:
    if options.kind == "batch":
        return await stop_batch(runtime, options, printer, "cancel")
    if options.kind == "bulk":
        return await wish_of_bulk(runtime, options, printer, "cancel")
    job = await created.read(runtime, options.id)
    if job is None:
        raise Refused(f"There is no job {options.id} in {runtime.settings.project}.")
    status = job.fields.get("status")
    if status not in LIVE:
        raise Refused(f"Job {job.job_id} has ended already: it is {status}.")
    money = await _money(runtime, job)
    await confirm(
        options,
        f"Cancels job {job.job_id} of {job.user_id}, which is {status}: its user gets a notification, and {money}.",
    )
    ended = await cancel(runtime, job.job_id)
    if ended != CANCELLED:
        raise Refused(f"Job {job.job_id} ended before it could be cancelled: it is {ended or 'deleted'}.")
    printer.line({"job": {"jobId": job.job_id, "status": ended}})
    printer.say(f"Job {job.job_id} is cancelled; its user has a notification, and {money}.", style="green")
    return ExitCode.DONE


async def _money(runtime: Runtime, job: JobDocument) -> str:
    """What its user gets back, as the ledger has it now: an operator's retry was free."""
    if job.fields.get("status") == CREATED or not names_a_document(job.user_id):
        return "nothing was charged"
    tokens = (await Refunds.read(runtime, job.user_id, [job.job_id])).tokens(job.job_id)
    if not tokens:
        return "its tokens were returned before"
    return "its token comes back" if tokens == 1 else f"its {tokens:,} tokens come back"


COMMAND: Final = Command(
    name="cancel",
    help="cancel a job, a bulk job, or all that a batch has not answered yet, and give the tokens back",
    description="Cancels a job that has not ended, with its refund and notification in one commit; a late answer to it "
    "is ignored. Or stops a batch: what the provider answered by then is kept and paid for, the rest is cancelled. "
    "Or cancels a bulk job: what is answered stays and is paid, the rest is refunded.",
    example="cancel job 8fK2mQx0Zr",
    add_arguments=lambda parser: job_batch_or_bulk(parser, "cancelled"),
    run=_run,
    changes=True,
)
