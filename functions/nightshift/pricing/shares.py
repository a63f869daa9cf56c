"""Each user's share of the day's budget: once a user has taken it, the user's further jobs wait for the next day (UTC).

So however early a user's jobs come, they take a share of the day and one job more at most; the rest is for others. A
job counts for its user by `shareUsd` on its `shareDay`. In a batch that is the estimate, written by the commit that
claims it; from the job's end on it is what the job cost. No write is made for that alone.

The share is a tenth at least, so ten users at most can have taken theirs: the queue is read without these.
"""

import asyncio
from collections.abc import Iterable, Mapping
from math import inf
from typing import Any, Final

import structlog
from google.cloud.firestore import FieldFilter

from nightshift.database.collections import BATCHES, BULK_JOBS, JOBS
from nightshift.database.commits import READ
from nightshift.runtime import Runtime
from nightshift.settings import Settings

log = structlog.get_logger()

_SUMS_AT_ONCE: Final = 16


def share_usd(settings: Settings) -> float:
    """What one user may take of a day's budget; infinite without a limit."""
    is_limited = settings.daily_budget_usd and settings.max_user_budget_share < 1
    return settings.daily_budget_usd * settings.max_user_budget_share if is_limited else inf


async def taken_usd(runtime: Runtime, user_id: str) -> float:
    """What a user has taken of today's budget, by jobs, by parts of bulk jobs, and by bulk jobs in real time.

    Three sums, each billed as one read per 1,000 of what the user has there of today.
    """

    async def taken(collection: str, day: str, usd: str) -> float:
        of_user = runtime.firestore.collection(collection).where(filter=FieldFilter("userId", "==", user_id))
        of_today = of_user.where(filter=FieldFilter(day, "==", runtime.today))
        return float((await of_today.sum(usd).get(**READ))[0][0].value or 0)

    return sum(
        await asyncio.gather(
            taken(JOBS, "shareDay", "shareUsd"),
            # Only a part's batch names its user.
            taken(BATCHES, "budgetDay", "budgetUsd"),
            taken(BULK_JOBS, "budgetDay", "budgetUsd"),
        )
    )


def counted(runtime: Runtime, usd: float) -> dict[str, Any]:
    """The fields by which a job counts for its user today."""
    return {"shareDay": runtime.today, "shareUsd": usd}


class SpentShares:
    """The users of whom an instance has seen today that their share is spent. They are asked for anew before use."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._day = ""
        self._users: set[str] = set()

    @property
    def users(self) -> frozenset[str]:
        """Those of today."""
        return frozenset(self._users) if self._day == self._runtime.today else frozenset()

    def note(self, user_id: str, job_id: str, taken: float) -> None:
        """Take note that a job waits since its user's share is spent; told once for each user and day."""
        if user_id not in self.users:
            self._users = {*self.users, user_id}
            self._day = self._runtime.today
            limit_usd = share_usd(self._runtime.settings)
            log.warning("share_spent", job_id=job_id, taken_usd=taken, share_usd=limit_usd)


class Shares:
    """What users have taken of today's budget, while a batch of a lane fills."""

    def __init__(self, runtime: Runtime, spent_usd: float) -> None:
        """Begin with what all users together have spent before the batch."""
        self._runtime = runtime
        self._limit_usd = share_usd(runtime.settings)
        self._spent_usd = spent_usd
        self._taken_usd: dict[str, float] = {}
        self._looked_up: set[str] = set()

    @property
    def are_limited(self) -> bool:
        """Whether a user's jobs may have to wait."""
        return self._limit_usd < inf

    @property
    def spent(self) -> frozenset[str]:
        """The users who have taken theirs."""
        return frozenset(user_id for user_id in self._taken_usd if self.is_spent(user_id))

    def is_spent(self, user_id: str, more_usd: float = 0.0) -> bool:
        """Whether a user has taken a share, with so much more than is known of."""
        return self._taken_usd.get(user_id, 0.0) + more_usd >= self._limit_usd

    def add(self, of_users: Mapping[str, float]) -> None:
        """Count what was claimed."""
        for user_id, usd in of_users.items():
            self._taken_usd[user_id] = self._taken_usd.get(user_id, 0.0) + usd

    def note(self, user_id: str, job_id: str, more_usd: float) -> None:
        """Take note that a job waits."""
        self._runtime.instance.spent_shares.note(user_id, job_id, self._taken_usd.get(user_id, 0.0) + more_usd)

    async def look(self, user_ids: Iterable[str], batch_usd: float) -> None:
        """Read what users have taken. Nothing is read while not even all users together have taken a share.

        Args:
            batch_usd: what the batch takes with all their jobs.
        """
        if self._spent_usd + batch_usd < self._limit_usd:
            return
        at_once = asyncio.Semaphore(_SUMS_AT_ONCE)

        async def look_up(user_id: str) -> None:
            async with at_once:
                # What this batch has claimed is among it.
                self._taken_usd[user_id] = await taken_usd(self._runtime, user_id)

        unknown = set(user_ids) - self._looked_up
        await asyncio.gather(*map(look_up, unknown))
        self._looked_up |= unknown

    def forget(self) -> None:
        """Look everything up anew: of a claim it is not known if it landed."""
        self._taken_usd.clear()
        self._looked_up.clear()
