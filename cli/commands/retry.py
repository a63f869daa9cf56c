"""`retry`: run a job again that failed or was cancelled, or send a batch's jobs again in another one.

Of a job it reads 9 documents, and writes 2 and deletes 1 in one commit; of a batch it writes the wish, and what that
leads to.
"""

from argparse import Namespace
from typing import Final

from cli.commands.arguments import job_or_batch
from cli.commands.command import Command, ExitCode, Refused
from cli.commands.confirmation import confirm
from cli.commands.stopping import stop_batch
from cli.commands.telling import Tell
from nightshift.admission.retry import retry
from nightshift.errors import JobRefused
from nightshift.jobs import created as admissions
from nightshift.runtime import Runtime
from nightshift.values.status import FAILED, PROCESSING, QUEUED

_NEXT: Final = {
    QUEUED: "; the next tick submits it, if no trigger does",
    PROCESSING: "; the next sweep answers it in real time, within a minute",
}


async def _run(runtime: Runtime, options: Namespace, tell: Tell) -> ExitCode:
    if options.kind == "batch":
        return await stop_batch(runtime, options, tell, "retry")
    job = await admissions.read(runtime, options.id)
    if job:
        price = "its tokens were returned, and it costs nothing" if job.job.lane else "it is charged if it is admitted"
        await confirm(
            options,
            f"Runs job {job.job_id} of {job.user_id} again, which is {job.fields.get('status')}: {price}. "
            "Its notification is deleted.",
        )
    try:
        status = await retry(runtime, options.id)
    except JobRefused as refusal:
        raise Refused(f"Job {options.id} is not run again. {refusal.message}") from refusal
    now = await admissions.read(runtime, options.id)
    code = now.fields.get("errorCode") if now else None
    tell.line({"job": {"jobId": options.id, "status": status, "errorCode": code}})
    if status == FAILED:
        raise Refused(f"Job {options.id} was refused again: {code}.")
    tell.say(f"Job {options.id} is {status}{_NEXT.get(status, '')}.", style="green")
    return ExitCode.DONE


COMMAND: Final = Command(
    name="retry",
    help="run a failed or cancelled job again, or send a batch's unanswered jobs again",
    description="Runs a job again that failed or was cancelled: on the house, if it was charged and refunded; else it "
    "is admitted anew. An instant job is answered in real time again, and so is a batch job whose deadline is over. Or "
    "stops a batch: what the provider answered by then is kept, the rest is sent again at once.",
    example="retry batch ns-3kQd9xW2mB7vLr5TzY1c",
    add_arguments=lambda parser: job_or_batch(parser, "run again"),
    run=_run,
    changes=True,
)
