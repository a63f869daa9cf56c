"""In which order a lane's queued jobs are taken: every one of them is served in bounded time.

By age. A job stands in the queue at the time at which it was queued, and `_AHEAD` earlier for each point of its
priority. So a job of priority 10 passes one of priority 5 that has waited for less than 20 hours. It passes none that
has waited longer. Nothing is stored for that: the jobs of each priority are read in the order in which they were
queued, as one stream, and the streams are merged. A job that is queued again keeps its `queuedAt`, and so its place.

By turns. Where not everything can be sent, as under a day's budget, one user with 20,000 jobs would stand before all
users who come later. There every second place goes to the users in turn, the first job of each, in the order of their
ids. The lane's document keeps whose turn was the last, written with the batch that it is about. Of two batches one
begins by age and one by turns, so both go on, however small a batch is. So with n users waiting, each has a job sent in
every 2n places. The job that is the first by age goes with every second place at the latest.

Users who have taken their share of the day's budget, or whose jobs wait after trouble, are left out of both.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.cloud.firestore import FieldFilter, Query

from nightshift.database.reads import fetch, stream
from nightshift.jobs.documents import job_of, jobs_where
from nightshift.jobs.job import DEFAULT_PRIORITY, Job
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane
from nightshift.values.status import QUEUED

# How much earlier one point of priority is served.
_AHEAD: Final = timedelta(hours=4)
# Each costs a query, one after the other.
_MOST_TURNS: Final = 50
# As many as `not-in` takes: https://firebase.google.com/docs/firestore/query-data/queries#not-in
MOST_LEFT_OUT: Final = 10
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Turns:
    """Whose turn it is in a lane where not everything can be sent."""

    # The user whose turn was the last; empty before the first.
    after: str = ""
    # Whether the next batch begins with a turn.
    is_first: bool = False
    # Of each job that was read by turns its user, in their order.
    users: dict[str, str] = field(default_factory=dict, compare=False)

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> "Turns":
        """The turns in a lane's document."""
        kept = fields.get("turns")
        kept = kept if isinstance(kept, Mapping) else {}
        after = kept.get("after")
        return cls(after=after if isinstance(after, str) else "", is_first=kept.get("isFirst") is True)

    def taken(self, job_ids: list[str]) -> "Turns":
        """The turns for the next batch, once these jobs had their places in this one."""
        had = [self.users[job_id] for job_id in job_ids if job_id in self.users]
        return replace(self, after=had[-1] if had else self.after, is_first=not self.is_first)

    def fields(self) -> dict[str, Any]:
        """The field of the lane's document; empty where no user had a turn."""
        return {"turns": {"after": self.after, "isFirst": self.is_first}} if self.users else {}


async def queued(
    runtime: Runtime,
    lane: Lane,
    limit: int,
    page: int,
    turns: Turns | None = None,
    without: Collection[str] = (),
    of_user: str | None = None,
) -> AsyncGenerator[tuple[list[Job], bool], None]:
    """The lane's next jobs, at most `limit`, by age, and with `turns` every second one by turns.

    They are read as streams: a query for each page would pass over all that was claimed before.

    Args:
        without: users whose jobs stay in the queue, at most `MOST_LEFT_OUT`.
        of_user: only this user's jobs; not together with `turns` or `without`.

    Yields:
        Up to `page` jobs, and whether they are the last. Nothing if no job is queued.

    Raises:
        Undecided: a stream broke off; what was not claimed yet is still queued.
    """
    most_turns = max(2, min(_MOST_TURNS, limit))
    by_turns = await _by_turns(runtime, lane, turns, most_turns, without) if turns else []
    jobs: list[Job] = []
    number = 0
    async with aclosing(_by_age(runtime, lane, limit, without, of_user)) as by_age:
        in_order = _alternating(by_age, by_turns, begins_by_turn=turns is not None and turns.is_first)
        async with aclosing(in_order) as snapshots:
            async for snapshot in snapshots:
                if len(jobs) == page:
                    yield jobs, False
                    jobs = []
                jobs.append(job_of(snapshot))
                number += 1
                if number == limit:
                    break
    if jobs:
        yield jobs, True


async def _by_age(
    runtime: Runtime, lane: Lane, limit: int, without: Collection[str], of_user: str | None
) -> AsyncGenerator[Any, None]:
    """The lane's queued jobs, the streams of all priorities merged."""
    wanted = {"status": QUEUED, "lane": str(lane), **({"userId": of_user} if of_user else {})}
    query = jobs_where(runtime, **wanted).order_by("priority", direction=Query.DESCENDING)
    query = _oldest_first(query, without)
    async with AsyncExitStack() as open_streams:
        heads: list[Any] = []
        rests: list[AsyncIterator[Any]] = []
        # The first of each priority is found by skipping from one priority to the next, one read each.
        page = await fetch(runtime, query.limit(1))
        while page:
            head, priority = page[0], page[0].get("priority")
            of_priority = _oldest_first(jobs_where(runtime, **wanted, priority=priority), without)
            heads.append(head)
            rest = stream(runtime, of_priority.start_after(head).limit(limit))
            rests.append(await open_streams.enter_async_context(aclosing(rest)))
            page = await fetch(runtime, query.start_after({"priority": priority}).limit(1))
        while len(heads) > 1:
            at = min(range(len(heads)), key=lambda place: _served_as_of(heads[place]))
            yield heads[at]
            following = await anext(rests[at], None)
            if following is None:
                del heads[at], rests[at]
            else:
                heads[at] = following
        for head, others in zip(heads, rests, strict=True):
            yield head
            async for other in others:
                yield other


def _oldest_first(query: Any, without: Collection[str]) -> Any:
    query = query.order_by("queuedAt")
    if not without:
        return query
    # The database passes over these users' jobs in the index, at a read per 1,000.
    return query.where(filter=FieldFilter("userId", "not-in", sorted(without))).order_by("userId")


async def _by_turns(runtime: Runtime, lane: Lane, turns: Turns, most: int, without: Collection[str]) -> list[Any]:
    """The first job of each of the next users, all the way round; none where only one user waits."""
    query = jobs_where(runtime, status=QUEUED, lane=str(lane)).order_by("userId")
    query = query.order_by("priority", direction=Query.DESCENDING).order_by("queuedAt").limit(1)
    found: dict[str, Any] = {}
    passed: set[str] = set()
    after, is_round = turns.after, turns.after == ""
    while len(found) < most:
        page = await fetch(runtime, query.start_after({"userId": after}) if after else query)
        if not page and not is_round:
            after, is_round = "", True
            continue
        user_id = page[0].get("userId") if page else None
        if user_id is None or user_id in passed:
            break
        passed.add(user_id)
        if user_id not in without:
            found[user_id] = page[0]
        after = user_id
    if len(found) < 2:
        return []
    turns.users.update({snapshot.id: user_id for user_id, snapshot in found.items()})
    return list(found.values())


async def _alternating(
    by_age: AsyncIterator[Any], by_turns: list[Any], *, begins_by_turn: bool
) -> AsyncGenerator[Any, None]:
    """One of the one and one of the other, each job once; then what is left."""
    seen: set[str] = set()
    left = list(by_turns)
    is_turn = begins_by_turn
    while left:
        snapshot = left.pop(0) if is_turn else await anext(by_age, None)
        is_turn = snapshot is None or not is_turn
        if snapshot is not None and snapshot.id not in seen:
            seen.add(snapshot.id)
            yield snapshot
    async for snapshot in by_age:
        if snapshot.id not in seen:
            yield snapshot


def _served_as_of(snapshot: Any) -> datetime:
    queued_at, priority = snapshot.get("queuedAt"), snapshot.get("priority")
    queued_at = queued_at if isinstance(queued_at, datetime) else _LONG_AGO
    points = priority if isinstance(priority, int) and 0 <= priority <= 10 else DEFAULT_PRIORITY
    served_as_of: datetime = queued_at - points * _AHEAD
    return served_as_of
