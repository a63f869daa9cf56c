"""`jobs`: the jobs that a filter matches, the newest first.

With --user the database gives them in order, by the indexes of the app's lists: one read for each job that is looked
at. Without, there is no index in the order of time, since such an index would bound the writes of all jobs together. So
each job of the status is read, or each of the project, up to --most-reads; memory holds the newest --limit.
"""

import heapq
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

from google.cloud.firestore import FieldFilter, Query

from cli.commands.arguments import moment, user_id, whole_number
from cli.commands.command import Command, ExitCode
from cli.commands.printing import Columns, Printer, counted
from nightshift.database.collections import JOBS
from nightshift.database.commits import READ
from nightshift.jobs.documents import jobs_where
from nightshift.runtime import Runtime
from nightshift.values.status import STATUSES

_DEFAULT_LIMIT: Final = 20
_MOST: Final = 1_000
_DEFAULT_READS: Final = 20_000
_PAGE: Final = 300
_FIELDS: Final = ("userId", "type", "speed", "status", "createdAt", "errorCode", "tokensSpent", "lane", "batchId")
COLUMNS: Final[Columns] = {
    "Job": ["jobId", "userId"],
    "Type": ["type", "speed"],
    "Status": ["status", "errorCode"],
    "Age": ["age"],
}
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--status", choices=STATUSES, metavar="STATUS", help=", ".join(STATUSES))
    parser.add_argument("--since", type=moment, metavar="TIME", help="created since then: 2026-11-28T10:30Z, or 36h")
    parser.add_argument("--user", type=user_id, metavar="UID", help="of this user")
    parser.add_argument("--type", help="their job type")
    parser.add_argument("--code", help="their error code")
    parser.add_argument(
        "--limit",
        type=whole_number(_MOST),
        default=_DEFAULT_LIMIT,
        metavar="N",
        help=f"at most so many (default: {_DEFAULT_LIMIT})",
    )
    parser.add_argument(
        "--most-reads",
        type=whole_number(10_000_000),
        default=_DEFAULT_READS,
        metavar="N",
        help=f"look at no more jobs than this; each is one read (default: {_DEFAULT_READS:,})",
    )


async def _run(runtime: Runtime, options: Namespace, printer: Printer) -> ExitCode:
    newest: list[tuple[datetime, str, dict[str, Any]]] = []
    looked_at = matched = 0
    is_in_order = options.user is not None
    async for page in _pages(runtime, options):
        for snapshot in page:
            looked_at += 1
            fields = snapshot.to_dict() or {}
            if _matches(options, fields):
                matched += 1
                heapq.heappush(newest, (_created(fields), snapshot.id, fields))
                if len(newest) > options.limit:
                    heapq.heappop(newest)
        if looked_at >= options.most_reads or (is_in_order and matched >= options.limit):
            break
    found = sorted(newest, reverse=True, key=lambda job: job[:2])
    printer.table("job", [_row(runtime, job_id, fields) for _, job_id, fields in found], COLUMNS)
    is_cut = looked_at >= options.most_reads
    printer.line({"summary": {"lookedAt": looked_at, "matched": matched, "told": len(found), "isCut": is_cut}})
    printer.say("")
    printer.say(_summary(options, looked_at, matched, len(found)))
    if is_cut:
        printer.say(f"It stopped after {counted(looked_at, 'job')}; --most-reads N looks at more.", style="yellow")
    return ExitCode.DONE


def _summary(options: Namespace, looked_at: int, matched: int, told: int) -> str:
    if not matched:
        return f"No job matches, of {looked_at:,} looked at."
    if options.user or matched == told:
        return f"{counted(told, 'job')}, the newest first."
    return f"The newest {told:,} of {matched:,} that match; --limit N shows more."


def _row(runtime: Runtime, job_id: str, fields: dict[str, Any]) -> dict[str, Any]:
    at = fields.get("createdAt")
    age = runtime.now() - at if isinstance(at, datetime) else None
    return {"jobId": job_id, **{name: fields.get(name) for name in _FIELDS}, "age": age}


async def newest_of(runtime: Runtime, uid: str, limit: int) -> list[dict[str, Any]]:
    """A user's newest jobs, as rows. One read each."""
    query = jobs_where(runtime, userId=uid).order_by("createdAt", direction=Query.DESCENDING)
    found = await query.select(_FIELDS).limit(limit).get(**READ)
    return [_row(runtime, job.id, job.to_dict() or {}) for job in found]


async def _pages(runtime: Runtime, options: Namespace) -> AsyncIterator[list[Any]]:
    wanted = {name: value for name, value in (("userId", options.user), ("status", options.status)) if value}
    query = jobs_where(runtime, **wanted) if wanted else runtime.firestore.collection(JOBS)
    if options.user:
        query = query.order_by("createdAt", direction=Query.DESCENDING)
        if options.since:
            query = query.where(filter=FieldFilter("createdAt", ">=", options.since))
    else:
        query = query.order_by("__name__")
    query, last, left = query.select(_FIELDS), None, options.most_reads
    while left > 0:
        size = min(_PAGE, left)
        page = await (query.start_after(last) if last else query).limit(size).get(**READ)
        yield page
        left -= len(page)
        if len(page) < size:
            return
        last = page[-1]


def _matches(options: Namespace, fields: dict[str, Any]) -> bool:
    wanted = {"type": options.type, "errorCode": options.code}
    if any(value is not None and fields.get(name) != value for name, value in wanted.items()):
        return False
    return options.since is None or _created(fields) >= options.since


def _created(fields: dict[str, Any]) -> datetime:
    at = fields.get("createdAt")
    return at if isinstance(at, datetime) else _LONG_AGO


COMMAND: Final = Command(
    name="jobs",
    help="the jobs that match a status, user, type, error code and time, the newest first",
    description="Lists jobs, the newest first: id, user, type, speed, status, error code and age. "
    "What users wrote and got is not read. With --user it is cheap; without, every job of the status is read, and the "
    "summary says how many were.",
    example="jobs --status failed --since 36h --code provider_rejected",
    add_arguments=_add_arguments,
    run=_run,
    needs_documents=True,
)
