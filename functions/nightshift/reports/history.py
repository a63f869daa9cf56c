"""The history: one document a day, `metrics_days/{day}`, and how far it reaches, `metrics/history`.

A range of days is read as so many documents, however many jobs there were. The tick writes them (fold.py).
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from nightshift.database.collections import METRICS, METRICS_DAYS
from nightshift.database.commits import READ, Commit
from nightshift.database.fields import time_or_none
from nightshift.jobs.in_history import HISTORY_STATE
from nightshift.runtime import Runtime
from nightshift.values.day_sums import NO_SUMS, DaySums, EndSums, total_of

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference, DocumentSnapshot

MILESTONE_USD: Final = 1_000
# In which time it is looked at how many fail.
_RECENT: Final = timedelta(hours=6)


@dataclass(frozen=True, kw_only=True)
class HistoryState:
    """How far the history reaches, and what was counted since its beginning."""

    # What ended before is counted; None = nothing is yet.
    folded_until: datetime | None
    all_time: EndSums
    # The days on which each further 1,000 dollars were saved, the oldest first, as `2026-11-21`.
    milestones: tuple[str, ...]
    # What ended in the last hours: `{at, completed, failed}`, one for some minutes.
    recent: tuple[Mapping[str, Any], ...]
    # As they are stored, for the fold.
    fields: Mapping[str, Any]
    # None = there is no document yet.
    update_time: datetime | None

    def recent_at(self, now: datetime) -> list[Mapping[str, Any]]:
        """What ended in the last hours, as of now."""
        return [each for each in self.recent if isinstance(each.get("at"), datetime) and each["at"] > now - _RECENT]


@dataclass(frozen=True, kw_only=True)
class History:
    """Some days, each of them, the oldest first."""

    days: Mapping[date, DaySums]
    state: HistoryState

    @property
    def sums(self) -> DaySums:
        """All days added up."""
        whole = DaySums()
        for day in self.days.values():
            whole += day
        return whole

    def total(self, since: date, until: date) -> EndSums:
        """Some of the days added up, both included."""
        return total_of(day.total for at, day in self.days.items() if since <= at <= until)

    def day(self, day: date) -> EndSums:
        """One day; nothing for one that was not read."""
        return self.days[day].total if day in self.days else NO_SUMS


def state_ref(runtime: Runtime) -> "AsyncDocumentReference":
    """Where the state lies."""
    ref: AsyncDocumentReference = runtime.firestore.collection(METRICS).document(HISTORY_STATE)
    return ref


def day_ref(runtime: Runtime, day: str) -> "AsyncDocumentReference":
    """Where a day lies."""
    ref: AsyncDocumentReference = runtime.firestore.collection(METRICS_DAYS).document(day)
    return ref


async def read_state(runtime: Runtime) -> HistoryState:
    """How far the history reaches. One read."""
    return _state(await state_ref(runtime).get(**READ))


async def read_days(runtime: Runtime, days: Sequence[str]) -> dict[str, DaySums]:
    """These days, as `2026-11-28`. One read each."""
    if not days:
        return {}
    found = runtime.firestore.get_all([day_ref(runtime, day) for day in days], **READ)
    stored = {snapshot.id: snapshot.to_dict() async for snapshot in found if snapshot.exists}
    return {day: DaySums.read(stored.get(day)) for day in days}


async def read(runtime: Runtime, since: date, until: date) -> History:
    """The days from `since` to `until`, both included. One read a day, and one more."""
    wanted = [since + timedelta(days=number) for number in range((until - since).days + 1)]
    days, state = await asyncio.gather(read_days(runtime, [f"{day}" for day in wanted]), read_state(runtime))
    return History(days={day: days[f"{day}"] for day in wanted}, state=state)


def write_state(runtime: Runtime, commit: Commit, state: HistoryState, changes: Mapping[str, Any]) -> None:
    """Change the state in a commit, which fails unless it is as it was read."""
    ref = state_ref(runtime)
    if state.update_time:
        commit.update(ref, changes, read_as_of=state.update_time)
    else:
        commit.create(ref, changes)


def _state(snapshot: "DocumentSnapshot[Any]") -> HistoryState:
    fields = snapshot.to_dict() or {}
    return HistoryState(
        folded_until=time_or_none(fields.get("foldedUntil")),
        all_time=EndSums.read(fields.get("allTime")),
        milestones=tuple(map(str, fields.get("milestones") or ())),
        recent=tuple(each for each in fields.get("recent") or () if isinstance(each, Mapping)),
        fields=fields,
        update_time=snapshot.update_time if snapshot.exists else None,
    )
