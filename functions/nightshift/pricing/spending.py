"""What counts against the day's budget: batches by what they are to cost, answers in real time by what they did.

An answer in real time is wanted in seconds. So an instance reads the sums once a minute, and adds to them what it
spends itself. By as much as the other instances spend in that minute the budget may be overshot.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Final

import structlog
from google.cloud.firestore import FieldFilter

from nightshift.database.collections import BATCHES, BULK_JOBS, JOBS
from nightshift.database.commits import READ
from nightshift.errors import BudgetSpent, ShareSpent
from nightshift.pricing.shares import share_usd, taken_usd
from nightshift.runtime import Runtime

log = structlog.get_logger()

_REMEMBERED: Final = timedelta(minutes=1)


async def spent_usd(runtime: Runtime) -> float:
    """What is spent of today's budget: three sums of the database, billed as one read per 1,000 documents in each."""
    of_batches, of_bulk_jobs, of_answers = await asyncio.gather(
        _sum_usd(runtime, BATCHES, "budgetUsd"),
        # Those that are answered in real time.
        _sum_usd(runtime, BULK_JOBS, "budgetUsd"),
        # A job has a `budgetDay` of its own only if it was answered in real time.
        _sum_usd(runtime, JOBS, "costUsd"),
    )
    return of_batches + of_bulk_jobs + of_answers


async def _sum_usd(runtime: Runtime, collection: str, field: str) -> float:
    of_today = runtime.firestore.collection(collection).where(filter=FieldFilter("budgetDay", "==", runtime.today))
    return float((await of_today.sum(field).get(**READ))[0][0].value or 0)


class DayBudget:
    """What the budget still has for answers in real time, as one instance knows it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._spent_usd = 0.0
        # Of those users who were asked about since then.
        self._of_users: dict[str, float] = {}
        self._read_at: datetime | None = None
        self._one_reading_at_a_time = asyncio.Lock()

    async def check(self, user_id: str, job_id: str) -> None:
        """See whether a user's job may be asked for today. Without a budget nothing is read.

        Raises:
            BudgetSpent: the day's budget is.
            ShareSpent: the user's share of it is.
        """
        budget_usd = self._runtime.settings.daily_budget_usd
        if not budget_usd:
            return
        async with self._one_reading_at_a_time:
            if self._read_at is None or self._runtime.now() >= self._read_at + _REMEMBERED:
                self._spent_usd = await spent_usd(self._runtime)
                self._read_at = self._runtime.now()
                self._of_users.clear()
                if self._spent_usd >= budget_usd:
                    log.error("budget_spent", spent_usd=self._spent_usd, budget_usd=budget_usd)
        if self._spent_usd >= budget_usd:
            raise BudgetSpent(self._spent_usd, budget_usd)
        await self._check_share(user_id, job_id)

    async def _check_share(self, user_id: str, job_id: str) -> None:
        limit_usd = share_usd(self._runtime.settings)
        # Not even all users together have taken one.
        if self._spent_usd < limit_usd:
            return
        async with self._one_reading_at_a_time:
            if user_id not in self._of_users:
                self._of_users[user_id] = await taken_usd(self._runtime, user_id)
        taken = self._of_users[user_id]
        if taken >= limit_usd:
            self._runtime.instance.spent_shares.note(user_id, job_id, taken)
            raise ShareSpent(f"{taken:.2f} of the user's {limit_usd:.2f} US dollars of today are spent")

    def spend(self, user_id: str, usd: float) -> None:
        """Take note of what an answer has cost."""
        self._spent_usd += usd
        if user_id in self._of_users:
            self._of_users[user_id] += usd
