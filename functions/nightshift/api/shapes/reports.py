"""History, savings, trends, reports and the dashboard's first page, for admins."""

from datetime import date
from typing import Any, Final, Literal

from pydantic import Field, model_validator

from nightshift.api.shapes.alerts import ALERT, AlertView
from nightshift.api.shapes.common import ApiModel, Time, example
from nightshift.api.shapes.health import Health
from nightshift.api.shapes.queue import SchedulerState

# As many days are read at most: one document each.
MOST_DAYS: Final = 366
MOST_WEEKS: Final = 52
_LONGEST_NAME: Final = 200

Mode = Literal["batch", "instant"]

_FIGURES: Final[dict[str, Any]] = {
    "completed": 4210,
    "failed": 31,
    "cancelled": 4,
    "retried": 12,
    "tokens": 4210,
    "inputTokens": 5_894_000,
    "outputTokens": 842_000,
    "costUsd": 1.5787,
    "realtimeCostUsd": 3.1575,
    "savedUsd": 1.5787,
    "unpriced": 0,
    "successRate": 0.9927,
    "usdPerCompletedJob": 0.000375,
    "medianWaitSeconds": 3480.0,
    "p95WaitSeconds": 10120.0,
    "etaHits": 11,
    "etaMisses": 1,
}
_SAVED: Final[dict[str, Any]] = {
    "completed": 4210,
    "costUsd": 1.5787,
    "realtimeCostUsd": 3.1575,
    "savedUsd": 1.5787,
}
_MILESTONE: Final[dict[str, Any]] = {"usd": 1000, "reachedOn": "2026-11-21"}
_UNTIL: Final = "2026-11-28T10:25:04.512Z"


class Figures(ApiModel):
    """What ended, what it cost, and how long it took. Each job and each item of a bulk job counts once."""

    completed: int
    failed: int
    cancelled: int
    retried: int = Field(description="Left a batch to be sent again; each counts anew when it ends.")
    tokens: int = Field(description="What users paid for the completed answers, refunds taken off.")
    inputTokens: int = Field(description="As the provider counted them.")
    outputTokens: int
    costUsd: float
    realtimeCostUsd: float = Field(description="What the same answers had cost in real time.")
    savedUsd: float
    unpriced: int = Field(description="Completed answers of models without a listed price; they are in no sum.")
    successRate: float | None = Field(None, description="Completed, of completed and failed; left out = none ended.")
    usdPerCompletedJob: float | None = Field(None, description="Left out = no answer has a price.")
    medianWaitSeconds: float | None = Field(None, description="From the request to the answer, by the histogram.")
    p95WaitSeconds: float | None = None
    etaHits: int = Field(description="Bulk jobs that ended within the range that was foretold at their start.")
    etaMisses: int

    model_config = example(**_FIGURES)


class WaitBin(ApiModel):
    """One bar of the histogram of waiting."""

    upToSeconds: float | None = Field(None, description="The bar's upper edge; left out = no edge.")
    jobs: int


class GroupFigures(Figures):
    """The figures of one type, provider, model and mode."""

    type: str
    provider: str
    model: str
    mode: Mode = Field(description="`instant`: answered in real time.")

    model_config = example(type="waste_classification", provider="openai", model="gpt-5-mini", mode="batch", **_FIGURES)


class DayFigures(Figures):
    """The figures of one day, in UTC."""

    day: date

    model_config = example(day="2026-11-27", **_FIGURES)


class DaysAsked(ApiModel):
    """Which days, in UTC. Without any: the last 30, today included."""

    since: date | None = Field(None, description="The first day; left out = 29 days before `until`.")
    until: date | None = Field(None, description="The last day; left out = today.")

    @model_validator(mode="after")
    def _in_order(self) -> "DaysAsked":
        if self.since and self.until and not 0 <= (self.until - self.since).days < MOST_DAYS:
            raise ValueError(f"since is not after until, and there are at most {MOST_DAYS} days")
        return self


class MetricsAsked(DaysAsked):
    """Which days, and of what."""

    type: str | None = Field(None, min_length=1, max_length=_LONGEST_NAME)
    provider: str | None = Field(None, min_length=1, max_length=_LONGEST_NAME)
    model: str | None = Field(None, min_length=1, max_length=_LONGEST_NAME)
    mode: Mode | None = None


class Metrics(ApiModel):
    """What some days did. A batch counts on the day on which it was created, as in `./nightshift bill`."""

    since: date
    until: date
    foldedUntil: Time | None = Field(None, description="What ended before is counted; left out = nothing is yet.")
    total: Figures
    days: list[DayFigures] = Field(description="Each day of the range, the oldest first.")
    groups: list[GroupFigures] = Field(description="Over all these days, the most completed first.")
    waits: list[WaitBin] = Field(description="Of all completed answers of these days; empty bars are left out.")

    model_config = example(
        since="2026-11-27",
        until="2026-11-27",
        foldedUntil=_UNTIL,
        total=_FIGURES,
        days=[{"day": "2026-11-27", **_FIGURES}],
        groups=[
            {"type": "waste_classification", "provider": "openai", "model": "gpt-5-mini", "mode": "batch", **_FIGURES}
        ],
        waits=[{"upToSeconds": 3600.0, "jobs": 2400}, {"upToSeconds": 14400.0, "jobs": 1810}],
    )


class Saved(ApiModel):
    """What was saved against answers in real time."""

    completed: int
    costUsd: float
    realtimeCostUsd: float
    savedUsd: float

    model_config = example(**_SAVED)


class TypeSaved(Saved):
    """What one type saved."""

    type: str

    model_config = example(type="waste_classification", **_SAVED)


class ProviderSaved(Saved):
    """What one provider saved."""

    provider: str

    model_config = example(provider="openai", **_SAVED)


class Milestone(ApiModel):
    """Another thousand dollars that were saved."""

    usd: int
    reachedOn: date

    model_config = example(**_MILESTONE)


class Savings(ApiModel):
    """What was saved in some days, and since the beginning."""

    since: date
    until: date
    foldedUntil: Time | None = None
    total: Saved
    byType: list[TypeSaved] = Field(description="The most saved first.")
    byProvider: list[ProviderSaved] = Field(description="The most saved first.")
    allTime: Saved
    milestones: list[Milestone] = Field(description="Each 1,000 dollars, the newest first; at most 100.")
    nextMilestoneUsd: int

    model_config = example(
        since="2026-10-30",
        until="2026-11-28",
        foldedUntil=_UNTIL,
        total=_SAVED,
        byType=[{"type": "waste_classification", **_SAVED}],
        byProvider=[{"provider": "openai", **_SAVED}],
        allTime={**_SAVED, "savedUsd": 1204.5},
        milestones=[_MILESTONE],
        nextMilestoneUsd=2000,
    )


class TrendsAsked(ApiModel):
    """How many weeks."""

    weeks: int = Field(8, ge=1, le=MOST_WEEKS, description="Of seven days each; the last one ends today.")


class Trend(ApiModel):
    """Four figures of a week, and by how much they changed against the week before; left out = nothing to compare."""

    since: date
    until: date
    completed: int
    failed: int
    savedUsd: float
    successRate: float | None = None
    medianWaitSeconds: float | None = None
    p95WaitSeconds: float | None = None
    usdPerCompletedJob: float | None = None
    successRateChange: float | None = Field(None, description="A difference: 0.01 = one percentage point more.")
    medianWaitChange: float | None = Field(None, description="A share of the week before: -0.1 = a tenth less.")
    p95WaitChange: float | None = Field(None, description="The same.")
    usdPerCompletedJobChange: float | None = Field(None, description="The same.")

    model_config = example(
        since="2026-11-22",
        until="2026-11-28",
        completed=28_400,
        failed=120,
        savedUsd=10.6,
        successRate=0.9958,
        medianWaitSeconds=3480.0,
        p95WaitSeconds=10120.0,
        usdPerCompletedJob=0.000375,
        successRateChange=0.0021,
        medianWaitChange=-0.08,
        p95WaitChange=0.02,
        usdPerCompletedJobChange=0.0,
    )


class Trends(ApiModel):
    """Week on week."""

    foldedUntil: Time | None = None
    weeks: list[Trend] = Field(description="The oldest first; the last one ends today.")

    model_config = example(
        foldedUntil=_UNTIL,
        weeks=[
            {"since": "2026-11-22", "until": "2026-11-28", "completed": 28_400, "failed": 120, "savedUsd": 10.6},
        ],
    )


class ReportAsked(ApiModel):
    """Which period, and in which form."""

    period: Literal["day", "week", "month"] = "day"
    day: date | None = Field(
        None, description="A day of the period, in UTC; left out = yesterday. A week begins on Monday."
    )
    format: Literal["json", "md"] = "json"


class ErrorCount(ApiModel):
    """How many jobs failed with a code."""

    code: str
    jobs: int


class Remedies(ApiModel):
    """What was done about what went wrong."""

    retried: int = Field(description="Jobs that left a batch to be sent again.")
    moved: int = Field(description="Batches whose jobs were moved to another lane.")
    stopped: int = Field(description="Batches that an admin stopped.")
    acknowledged: int = Field(description="Alerts that an admin acknowledged.")


class BatchEnds(ApiModel):
    """How many batches ended how."""

    completed: int
    failed: int
    expired: int
    cancelled: int


class Report(ApiModel):
    """A day, a week or a month: what happened, what it cost and saved, what went wrong, and what was done."""

    period: Literal["day", "week", "month"]
    since: date
    until: date
    foldedUntil: Time | None = None
    isFinal: bool = Field(description="Whether the period is over and no batch of it is open.")
    total: Figures
    days: list[DayFigures]
    groups: list[GroupFigures]
    batches: BatchEnds
    openBatches: int = Field(description="Batches of the period that are still open; they are in no sum.")
    errors: list[ErrorCount] = Field(description="The most frequent first; at most 50.")
    alerts: list[AlertView] = Field(description="Opened in the period, the newest first; at most 100.")
    done: Remedies

    model_config = example(
        period="day",
        since="2026-11-27",
        until="2026-11-27",
        foldedUntil=_UNTIL,
        isFinal=True,
        total=_FIGURES,
        days=[{"day": "2026-11-27", **_FIGURES}],
        groups=[],
        batches={"completed": 14, "failed": 0, "expired": 1, "cancelled": 0},
        openBatches=0,
        errors=[{"code": "result_invalid", "jobs": 31}],
        alerts=[ALERT],
        done={"retried": 12, "moved": 0, "stopped": 0, "acknowledged": 1},
    )


class JobCounts(ApiModel):
    """The number of jobs in each status, as `getBatchStats` says them."""

    queued: int
    processing: int
    completed: int
    failed: int
    cancelled: int
    total: int
    countedAt: Time = Field(description="Of few jobs, now; of many, when the tick last counted them.")


class Dashboard(ApiModel):
    """The first page of the dashboard in one answer."""

    health: Health
    scheduler: SchedulerState
    jobs: JobCounts
    foldedUntil: Time | None = None
    today: DayFigures
    yesterday: DayFigures
    last30Days: Figures
    days: list[DayFigures] = Field(description="The last 30, the oldest first.")
    allTime: Saved
    nextMilestoneUsd: int
    week: Trend = Field(description="The last seven days against the seven before.")
    alerts: list[AlertView] = Field(description="Those that are open, the newest first; at most 20.")

    model_config = example(
        health={"status": "ok"},
        scheduler={"isStopped": False},
        jobs={
            "queued": 312,
            "processing": 900,
            "completed": 120_410,
            "failed": 310,
            "cancelled": 12,
            "total": 121_944,
            "countedAt": _UNTIL,
        },
        foldedUntil=_UNTIL,
        today={"day": "2026-11-28", **_FIGURES},
        yesterday={"day": "2026-11-27", **_FIGURES},
        last30Days=_FIGURES,
        days=[],
        allTime={**_SAVED, "savedUsd": 1204.5},
        nextMilestoneUsd=2000,
        week={"since": "2026-11-22", "until": "2026-11-28", "completed": 28_400, "failed": 120, "savedUsd": 10.6},
        alerts=[ALERT],
    )
