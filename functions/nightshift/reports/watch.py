"""Watch: what an admin should know is found by each tick, opened as an alert once, and closed once.

`metrics/alerts` says which alerts are open, and how many milestones were told. One commit changes it and creates or
closes the alerts, with the one notification of each. It rests on the update time at which that document was read. So
of two ticks at once one is refused and reads again, and after a lost answer the document says what is done.

| kind | it is open while |
|---|---|
| `failure_rate` | of what ended in the last hours too much failed |
| `backlog` | a queued job waits for too long |
| `late_batch` | a provider has a batch for too long |
| `savings_milestone` | no admin has acknowledged it: it is news |

What a tick could not look at stays as it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog
from google.cloud.firestore import SERVER_TIMESTAMP

from nightshift.batches.batch import Batch
from nightshift.database.collections import METRICS, NOTIFICATIONS
from nightshift.database.commits import READ, Commit, Undecided, attempts
from nightshift.jobs.ends import Ends
from nightshift.jobs.notification import notification
from nightshift.jobs.retention import notification_expiry
from nightshift.notify import preferences
from nightshift.notify.outbox import Outbox
from nightshift.reports.alert import AlertKind
from nightshift.reports.alerts import alert_ref
from nightshift.reports.history import MILESTONE_USD, HistoryState
from nightshift.runtime import Runtime
from nightshift.values.usage import count_of

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference

log = structlog.get_logger()

_OPEN: Final = "alerts"
# Of fewer ends no rate is computed.
_LEAST_ENDED: Final = 20
# What one tick opens: the next one opens the rest.
_MOST_OPENED: Final = 50
_TITLES: Final[Mapping[AlertKind, str]] = {
    "failure_rate": "Many jobs fail",
    "backlog": "Jobs wait",
    "late_batch": "A batch is late",
    "savings_milestone": "A milestone of savings",
}


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Something that an admin should know now."""

    kind: AlertKind
    # What tells it from others that may be open at the same time.
    key: str
    message: str
    value: float
    limit: float


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What a tick has looked at; None for what it could not."""

    open_batches: Sequence[Batch] | None
    oldest_queued_seconds: float | None
    history: HistoryState | None


def conditions(runtime: Runtime, seen: Observed) -> list[Condition]:
    """All that holds now, news left out."""
    settings, found = runtime.settings, list[Condition]()
    if seen.history:
        found += _failure_rate(seen.history.recent_at(runtime.now()), settings.alert_failure_rate)
    waited, limit = seen.oldest_queued_seconds, settings.alert_backlog_seconds
    if waited is not None and limit and waited >= limit:
        told = f"A queued job has waited for {_hours(waited)}."
        found.append(Condition(kind="backlog", key="backlog", message=told, value=waited, limit=limit))
    for batch in seen.open_batches or ():
        age, limit = (runtime.now() - batch.sent_at).total_seconds(), settings.alert_batch_seconds
        if limit and age >= limit:
            told = f"The batch {batch.batch_id} has been open for {_hours(age)}."
            key = f"late_batch.{batch.batch_id}"
            found.append(Condition(kind="late_batch", key=key, message=told, value=age, limit=limit))
    return found


async def watch(runtime: Runtime, seen: Observed) -> None:
    """Open and close alerts. Reads one document; writes only where something has changed. Raises TryLater."""
    holding = {found.key: found for found in conditions(runtime, seen)}
    async for _ in attempts():
        snapshot = await _ref(runtime).get(**READ)
        fields = snapshot.to_dict() or {}
        still_open = fields.get("open")
        still_open = dict(still_open) if isinstance(still_open, Mapping) else {}
        told = count_of(fields.get("milestones"))
        new = [found for key, found in holding.items() if key not in still_open][:_MOST_OPENED]
        over = {key: name for key, name in still_open.items() if key not in holding and _was_looked_at(key, seen)}
        news = _milestones(seen.history, told)
        if not new and not over and not news:
            return
        try:
            await _commit(runtime, snapshot, still_open, new, over, news, told)
        except Undecided:
            continue
        for found in (*new, *news):
            log.warning("alert_opened", kind=found.kind, value=found.value, limit=found.limit)
        for key in over:
            log.info("alert_closed", kind=key.partition(".")[0])
        return


async def _commit(
    runtime: Runtime,
    snapshot: Any,
    still_open: Mapping[str, str],
    new: Sequence[Condition],
    over: Mapping[str, str],
    news: Sequence[Condition],
    told: int,
) -> None:
    commit, now = Commit(runtime), runtime.now()
    opened = {found.key: f"{found.key}.{now:%Y%m%dT%H%M%S}" for found in new}
    left = {key: name for key, name in still_open.items() if key not in over}
    changes = {"open": {**left, **opened}, "milestones": told + len(news)}
    if snapshot.exists:
        commit.update(_ref(runtime), changes, read_as_of=snapshot.update_time)
    else:
        commit.create(_ref(runtime), changes)
    named = [*((opened[found.key], found) for found in new), *((found.key, found) for found in news)]
    for alert_id, found in named:
        fields = {"kind": found.kind, "isOpen": True, "message": found.message}
        numbers = {"value": found.value, "limit": found.limit, "openedAt": SERVER_TIMESTAMP}
        commit.create(alert_ref(runtime, alert_id), {**fields, **numbers})
    for alert_id in over.values():
        commit.merge(alert_ref(runtime, alert_id), {"isOpen": False, "closedAt": SERVER_TIMESTAMP})
    await _notify(runtime, commit, named)
    await commit.send()


async def _notify(runtime: Runtime, commit: Commit, opened: Iterable[tuple[str, Condition]]) -> None:
    """Tell the admin whom NIGHTSHIFT_ALERTS_TO names, in the app, and outside it as that admin wants it."""
    user_id, opened = runtime.settings.alerts_to, list(opened)
    if user_id is None or not opened:
        return
    outbox = Outbox(runtime, await preferences.read(runtime, [user_id]))
    ends = Ends(runtime)
    for alert_id, found in opened:
        title, place = _TITLES[found.kind], f"alert.{alert_id}"
        note = notification(user_id=user_id, job_id=alert_id, kind="alert", title=title, message=found.message)
        told = {**note, "createdAt": SERVER_TIMESTAMP, **notification_expiry(runtime)}
        ends.write(commit, NOTIFICATIONS, place, user_id, told)
        outbox.write(
            commit, user_id=user_id, topic="jobs", subject_id=place, event="alert", title=title, message=found.message
        )


def _failure_rate(recent: Sequence[Mapping[str, Any]], limit: float) -> list[Condition]:
    completed = sum(count_of(each.get("completed")) for each in recent)
    failed = sum(count_of(each.get("failed")) for each in recent)
    ended = completed + failed
    if not limit or ended < _LEAST_ENDED or failed / ended < limit:
        return []
    told = f"{failed} of the last {ended} jobs failed."
    return [Condition(kind="failure_rate", key="failure_rate", message=told, value=failed / ended, limit=limit)]


def _milestones(state: HistoryState | None, told: int) -> list[Condition]:
    reached = len(state.milestones) if state else 0
    return [
        Condition(
            kind="savings_milestone",
            key=f"savings_milestone.{number * MILESTONE_USD}",
            message=f"{number * MILESTONE_USD:,} US dollars were saved since the beginning.",
            value=float(number * MILESTONE_USD),
            limit=float(number * MILESTONE_USD),
        )
        for number in range(told + 1, min(reached, told + _MOST_OPENED) + 1)
    ]


def _was_looked_at(key: str, seen: Observed) -> bool:
    """Whether the tick can tell that this is over."""
    looked = {
        "failure_rate": seen.history,
        "backlog": seen.oldest_queued_seconds,
        "late_batch": seen.open_batches,
    }
    return looked.get(key.partition(".")[0]) is not None


def _hours(seconds: float) -> str:
    return f"{timedelta(seconds=round(seconds))}"


def _ref(runtime: Runtime) -> "AsyncDocumentReference":
    ref: AsyncDocumentReference = runtime.firestore.collection(METRICS).document(_OPEN)
    return ref
