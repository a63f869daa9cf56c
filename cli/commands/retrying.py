"""`retry jobs`: run all failed jobs again that a filter matches, once their count and their price are confirmed.

It reads every failed job twice, once to count and once to run; each job is run again by a commit of its own. It can be
stopped, or die, at any place: what ran again is failed no more, and the same command goes on with the rest. A job that
failed again after the command began is left to the next one.
"""

import asyncio
from argparse import Namespace
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from cli.commands.command import ExitCode, Refused
from cli.commands.confirmation import confirm
from cli.commands.printing import Printer
from nightshift.admission.failed_jobs import Filter, failed_jobs
from nightshift.admission.retry import retry
from nightshift.admission.retry_price import price_of
from nightshift.errors import JobRefused, TryLater
from nightshift.jobs.created import JobDocument
from nightshift.runtime import Runtime
from nightshift.values.status import FAILED

_AT_ONCE: Final = 8
_MOST_REASONS: Final = 20


@dataclass
class _Done:
    statuses: Counter[str] = field(default_factory=Counter)
    # Why a job was not run again, and how often.
    left: Counter[str] = field(default_factory=Counter)


async def retry_jobs(runtime: Runtime, options: Namespace, printer: Printer) -> ExitCode:
    """Run all of them again."""
    asked = Filter(before=runtime.now(), code=options.code, type=options.type, lane=options.lane, since=options.since)
    price = await price_of(runtime, asked)
    if not price.jobs:
        raise Refused(f"No failed job in {runtime.settings.project} matches.")
    charged = f"; {price.charged:,} of them were never charged, and are for up to {price.tokens:,} tokens"
    await confirm(
        options,
        f"Runs up to {price.jobs:,} jobs again, at about US$ {price.usd:,.2f} to the provider (images not counted), "
        f"free to their users{charged if price.charged else ''}. Their notifications are deleted. A job whose batch is "
        "still open is left as it is.",
    )
    done = await _run_again(runtime, asked)
    left, ran = done.left.total(), done.statuses.total() - done.statuses[FAILED]
    printer.line(
        {
            "retry": {
                "matched": price.jobs,
                "estimatedUsd": round(price.usd, 6),
                "tokens": price.tokens,
                "statuses": dict(done.statuses),
                "left": dict(done.left),
            }
        }
    )
    printer.say(f"{ran:,} jobs run again.", style="green")
    for reason, number in done.left.items():
        printer.say(f"{number:,} were left as they are: {reason}", style="yellow")
    if refused := done.statuses[FAILED]:
        printer.say(f"{refused:,} were refused again.", style="yellow")
    return ExitCode.FINDINGS if left or refused else ExitCode.DONE


async def _run_again(runtime: Runtime, asked: Filter) -> _Done:
    done = _Done()

    async def run_one(job: JobDocument) -> None:
        try:
            done.statuses[await retry(runtime, job.job_id)] += 1
        except JobRefused as refusal:
            known = len(done.left) < _MOST_REASONS or refusal.message in done.left
            done.left[refusal.message if known else "for other reasons"] += 1
        except TryLater as trouble:
            done.left[f"the database did not answer ({trouble})"] += 1

    async for jobs in _some_at_once(failed_jobs(runtime, asked)):
        await asyncio.gather(*(run_one(job) for job in jobs))
    return done


async def _some_at_once(jobs: AsyncIterator[JobDocument]) -> AsyncIterator[list[JobDocument]]:
    some: list[JobDocument] = []
    async for job in jobs:
        some.append(job)
        if len(some) == _AT_ONCE:
            yield some
            some = []
    if some:
        yield some
