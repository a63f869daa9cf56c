"""Where a job is, and what happens next, as one or a few sentences for an operator."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from nightshift.batches.batch import OPEN, status_of
from nightshift.batches.step_error import StepError
from nightshift.database.fields import time_or_none
from nightshift.instant.realtime import gives_up_at, is_due, is_under_way
from nightshift.jobs.documents import job_from
from nightshift.jobs.job import Job
from nightshift.ledger.entries import charge_id, refund_id
from nightshift.pricing import shares, spending
from nightshift.pricing.shares import share_usd
from nightshift.reports.backlog import LaneState, lane_state
from nightshift.reports.story import Story
from nightshift.runtime import Runtime
from nightshift.settings import Settings
from nightshift.values.lane import Lane
from nightshift.values.status import CANCELLED, COMPLETED, CREATED, FAILED, PROCESSING, QUEUED
from nightshift.values.tokens import tokens_of
from nightshift.values.told import Telling, dollars, duration, moment

# Cloud Scheduler starts a tick every ten minutes. A job that waits for more than two waits for something else.
_TWO_TICKS: Final = timedelta(minutes=20)
_OF_BATCHES: Final[Mapping[str, str]] = {
    "assembling": "The batch is being written; should its writer have died, a tick goes on after the lease.",
    "sealed": "The batch is written, and not known to be at the provider; the next tick sends or finds it.",
    "submitted": "The provider has 24 hours for it; its webhook or the next tick after that takes the answers in.",
    "ingesting": "The provider is done with it, and the answers are being taken in.",
    "closing": "The answers are in, and what they left out is being dealt with.",
}

_WAITS_FOR: Final[Mapping[str, str]] = {
    "rate_limit": "the provider was asked too often",
    "provider": "the provider had trouble",
    "operator": "the provider does not answer without an operator: look at the key and the credit",
    "valid_answer": "the provider's last answer was not valid",
    "image": "its image, or the database, could not be read",
    "budget": "the day's budget is spent",
    "share": "its user's share of the day's budget is spent",
    "rescue": "a tick admitted it, since its event was lost",
}

_BEFORE_THE_PROVIDER: Final = ("assembling", "sealed")


@dataclass(frozen=True, kw_only=True)
class JobState:
    """What a sentence about a job rests on."""

    story: Story
    settings: Settings
    now: datetime
    # Of a queued job's lane, and what today's batches count; None where they do not matter.
    lane: LaneState | None = None
    spent_usd: float | None = None
    # What of it is its user's.
    taken_usd: float = 0.0
    # How its times are told.
    told: Telling = moment

    def at(self, at: datetime) -> str:
        """A time, as people read it."""
        return self.told(at, self.now)


async def standing_of(runtime: Runtime, story: Story, told: Telling = moment) -> JobState:
    """What a sentence about the job rests on; of a queued job its lane and the day's budget are read."""
    standing = JobState(story=story, settings=runtime.settings, now=runtime.now(), told=told)
    if story.job.get("status") != QUEUED:
        return standing
    try:
        lane = Lane.parse(story.job.get("lane"))
    except ValueError:
        return standing
    has_budget = runtime.settings.daily_budget_usd > 0
    return replace(
        standing,
        lane=await lane_state(runtime, lane),
        spent_usd=await spending.spent_usd(runtime) if has_budget else None,
        taken_usd=await shares.taken_usd(runtime, str(story.job.get("userId"))) if has_budget else 0.0,
    )


def why_it_waits(error: StepError, now: datetime, told: Telling = moment) -> str:
    """Why a batch does not go on, in a sentence."""
    hint = " It passes when you act." if error.needs_operator else ""
    return f"Its step fails: {error.reason} (first {told(error.since, now)}, last {told(error.at, now)}).{hint}"


def sentence(standing: JobState) -> str:
    """Where the job is, and what happens next."""
    status = standing.story.job.get("status")
    if status == CREATED:
        return _created(standing)
    if status == QUEUED:
        return _queued(standing)
    if status == PROCESSING:
        return _processing(standing)
    if status in (COMPLETED, FAILED, CANCELLED):
        return _ended(standing)
    return "Its status is unknown, so no tick moves it."


def _created(standing: JobState) -> str:
    told = f"It has been waiting to be admitted {_since(standing, 'createdAt')}."
    if hint := _too_long(standing, "createdAt"):
        return f"{told} {hint}"
    rescue = timedelta(seconds=standing.settings.rescue_seconds)
    return f"{told} Its event admits it, or, {duration(rescue)} after its creation, the next tick."


def _queued(standing: JobState) -> str:
    job, lane = standing.story.job, standing.lane
    attempts = tokens_of(job.get("attempts"))
    told = f"It has been queued {_since(standing, 'queuedAt')} in lane {job.get('lane')}."
    if attempts:
        told += f" It was submitted {attempts} of {standing.settings.max_attempts} times before."
    if lane and lane.backs_off_until:
        until = standing.at(lane.backs_off_until)
        return f"{told} The provider's queue was full: the lane backs off until {until}, and the next tick submits it."
    if lane and (left_alone_until := lane.users_back_off.get(str(job.get("userId")))):
        until = standing.at(left_alone_until)
        return f"{told} Its user's requests troubled the provider again and again: they wait until {until}."
    if standing.spent_usd is not None:
        limit_usd = share_usd(standing.settings)
        if standing.taken_usd >= limit_usd:
            taken = f"Its user has taken {dollars(standing.taken_usd)} of today's budget, and a user's share of it"
            return f"{told} {taken} is {dollars(limit_usd)}: it waits for the next day in UTC."
        spent = f"{dollars(standing.spent_usd)} of today's {dollars(standing.settings.daily_budget_usd)} are spent"
        told += f" {spent}: should the rest not reach for it, it waits for the next day in UTC."
    if lane and lane.held_until:
        return f"{told} A trigger or tick is submitting the lane just now."
    return f"{told} {_too_long(standing, 'queuedAt') or 'The next tick submits it.'}"


def _too_long(standing: JobState, field: str) -> str | None:
    """Where to look when a job waits longer than it should."""
    at: Any = standing.story.job.get(field)
    is_overdue = isinstance(at, datetime) and standing.now - at > _TWO_TICKS
    return "That is longer than two ticks: do they run? Look into the log of processBatchJobs." if is_overdue else None


def _processing(standing: JobState) -> str:
    story = standing.story
    job = job_from(story.job_id, story.job, standing.now)
    if job.is_realtime:
        return _realtime(standing, job)
    told = f"It has been in batch {story.job.get('batchId')}, {_since(standing, 'submittedAt')}."
    if story.batch is None:
        return f"{told} There is no such batch (any more): the tick recovers it."
    status = story.batch.get("status")
    if status not in OPEN:
        return f"{told} The batch is closed ({status}), and it was left behind: the tick recovers it."
    told = f"{told} {_OF_BATCHES[status_of(status)]}"
    if error := StepError.read(story.batch.get("lastError")):
        told = f"{told} {why_it_waits(error, standing.now, standing.told)}"
    hint = _too_long(standing, "submittedAt") if status in _BEFORE_THE_PROVIDER else None
    return f"{told} {hint} Is the provider down, or out of credit?" if hint else told


def _realtime(standing: JobState, job: Job) -> str:
    now = standing.now
    told = f"It is answered in real time, {_since(standing, 'submittedAt')}."
    if deadline := time_or_none(standing.story.job.get("deadline")):
        told += f" It was taken out of the batch lane for its deadline, {standing.at(deadline)}."
    until = standing.at(job.next_attempt_at) if job.next_attempt_at else "an unknown time"
    if is_under_way(job, now):
        return f"{told} Attempt {job.attempts} is under way; should its instance die, a sweep takes it from {until}."
    if job.waits_for:
        told += f" It waits since attempt {job.attempts}: {_WAITS_FOR.get(job.waits_for, 'the reason is not known')}."
    else:
        told += f" The instance of attempt {job.attempts} has died."
    if not is_due(job, now):
        told += f" The next attempt comes from {until}."
    elif job.next_attempt_at and now - job.next_attempt_at > _TWO_TICKS:
        told += f" It has been due since {until}: do the sweeps run? Look into the log of answerInstantJobs."
    else:
        told += " The next sweep asks for it."
    return f"{told} Without an answer it fails from {standing.at(gives_up_at(job))}."


def _ended(standing: JobState) -> str:
    story, status = standing.story, standing.story.job.get("status")
    told = f"It {'was ' if status != FAILED else ''}{status} {_at(standing, 'completedAt')}"
    code, message = story.job.get("errorCode"), story.job.get("errorMessage")
    if code:
        told += f" with {code}: {message}"
    told = f"{told.rstrip('.')}. {_money(story)}"
    if story.notification is None:
        told += " Its user has no notification: `audit --repair` writes the notification."
    if status == COMPLETED and story.classification is None:
        told += " Its classification is missing: `audit --repair` writes it."
    return told


def _money(story: Story) -> str:
    charged = -tokens_of(story.ledger.get(charge_id(story.job_id), {}).get("amount"))
    refunded = tokens_of(story.ledger.get(refund_id(story.job_id), {}).get("amount"))
    if not charged:
        return "Nothing was charged."
    cost = "1 token" if charged == 1 else f"{charged:,} tokens"
    is_free = story.job.get("status") != COMPLETED
    if not refunded:
        return f"{cost} charged" + (", and not given back: `audit --repair` does." if is_free else ".")
    return f"{cost} charged and given back" + ("." if is_free else ", though it was answered.")


def _since(standing: JobState, field: str) -> str:
    at: Any = standing.story.job.get(field)
    return f"since {standing.at(at)}" if isinstance(at, datetime) else "since an unknown time"


def _at(standing: JobState, field: str) -> str:
    at: Any = standing.story.job.get(field)
    return f"on {standing.at(at)}" if isinstance(at, datetime) else "at an unknown time"
