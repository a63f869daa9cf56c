"""`job`: the whole story of one job.

Reads at most 8 documents: the job, its charge and refund, wallet, batch, classification, notification, and of a queued
job the lane (with a daily budget, the day's two sums and its user's besides); and it asks the provider for one batch.
What the user wrote and got is not told unless asked for: terminals are logs too.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NoReturn

from cli.commands.arguments import document_id
from cli.commands.command import Command, ExitCode, Refused
from cli.commands.printing import Printer
from nightshift.batches.step_error import StepError
from nightshift.bulk import documents as bulk_jobs
from nightshift.database.lease import Lease
from nightshift.providers.base import ProviderGone, ProviderMissing, ProviderRefusal, ProviderTrouble
from nightshift.reports import story as job_story
from nightshift.reports.standing import sentence, standing_of, why_it_waits
from nightshift.reports.story import Story
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane

# What the user wrote and got.
_CONTENT: Final = ("input", "result")
_STEPS: Final = {"created": "createdAt", "queued": "queuedAt", "submitted": "submittedAt", "ended": "completedAt"}
_OF_BATCH: Final = (
    "status",
    "remoteId",
    "jobCount",
    "counts",
    "outcome",
    "errorCode",
    "costUsd",
    "createdAt",
    "submittedAt",
    "endedAt",
    "completedAt",
)


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("job_id", type=document_id, metavar="JOB_ID", help="the id of its document in ai_jobs")
    parser.add_argument("--content", action="store_true", help="tell also what the user wrote and got")


async def _run(runtime: Runtime, options: Namespace, printer: Printer) -> ExitCode:
    story = await job_story.read(runtime, options.job_id)
    if story is None:
        await _refuse(runtime, options.job_id)
    told = sentence(await standing_of(runtime, story))
    printer.say(told)
    printer.line({"standing": told})
    job = {name: content for name, content in story.job.items() if name not in _CONTENT}
    printer.record("job", {"jobId": story.job_id, **{name: job[name] for name in sorted(job, key=_place)}})
    _tell_content(printer, story, options)
    _tell_timeline(printer, story)
    entries = [{"entryId": entry_id, **_told_entry(entry)} for entry_id, entry in story.ledger.items()]
    printer.table("ledgerEntry", entries)
    printer.record("wallet", {"balance": story.wallet and story.wallet.get("balance")})
    _tell_batch(runtime, printer, story)
    await _tell_provider(runtime, printer, story)
    note = story.notification
    printer.record(
        "toldToTheUser",
        {
            "classification": story.classification is not None,
            "notification": note is not None,
            "read": note and note.get("read"),
        },
    )
    return ExitCode.DONE


async def _refuse(runtime: Runtime, job_id: str) -> NoReturn:
    if await bulk_jobs.read(runtime, job_id):
        raise Refused(f"{job_id} is a bulk job: ./nightshift bulk {job_id}.")
    raise Refused(f"There is no job {job_id} in {runtime.settings.project}.")


def _tell_content(printer: Printer, story: Story, options: Namespace) -> None:
    for name in _CONTENT:
        content = story.job.get(name)
        if content is None:
            continue
        if options.content:
            printer.record(name, content if isinstance(content, Mapping) else {name: content})
        else:
            printer.say(f" {name} is hidden; --content shows it.", style="dim")
    printer.line({"hidden": [name for name in _CONTENT if name in story.job and not options.content]})


def _tell_timeline(printer: Printer, story: Story) -> None:
    """When the job took each of its steps, and how long after the one before."""
    times = {step: story.job.get(field) for step, field in _STEPS.items()}
    rows: list[dict[str, Any]] = []
    before: datetime | None = None
    for step, at in times.items():
        if isinstance(at, datetime):
            rows.append({"step": step, "at": at, "after": at - before if before else None})
            before = at
    printer.table("step", rows)


def _told_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: entry.get(name) for name in ("kind", "amount", "createdAt")}


def _tell_batch(runtime: Runtime, printer: Printer, story: Story) -> None:
    batch_id = story.job.get("batchId")
    if story.batch is None:
        printer.record(
            "batch", {"batchId": batch_id, "status": "there is no such batch (any more)"} if batch_id else {}
        )
        return
    lease = Lease.read(story.batch.get("lease"))
    held_until = lease.expires_at if lease and lease.is_live(runtime.now()) else None
    fields = {name: story.batch[name] for name in _OF_BATCH if name in story.batch}
    error = StepError.read(story.batch.get("lastError"))
    why = why_it_waits(error, runtime.now()) if error else None
    printer.record("batch", {"batchId": batch_id, **fields, "heldUntil": held_until, "lastError": why})


async def _tell_provider(runtime: Runtime, printer: Printer, story: Story) -> None:
    """What the provider itself says of the batch. Not its own words: they may quote a request."""
    remote_id = story.batch and story.batch.get("remoteId")
    if not isinstance(remote_id, str):
        return
    try:
        remote = await runtime.provider_for(Lane.parse(story.batch and story.batch.get("lane"))).retrieve(remote_id)
    except ValueError:
        printer.record("provider", {"remoteId": remote_id, "status": "not asked: the batch names no lane"})
    except ProviderMissing as missing:
        printer.record("provider", {"remoteId": remote_id, "status": f"not asked: {missing}"})
    except ProviderGone:
        printer.record("provider", {"remoteId": remote_id, "status": "the provider has no such batch"})
    except (ProviderTrouble, ProviderRefusal) as trouble:
        printer.record("provider", {"remoteId": remote_id, "status": f"it does not say: {trouble}"})
    else:
        under_way = "cancelling" if remote.is_cancelling else "under way"
        printer.record(
            "provider",
            {
                "remoteId": remote_id,
                "status": remote.outcome or under_way,
                "answered": remote.completed,
                "errorCode": remote.error_code,
                "usage": remote.usage and remote.usage.fields(),
                "createdAt": remote.created_at,
            },
        )


def _place(name: str) -> tuple[bool, str]:
    """Times last."""
    return name.endswith("At"), name


COMMAND: Final = Command(
    name="job",
    help="the whole story of one job: document, money, batch, provider, notification",
    description="Where a job is and what happens next; then its document, its steps and how long they took, its ledger "
    "entries, its user's balance, its batch, what the provider says of that (with OPENAI_API_KEY), and "
    "whether its user has a notification. What the user wrote and got is hidden.",
    example="job 8fK2mQx0Zr",
    add_arguments=_add_arguments,
    run=_run,
)
