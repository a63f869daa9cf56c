"""`reprocess`: make new jobs of jobs that have ended, once their count and their price are confirmed.

It reads every job of the status twice, once to count and once to make; each new job is made by a commit of its own. It
can be stopped, or die, at any place: the same command with the same `--run` goes on, and makes no job twice.
"""

import asyncio
import secrets
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections import Counter
from typing import Final

from cli.commands.arguments import document_id, moment, user_id
from cli.commands.command import Command, ExitCode, Refused
from cli.commands.confirmation import confirm
from cli.commands.printing import Printer
from cli.ended_jobs import EndedFilter, ended_jobs
from nightshift import job_types
from nightshift.admission.reprocess import reprocess
from nightshift.errors import JobRefused, TryLater
from nightshift.jobs.created import JobDocument
from nightshift.jobs.lane import lane_for
from nightshift.jobs.request import unaddressed_request
from nightshift.pricing.prices import batch_cost_usd, realtime_cost_usd
from nightshift.providers.estimate import expected_usage
from nightshift.runtime import Runtime
from nightshift.values.model_name import ModelName
from nightshift.values.status import CANCELLED, COMPLETED, FAILED

_AT_ONCE: Final = 8


async def _run(runtime: Runtime, options: Namespace, printer: Printer) -> ExitCode:
    asked = EndedFilter(
        before=options.until or runtime.now(),
        status=options.status,
        type=options.type,
        since=options.since,
        model=options.model,
        user_id=options.user,
        conditions=dict(options.where or ()),
    )
    run = options.run_name or f"run-{secrets.token_hex(6)}"
    jobs, tokens, usd = 0, 0, 0.0
    async for job in ended_jobs(runtime, asked):
        jobs += 1
        tokens += _tokens(job)
        usd += _usd(runtime, job, options.with_model)
    if not jobs:
        raise Refused(f"No {options.status} job in {runtime.settings.project} matches.")
    paid = (
        f"charged to their users, {tokens:,} tokens in all"
        if options.charge
        else f"free to their users ({tokens:,} tokens)"
    )
    await confirm(
        options,
        f"Makes {jobs:,} new jobs, {paid}, at about US$ {usd:,.2f} to the provider (images not counted). Their users "
        f"get a notification for each. The run is {run}.",
    )
    printer.say(f"Should it be interrupted, repeat the command with --run {run}")
    made = await _made(runtime, asked, run, options)
    fields = {"run": run, "matched": jobs, "tokens": tokens, "estimatedUsd": round(usd, 6), "jobs": dict(made)}
    printer.line({"reprocess": fields})
    printer.say(f"{made['made']:,} jobs were made, {made['there']:,} were there.", style="green")
    if left := made["left"]:
        printer.say(f"{left:,} were left: they cannot be read, or the database did not answer.", style="yellow")
    return ExitCode.FINDINGS if made["left"] else ExitCode.DONE


async def _made(runtime: Runtime, asked: EndedFilter, run: str, options: Namespace) -> Counter[str]:
    made: Counter[str] = Counter()
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def make(job: JobDocument) -> None:
        granted = 0 if options.charge else _tokens(job)
        try:
            is_new = await reprocess(runtime, job, run, model=options.with_model, granted=granted)
            made["made" if is_new else "there"] += 1
        except (JobRefused, TryLater):
            made["left"] += 1
        finally:
            at_once.release()

    async with asyncio.TaskGroup() as group:
        async for job in ended_jobs(runtime, asked):
            await at_once.acquire()
            group.create_task(make(job))
    return made


def _tokens(job: JobDocument) -> int:
    try:
        return job_types.find(job.job.type).tokens["instant" if job.fields.get("speed") == "instant" else "batch"]
    except JobRefused:
        return 0


def _usd(runtime: Runtime, job: JobDocument, model: str | None) -> float:
    """What the provider is expected to charge; 0 for a job that cannot be asked for."""
    try:
        lane = lane_for(runtime, job_types.find(job.job.type), model)
        usage = expected_usage(unaddressed_request(lane, job.job))
    except JobRefused:
        return 0.0
    cost_usd = realtime_cost_usd if job.fields.get("speed") == "instant" else batch_cost_usd
    return cost_usd(lane.provider, lane.model, usage) or 0.0


def _model(text: str) -> str:
    try:
        ModelName.parse(text)
    except ValueError as wrong:
        raise ArgumentTypeError(str(wrong)) from None
    return text


def _condition(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ArgumentTypeError("it is no FIELD=VALUE such as result.category=dry")
    return name, value


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--type", required=True, help="their job type")
    parser.add_argument("--status", choices=(COMPLETED, FAILED, CANCELLED), default=COMPLETED, help="how they ended")
    parser.add_argument("--since", type=moment, metavar="TIME", help="ended since then: 2026-11-28T10:30Z, or 36h")
    parser.add_argument("--until", type=moment, metavar="TIME", help="ended before then")
    parser.add_argument("--model", help="the model that answered them, as their documents name it")
    parser.add_argument("--user", type=user_id, metavar="UID", help="their user")
    parser.add_argument("--where", type=_condition, action="append", metavar="FIELD=VALUE", help="a field's value")
    parser.add_argument("--with-model", type=_model, metavar="MODEL", help="the model to ask now, [provider:]model")
    parser.add_argument("--charge", action="store_true", help="charge their users; without it, it is free to them")
    parser.add_argument("--run", dest="run_name", type=document_id, metavar="NAME", help="go on with this run")


COMMAND: Final = Command(
    name="reprocess",
    help="make new jobs of jobs that have ended, for another model or a changed job type",
    description="Makes a new job of each that matches: same user, type, speed and input, priority 1. The first job "
    "stays as it is. Count and price are asked for first. On the house, each user is granted the price in the commit "
    "that makes the job; with --charge the user pays. A run can be repeated by its name, and makes no job twice.",
    example="reprocess --type photo_rating --since 7d --with-model gpt-5",
    add_arguments=_add_arguments,
    run=_run,
    changes=True,
)
