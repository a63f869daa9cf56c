"""What an instance knows of the parts of bulk jobs, so that the end of one part does not read all others again.

A bulk job of a million rows has 500 parts, and each end of one, and each tick, looks at all of them. Every write to a
part moves its `updatedAt`. So an instance that has read all parts once reads only what has changed since.

`updatedAt` is when the server got the request, and a commit may land some time after that. So what was written shortly
before the latest known change is read again. What was changed by hand, without a new `updatedAt`, is seen after ten
minutes: then all parts are read anew.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from nightshift.bulk import documents
from nightshift.bulk.bulk_job import BulkJob
from nightshift.bulk.part import BulkPart
from nightshift.runtime import Runtime

_KNOWN_FOR: Final = timedelta(minutes=10)


@dataclass(kw_only=True)
class _PartsOfOne:
    """The parts of one bulk job, by their numbers."""

    # Of the bulk job: another one may come under its id.
    created_at: datetime
    read_at: datetime
    parts: dict[int, BulkPart] = field(default_factory=dict)

    @property
    def changed_at(self) -> datetime | None:
        """The latest change; None if a part does not say when it was changed."""
        moments = [part.updated_at for part in self.parts.values()]
        return max((moment for moment in moments if moment), default=None) if all(moments) else None

    def learn(self, parts: Iterable[BulkPart]) -> None:
        """Take what is newer. Of two readings at once the first may answer last."""
        for part in parts:
            before = self.parts.get(part.part)
            if before is None or before.update_time <= part.update_time:
                self.parts[part.part] = part


class KnownParts:
    """The parts of the bulk jobs that this instance has moved on lately."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        # The one that was asked for the longest time ago first.
        self._bulk_jobs: OrderedDict[str, _PartsOfOne] = OrderedDict()

    async def of(self, bulk: BulkJob) -> list[BulkPart]:
        """All parts of a bulk job whose source was read, as they are now, in their order.

        What their items are is left out, as in `documents.parts_of`.
        """
        known = self._usable(bulk)
        if known and (changed_at := known.changed_at):
            since = changed_at - timedelta(seconds=self._runtime.instance.bounds.commit_lands_within_seconds)
            known.learn(await documents.parts_changed_since(self._runtime, bulk.bulk_id, since))
        else:
            known = _PartsOfOne(created_at=bulk.created_at, read_at=self._runtime.now())
            known.learn(await documents.parts_of(self._runtime, bulk.bulk_id, bulk.parts))
            self._keep(bulk.bulk_id, known)
        return [part for number, part in sorted(known.parts.items()) if number <= bulk.parts]

    def _usable(self, bulk: BulkJob) -> _PartsOfOne | None:
        known = self._bulk_jobs.get(bulk.bulk_id)
        if known is None or known.created_at != bulk.created_at or len(known.parts) < bulk.parts:
            return None
        self._bulk_jobs.move_to_end(bulk.bulk_id)
        return known if self._runtime.now() - known.read_at < _KNOWN_FOR else None

    def _keep(self, bulk_id: str, known: _PartsOfOne) -> None:
        self._bulk_jobs[bulk_id] = known
        self._bulk_jobs.move_to_end(bulk_id)
        most = self._runtime.instance.bounds.known_parts
        while len(self._bulk_jobs) > 1 and sum(len(each.parts) for each in self._bulk_jobs.values()) > most:
            self._bulk_jobs.popitem(last=False)
