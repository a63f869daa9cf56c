"""When a lane may be submitted. `lanes/{lane}` holds its lease, and what turns a burst into a handful of batches."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import structlog
from google.cloud.firestore import DELETE_FIELD, SERVER_TIMESTAMP

from nightshift.batches.lane_cache import LaneCache
from nightshift.batches.queue import MOST_LEFT_OUT, Turns
from nightshift.database import leases
from nightshift.database.collections import LANES
from nightshift.database.commits import READ, Commit
from nightshift.database.leases import LeaseHolder, Writes
from nightshift.errors import LeaseHeld
from nightshift.jobs.documents import jobs_where
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane
from nightshift.values.status import QUEUED
from nightshift.values.trouble import Trouble
from nightshift.values.usage import count_of

if TYPE_CHECKING:
    from google.cloud.firestore import DocumentSnapshot

log = structlog.get_logger()

# A lane is busy that was submitted so many coalescing windows ago, or less.
_BUSY_WINDOWS: Final = 3
_PAUSE: Final = timedelta(minutes=1)
# How much wider than NIGHTSHIFT_COALESCE_SECONDS a burst makes the window.
_WIDEST: Final = 8


class HeldLane:
    """A lane on which this process has the lease."""

    def __init__(self, runtime: Runtime, lane: Lane, lease: LeaseHolder, fields: Mapping[str, Any]) -> None:
        self.lane = lane
        self.lease = lease
        self._runtime = runtime
        self._fields = fields

    @property
    def most_requests(self) -> int | None:
        """How many requests a batch may hold since the provider's queue was last full; None = no limit is known."""
        return count_of(self._fields.get("mostRequests")) or None

    @property
    def turns(self) -> Turns:
        """Whose turn it is, where not everything can be sent."""
        return Turns.read(self._fields)

    @property
    def users_backing_off(self) -> frozenset[str]:
        """The users whose requests troubled the provider again and again: their jobs wait for a while."""
        return frozenset(users_backing_off(self._fields, self._runtime.now()))

    async def record_submission(self, also: Writes, turns: Turns | None, *, is_burst: bool, release: bool) -> datetime:
        """Put the lease and a submission on record, in the commit that creates the batch; returns its update time.

        The coalescing window begins; in a burst it is twice as wide as the one before, up to a bound, and else as set.
        A learned limit is doubled, until it limits nothing any more. The turns go on.

        Args:
            also: creates the batch.
            release: give the lease up in the same commit.
        """
        changes: dict[str, Any] = {"lastSubmittedAt": SERVER_TIMESTAMP, **(turns.fields() if turns else {})}
        changes |= self._learned_limit()
        as_set = self._runtime.settings.coalesce_seconds
        before = _window_seconds(self._runtime, self._fields)
        window = min(2 * before, _WIDEST * as_set) if is_burst else as_set
        if window != before:
            changes["windowSeconds"] = window
        update_time = await self.lease.write(changes, also=also, release=release)
        self._fields = {**self._fields, **changes}
        # Spares the triggers of this instance the reading of a document that was just written.
        self._runtime.instance.lanes.close(self.lane, self._runtime.now() + timedelta(seconds=window))
        return update_time

    async def record_part(self, also: Writes) -> datetime:
        """Create the batch of a bulk job's part, and give the lane free; returns the commit's update time.

        No coalescing window begins: single jobs are not to wait for a bulk job. Raises LeaseHeld.
        """
        return await self.lease.write(self._learned_limit(), also=also, release=True)

    def _learned_limit(self) -> dict[str, Any]:
        learned = self.most_requests
        if learned is None:
            return {}
        is_needed = 2 * learned < self._runtime.settings.max_batch_requests
        return {"mostRequests": 2 * learned if is_needed else DELETE_FIELD}


async def take(runtime: Runtime, lane: Lane, *, coalesce: bool, is_ordered: bool = False) -> HeldLane | None:
    """Take the lane's lease. None if it is held, backs off, or (with `coalesce`) was submitted a moment ago.

    With `is_ordered` a lane that backs off is taken, too: an operator wants to know now whether the trouble is over.

    The lease goes on record with the batch that is created under it, so a lane without jobs costs no write. Of a busy
    lane it goes on record at once: that write keeps all other instances from reading the same jobs in vain.

    With `coalesce`, this instance's cache of the lane may answer instead of its document.
    """
    memory = runtime.instance.lanes
    if not coalesce:
        return await _take(runtime, lane, memory, coalesce=False, is_ordered=is_ordered)
    if memory.is_closed(lane):
        return None
    with memory.look(lane):
        return await _take(runtime, lane, memory, coalesce=True, is_ordered=is_ordered)


async def _take(
    runtime: Runtime, lane: Lane, memory: LaneCache, *, coalesce: bool, is_ordered: bool
) -> HeldLane | None:
    snapshot = await runtime.firestore.collection(LANES).document(lane.document_id).get(**READ)
    fields = snapshot.to_dict() or {}
    now = runtime.now()
    backs_off_until, submitted_at = fields.get("backsOffUntil"), fields.get("lastSubmittedAt")
    if _is_later(backs_off_until, now) and not is_ordered:
        memory.close(lane, backs_off_until)
        return None
    quiet_for = timedelta(seconds=_window_seconds(runtime, fields))
    if coalesce and _is_later(submitted_at, now - quiet_for):
        memory.close(lane, submitted_at + quiet_for)
        return None
    # By this process, or by another one.
    memory.close_while_held(lane)
    lease = leases.take_if_free(runtime, snapshot)
    if lease is None:
        return None
    if not snapshot.exists:
        lease.with_next_write({"lane": str(lane)})
    if coalesce and _is_later(submitted_at, now - _BUSY_WINDOWS * quiet_for):
        try:
            await lease.on_record()
        except LeaseHeld:
            return None
    return HeldLane(runtime, lane, lease, fields)


async def backing_off(
    runtime: Runtime, lane: Lane, until: datetime, most_requests: int | None, trouble: Trouble | None
) -> Writes:
    """What lets no lease holder submit this lane until then, in the commit of a batch that met the trouble.

    Args:
        most_requests: how many requests a batch may hold from then on; None leaves it as it was.
        trouble: why.
    """
    why = {"trouble": trouble.value} if trouble else {}
    return await _replaced(runtime, lane, {"backsOffUntil": until, **why}, most_requests)


async def user_backing_off(runtime: Runtime, lane: Lane, user_id: str, until: datetime) -> Writes:
    """What lets no lease holder submit a job of this user in this lane until then."""
    ref = runtime.firestore.collection(LANES).document(lane.document_id)
    others = users_backing_off((await ref.get(**READ)).to_dict() or {}, runtime.now())
    others.pop(user_id, None)
    latest = sorted(others.items(), key=lambda one: one[1])[1 - MOST_LEFT_OUT :]
    return lambda writes: writes.merge(ref, {"lane": str(lane), "usersBackOff": {**dict(latest), user_id: until}})


def users_backing_off(fields: Mapping[str, Any], now: datetime) -> dict[str, datetime]:
    """Until when jobs of users stay in the lane that these fields describe."""
    users = fields.get("usersBackOff")
    users = users if isinstance(users, Mapping) else {}
    return {user_id: until for user_id, until in users.items() if _is_later(until, now)}


async def is_broken(runtime: Runtime, lane: Lane) -> bool:
    """Whether the lane backs off, and goes on only when the operator acts. It is tried again when that is over."""
    fields = (await runtime.firestore.collection(LANES).document(lane.document_id).get(**READ)).to_dict() or {}
    trouble = Trouble.read(fields.get("trouble"))
    return trouble is not None and trouble.needs_operator and _is_later(fields.get("backsOffUntil"), runtime.now())


async def end_of_back_off(runtime: Runtime, lane: Lane) -> Writes:
    """What makes a lane be submitted again at once, in the commit that shows that its trouble is over."""
    return await _replaced(runtime, lane, {})


async def _replaced(
    runtime: Runtime, lane: Lane, fields: Mapping[str, Any], most_requests: int | None = None
) -> Writes:
    """The lane's document, replaced, its lease too: the holder that is submitting this lane stops at its next write."""
    ref = runtime.firestore.collection(LANES).document(lane.document_id)
    most_requests = most_requests or count_of(((await ref.get(**READ)).to_dict() or {}).get("mostRequests"))
    learned = {"mostRequests": most_requests} if most_requests else {}
    return lambda writes: writes.set(ref, {"lane": str(lane), **fields, **learned})


def forget_user(writes: Commit, lane: "DocumentSnapshot[Any]", user_id: str) -> bool:
    """Take a user out of a lane, if its document is still as it was read. Returns whether the lane names the user.

    If the user had the last turn, the turns begin anew.
    """
    fields = lane.to_dict() or {}
    users = fields.get("usersBackOff")
    changes: dict[str, Any] = {"turns": DELETE_FIELD} if Turns.read(fields).after == user_id else {}
    if isinstance(users, Mapping) and user_id in users:
        changes["usersBackOff"] = {other: until for other, until in users.items() if other != user_id}
    if changes:
        writes.update(lane.reference, changes, read_as_of=lane.update_time)
    return bool(changes)


def log_back_off(trouble: Trouble, pause: timedelta) -> None:
    """Tell that a lane backs off; as an error when the operator has to act before its trouble can pass."""
    (log.error if trouble.needs_operator else log.warning)(
        "lane_backs_off", error=trouble.value, seconds=pause.total_seconds()
    )


def pause(runtime: Runtime, lane: Lane) -> None:
    """Let no trigger of this instance look at the lane for a while: the provider is in trouble.

    So an outage makes no batch of each job that comes meanwhile. The tick looks all the same.
    """
    runtime.instance.lanes.close(lane, runtime.now() + _PAUSE)


def leave_to_the_tick(runtime: Runtime, lane: Lane) -> None:
    """Let no trigger of this instance look at the lane before the next day in UTC."""
    midnight = runtime.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    runtime.instance.lanes.close(lane, midnight + timedelta(days=1))


async def with_queued_jobs(runtime: Runtime) -> list[Lane]:
    """The lanes in which a job is queued, found by skipping from each lane to the next: one read per lane."""
    lanes: list[Lane] = []
    query = jobs_where(runtime, status=QUEUED).order_by("lane").limit(1)
    page = await query.get(**READ)
    while page:
        name = page[0].get("lane")
        try:
            lanes.append(Lane.parse(name))
        except ValueError:
            # Nothing of ours queues such a job; it must not keep the lanes behind it waiting.
            log.error("lane_unreadable", job_id=page[0].id)
        page = await query.start_after({"lane": name}).get(**READ)
    return lanes


def _window_seconds(runtime: Runtime, fields: Mapping[str, Any]) -> float:
    """How long triggers leave the lane alone after a submission."""
    as_set, widened = runtime.settings.coalesce_seconds, fields.get("windowSeconds")
    return min(max(as_set, widened), _WIDEST * as_set) if isinstance(widened, int | float) else as_set


def _is_later(moment: Any, than: datetime) -> TypeGuard[datetime]:
    return isinstance(moment, datetime) and moment > than
