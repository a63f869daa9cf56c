"""What is put on record of a batch's members when they are claimed, for the history: their types, and since when they
wait. So a closed batch tells of its jobs, and no job needs to be read again."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from nightshift.jobs.job import Job
from nightshift.values.usage import count_of

_BIN: Final = timedelta(minutes=10)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class MembersAsked:
    """The members of a batch, counted."""

    types: frozenset[str] = frozenset()
    # How many are queued since which ten minutes, by their number since 1970.
    queued: Mapping[int, int] = field(default_factory=dict)
    # How many an operator let run again for nothing.
    free: int = 0

    @classmethod
    def of_jobs(cls, jobs: Iterable[Job]) -> "MembersAsked":
        """What there is to say of these jobs."""
        jobs = list(jobs)
        return cls(
            types=frozenset(job.type for job in jobs),
            queued=Counter(_bin(job.queued_at) for job in jobs if job.queued_at),
            free=sum(job.is_free for job in jobs),
        )

    @classmethod
    def of_items(cls, job_type: str, number: int, since: datetime) -> "MembersAsked":
        """The same of so many items of a bulk job, which began to run at `since`."""
        return cls(types=frozenset([job_type]), queued={_bin(since): number})

    def __add__(self, other: "MembersAsked") -> "MembersAsked":
        queued = Counter(self.queued) + Counter(other.queued)
        return MembersAsked(types=self.types | other.types, queued=queued, free=self.free + other.free)

    def waits(self, until: datetime) -> list[tuple[float, int]]:
        """Each time that members had waited for by then, in seconds, and how many had; right within five minutes."""
        middle = _BIN / 2
        return [
            (max(0.0, (until - (_EPOCH + number * _BIN + middle)).total_seconds()), counted)
            for number, counted in sorted(self.queued.items())
        ]

    def fields(self) -> dict[str, Any]:
        """The field `asked` of a batch."""
        queued = {str(number): counted for number, counted in self.queued.items()}
        return {"types": sorted(self.types), "queued": queued, **({"free": self.free} if self.free else {})}

    @classmethod
    def read(cls, fields: Any) -> "MembersAsked":
        """What a batch's field says; nothing of a batch that an older version made."""
        fields = fields if isinstance(fields, Mapping) else {}
        queued = fields.get("queued")
        queued = queued if isinstance(queued, Mapping) else {}
        return cls(
            types=frozenset(map(str, fields.get("types") or ())),
            queued={int(number): count_of(counted) for number, counted in queued.items() if str(number).isdecimal()},
            free=count_of(fields.get("free")),
        )


def _bin(moment: datetime) -> int:
    return (moment - _EPOCH) // _BIN
