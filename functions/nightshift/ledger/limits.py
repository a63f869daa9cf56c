"""What a user may have: the limits, and what the wallet's document keeps so that they hold.

How many were admitted today is counted there exactly. How many are in flight is not: each admission adds one to
`inFlightAtMost`, and no end takes one away, or every answer would write a wallet. So it is a bound, and as long as it
is below the limit nothing more needs to be known. Where it is not, the database counts the jobs, and the bound goes on
from there. A retry adds nothing: from `processing` back to `queued` a job stays in flight, however long it takes. One
that an operator runs again after its end adds one.

What failed answers cost us is counted there, too. A job that fails, or is cancelled, gives its tokens back, so tokens
alone would not bound it: with five of them a user could have any number of answers that are refused, cut off or not
valid. The commit that ends such a job adds its cost, on the day of that end.

A quote costs nothing, and its rows and images have to be read for it. So the quotes of the day that were not paid are
counted: one more in the commit that lets a bulk job be read, one less in the commit that charges it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from nightshift.errors import JobRefused
from nightshift.values.texts import Text
from nightshift.values.tokens import tokens_of
from nightshift.values.usage import count_of, usd_of

# Each may have all the rows that a bulk job may have.
MOST_UNPAID_QUOTES: Final = 30


@dataclass(frozen=True, kw_only=True)
class UserLimits:
    """How many jobs one user may have, and what the failed ones may cost us in a day; 0 = no limit but the tokens."""

    per_day: int
    # Queued and processing.
    in_flight: int
    failed_usd: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Admissions:
    """How many jobs of one user were admitted, as the field `admissions` of the wallet keeps it."""

    # In UTC, as `2025-06-19`, and how many on it.
    day: str
    on_day: int
    in_flight_at_most: int
    # What answers have cost on this day whose jobs ended without one.
    failed_usd: float = 0.0
    # Bulk jobs that were let in on this day, and not charged so far.
    unpaid_quotes: int = 0

    @classmethod
    def read(cls, wallet: Mapping[str, Any] | None, today: str) -> "Admissions":
        """The admissions in a wallet's fields, as of today.

        Where the field is missing, what was spent bounds what is in flight: each job there was paid for.
        """
        wallet = wallet or {}
        kept = wallet.get("admissions")
        if not isinstance(kept, Mapping):
            return cls(day=today, on_day=0, in_flight_at_most=max(0, tokens_of(wallet.get("totalSpent"))))
        day = kept.get("day")
        # Around midnight the clock of another instance may be ahead: its day is not begun anew.
        is_current = isinstance(day, str) and day >= today
        return cls(
            day=str(day) if is_current else today,
            on_day=count_of(kept.get("onDay")) if is_current else 0,
            in_flight_at_most=count_of(kept.get("inFlightAtMost")),
            failed_usd=usd_of(kept.get("failedUsd")) if is_current else 0.0,
            unpaid_quotes=count_of(kept.get("unpaidQuotes")) if is_current else 0,
        )

    def needs_count(self, limits: UserLimits, more: int) -> bool:
        """Whether only a count of the jobs in flight can say if so many more may be admitted."""
        return 0 < limits.in_flight < self.in_flight_at_most + more

    def counted(self, in_flight: int) -> "Admissions":
        """The same once the jobs in flight were counted."""
        return replace(self, in_flight_at_most=in_flight)

    def is_day_over(self, limits: UserLimits) -> bool:
        """Whether no more jobs are admitted today."""
        return 0 < limits.per_day <= self.on_day or self.has_failed_too_often(limits)

    def has_failed_too_often(self, limits: UserLimits) -> bool:
        """Whether the failed answers of the day have cost us all that they may."""
        return 0 < limits.failed_usd <= self.failed_usd

    def check_failures(self, limits: UserLimits) -> None:
        """Raise JobRefused if they have."""
        if self.has_failed_too_often(limits):
            raise _too_many_failures()

    def refusal(self, limits: UserLimits) -> JobRefused | None:
        """Why one more job is refused, if it is."""
        if self.has_failed_too_often(limits):
            return _too_many_failures()
        if self.is_day_over(limits):
            return JobRefused("daily_limit", Text.LIMIT_OF_DAY.say(limit=limits.per_day))
        if 0 < limits.in_flight <= self.in_flight_at_most:
            return JobRefused("too_many_jobs", Text.LIMIT_OF_WAITING.say(limit=limits.in_flight))
        return None

    def with_one_more(self) -> "Admissions":
        """The same after an admission."""
        return replace(self, on_day=self.on_day + 1, in_flight_at_most=self.in_flight_at_most + 1)

    def with_one_again(self) -> "Admissions":
        """The same once a job that had ended is in flight again: it was admitted before."""
        return replace(self, in_flight_at_most=self.in_flight_at_most + 1)

    def with_quote(self) -> "Admissions":
        """The same once a bulk job is read. Raises JobRefused if too many of today were not paid."""
        if self.unpaid_quotes >= MOST_UNPAID_QUOTES:
            raise JobRefused("daily_limit", Text.LIMIT_OF_QUOTES.say(limit=MOST_UNPAID_QUOTES))
        return replace(self, unpaid_quotes=self.unpaid_quotes + 1)

    def with_quote_paid(self) -> "Admissions":
        """The same once a bulk job is charged; it may be one of another day."""
        return replace(self, unpaid_quotes=max(0, self.unpaid_quotes - 1))

    def with_failed(self, usd: float) -> "Admissions":
        """The same once answers of this cost were given to jobs that ended without one."""
        return replace(self, failed_usd=self.failed_usd + usd)

    def fields(self) -> dict[str, Any]:
        """The wallet's field."""
        kept = {"day": self.day, "onDay": self.on_day, "inFlightAtMost": self.in_flight_at_most}
        failed = {"failedUsd": self.failed_usd} if self.failed_usd else {}
        unpaid = {"unpaidQuotes": self.unpaid_quotes} if self.unpaid_quotes else {}
        return {"admissions": {**kept, **failed, **unpaid}}


def _too_many_failures() -> JobRefused:
    return JobRefused("too_many_failures", Text.LIMIT_OF_FAILURES.say())
