"""History, savings, trends, reports and the dashboard's first page, for admins.

All of it is read from one document a day (reports/history.py), so no answer costs more with the number of jobs.
"""

import asyncio
from datetime import date, timedelta
from typing import Any, Final

from starlette.responses import Response

from nightshift.api.route import ApiCall, ApiRoute
from nightshift.api.routes import health
from nightshift.api.routes.alerts import alert_view
from nightshift.api.routes.queue import scheduler
from nightshift.api.shapes.common import ApiModel
from nightshift.api.shapes.reports import (
    MOST_DAYS,
    BatchEnds,
    Dashboard,
    DayFigures,
    DaysAsked,
    ErrorCount,
    Figures,
    GroupFigures,
    JobCounts,
    Metrics,
    MetricsAsked,
    Milestone,
    ProviderSaved,
    Remedies,
    Report,
    ReportAsked,
    Saved,
    Savings,
    Trend,
    Trends,
    TrendsAsked,
    TypeSaved,
    WaitBin,
)
from nightshift.errors import HttpError
from nightshift.reports import alerts, counters, history, period_report, stats
from nightshift.reports.history import MILESTONE_USD, History, HistoryState
from nightshift.reports.markdown import markdown_of
from nightshift.reports.period import Period
from nightshift.reports.period_report import PeriodReport
from nightshift.reports.trends import WeekTrend, first_day, trends_of
from nightshift.runtime import Runtime
from nightshift.values.day_sums import DaySums, EndSums

_USUAL_DAYS: Final = 30
_MOST_MILESTONES: Final = 100
_MOST_ERRORS: Final = 50
_MOST_OPEN_ALERTS: Final = 20
_EARLIEST: Final = date(2000, 1, 1)


async def metrics(call: ApiCall) -> Metrics:
    """Look at what some days did, by type, provider, model and mode. One read a day.

    What has ended is counted by the next tick.
    """
    asked: MetricsAsked = call.query
    found = await _history(call.runtime, asked)
    days = {
        at: day.only(type=asked.type, provider=asked.provider, model=asked.model, mode=asked.mode)
        for at, day in found.days.items()
    }
    shown = History(days=days, state=found.state)
    whole = shown.sums
    return Metrics(
        since=min(days),
        until=max(days),
        foldedUntil=found.state.folded_until,
        total=Figures(**_figures(whole.total)),
        days=_days(shown),
        groups=_groups(whole),
        waits=[WaitBin(upToSeconds=edge, jobs=jobs) for edge, jobs in whole.total.waits.edges()],
    )


async def savings(call: ApiCall) -> Savings:
    """Look at what was saved against answers in real time: in some days by type and provider, and since the beginning.

    Each 1,000 dollars are a milestone.
    """
    found = await _history(call.runtime, call.query)
    groups, state = found.sums.groups, found.state
    by_type = {name: _of(groups, type=name) for name in {key.type for key in groups}}
    by_provider = {name: _of(groups, provider=name) for name in {key.provider for key in groups}}
    return Savings(
        since=min(found.days),
        until=max(found.days),
        foldedUntil=state.folded_until,
        total=Saved(**_saved(found.sums.total)),
        byType=[TypeSaved(type=name, **_saved(sums)) for name, sums in _most_saved_first(by_type)],
        byProvider=[ProviderSaved(provider=name, **_saved(sums)) for name, sums in _most_saved_first(by_provider)],
        allTime=Saved(**_saved(state.all_time)),
        milestones=_milestones(state),
        nextMilestoneUsd=_next_milestone(state),
    )


async def trends(call: ApiCall) -> Trends:
    """Compare weeks: success rate, median and 95th percentile of waiting, cost of an answer. One read a day."""
    asked: TrendsAsked = call.query
    until = _today(call.runtime)
    found = await history.read(call.runtime, first_day(until, asked.weeks), until)
    weeks = [_trend(week) for week in trends_of(found, until, asked.weeks)]
    return Trends(foldedUntil=found.state.folded_until, weeks=weeks)


async def report(call: ApiCall) -> Report | Response:
    """Report a day, a week or a month: what happened, what it cost and saved, what went wrong, what was done.

    With `format=md` the answer is Markdown.
    """
    asked: ReportAsked = call.query
    day = asked.day or _today(call.runtime) - timedelta(days=1)
    _check_days(day, day)
    found = await period_report.read(call.runtime, Period.around(day, asked.period))
    if asked.format == "md":
        return Response(markdown_of(found), media_type="text/markdown; charset=utf-8")
    return report_view(found)


async def dashboard(call: ApiCall) -> Dashboard:
    """Look at everything at once: the last tick, the jobs, 30 days, savings, the last week, open alerts."""
    runtime, until = call.runtime, _today(call.runtime)
    found, night, state, counts, opened = await asyncio.gather(
        history.read(runtime, until - timedelta(days=_USUAL_DAYS - 1), until),
        health.look(call),
        scheduler(call),
        counters.now(runtime),
        alerts.newest_open(runtime, _MOST_OPEN_ALERTS),
    )
    (week,) = trends_of(found, until, 1)
    days = _days(found)
    return Dashboard(
        health=night,
        scheduler=state,
        jobs=JobCounts(**stats.summary(counts.by_status), countedAt=counts.counted_at),
        foldedUntil=found.state.folded_until,
        today=days[-1],
        yesterday=days[-2],
        last30Days=Figures(**_figures(found.sums.total)),
        days=days,
        allTime=Saved(**_saved(found.state.all_time)),
        nextMilestoneUsd=_next_milestone(found.state),
        week=_trend(week),
        alerts=[alert_view(alert) for alert in opened],
    )


def report_view(found: PeriodReport) -> Report:
    """A report in its answer's form."""
    sums = found.history.sums
    codes = sorted(sums.errors.items(), key=lambda one: (-one[1], one[0]))
    ends = {outcome: sums.batches.get(outcome, 0) for outcome in BatchEnds.model_fields}
    return Report(
        period=found.period.name,
        since=found.period.since,
        until=found.period.until,
        foldedUntil=found.history.state.folded_until,
        isFinal=found.is_final,
        total=Figures(**_figures(sums.total)),
        days=_days(found.history),
        groups=_groups(sums),
        batches=BatchEnds(**ends),
        openBatches=found.open_batches,
        errors=[ErrorCount(code=code, jobs=jobs) for code, jobs in codes[:_MOST_ERRORS]],
        alerts=[alert_view(alert) for alert in found.alerts],
        done=Remedies(
            retried=sums.total.retried, moved=sums.moved, stopped=sums.stopped, acknowledged=found.acknowledged
        ),
    )


async def _history(runtime: Runtime, asked: DaysAsked) -> History:
    until = asked.until or _today(runtime)
    since = asked.since or until - timedelta(days=min(_USUAL_DAYS - 1, max(0, (until - _EARLIEST).days)))
    _check_days(since, until)
    return await history.read(runtime, since, until)


def _check_days(since: date, until: date) -> None:
    """Raises HttpError for days that no history has, or more than one answer holds."""
    is_known = _EARLIEST <= since <= until and until.year < 9999
    if not is_known or (until - since).days >= MOST_DAYS:
        raise HttpError(400, "invalid_request", f"Ask for 1 to {MOST_DAYS} days since {_EARLIEST}.")


def _today(runtime: Runtime) -> date:
    return date.fromisoformat(runtime.today)


def _days(found: History) -> list[DayFigures]:
    return [DayFigures(day=at, **_figures(day.total)) for at, day in found.days.items()]


def _groups(sums: DaySums) -> list[GroupFigures]:
    ordered = sorted(sums.groups.items(), key=lambda one: (-one[1].completed, one[0]))
    return [GroupFigures(**key.fields(), **_figures(each)) for key, each in ordered]


def _of(groups: Any, **wanted: str) -> EndSums:
    return DaySums(groups=groups).only(**wanted).total


def _most_saved_first(sums: dict[str, EndSums]) -> list[tuple[str, EndSums]]:
    return sorted(sums.items(), key=lambda one: (-one[1].saved_usd, one[0]))


def _figures(sums: EndSums) -> dict[str, Any]:
    return {
        "completed": sums.completed,
        "failed": sums.failed,
        "cancelled": sums.cancelled,
        "retried": sums.retried,
        "tokens": sums.tokens,
        "inputTokens": sums.input_tokens,
        "outputTokens": sums.output_tokens,
        "costUsd": sums.cost_usd,
        "realtimeCostUsd": sums.realtime_cost_usd,
        "savedUsd": sums.saved_usd,
        "unpriced": sums.unpriced,
        "successRate": sums.success_rate,
        "usdPerCompletedJob": sums.usd_per_completed_job,
        "medianWaitSeconds": sums.waits.quantile(0.5),
        "p95WaitSeconds": sums.waits.quantile(0.95),
        "etaHits": sums.eta_hits,
        "etaMisses": sums.eta_misses,
    }


def _figures_of(shape: type[ApiModel], sums: EndSums) -> dict[str, Any]:
    """Those of the figures that a shape has."""
    return {name: figure for name, figure in _figures(sums).items() if name in shape.model_fields}


def _saved(sums: EndSums) -> dict[str, Any]:
    return _figures_of(Saved, sums)


def _milestones(state: HistoryState) -> list[Milestone]:
    numbered = [
        Milestone(usd=MILESTONE_USD * number, reachedOn=date.fromisoformat(day))
        for number, day in enumerate(state.milestones, 1)
    ]
    return numbered[::-1][:_MOST_MILESTONES]


def _next_milestone(state: HistoryState) -> int:
    return MILESTONE_USD * (len(state.milestones) + 1)


def _trend(week: WeekTrend) -> Trend:
    return Trend(
        since=week.since,
        until=week.until,
        **_figures_of(Trend, week.sums),
        successRateChange=week.success_rate_change,
        medianWaitChange=week.wait_change(0.5),
        p95WaitChange=week.wait_change(0.95),
        usdPerCompletedJobChange=week.cost_change,
    )


def _polled(path: str, handler: Any, answer: type[ApiModel], query: type[ApiModel] | None, alias: str) -> ApiRoute:
    return ApiRoute(
        method="GET",
        path=path,
        who="admin",
        handler=handler,
        query=query,
        answer=answer,
        is_polled=True,
        aliases=(alias,) if alias else (),
    )


ROUTES: Final = (
    _polled("/dashboard", dashboard, Dashboard, None, "/batch/dashboard"),
    _polled("/metrics", metrics, Metrics, MetricsAsked, "/batch/metrics"),
    _polled("/savings", savings, Savings, DaysAsked, "/batch/savings"),
    _polled("/trends", trends, Trends, TrendsAsked, ""),
    ApiRoute(
        method="GET",
        path="/report",
        who="admin",
        handler=report,
        query=ReportAsked,
        answer=Report,
        other_media_types=("text/markdown",),
        aliases=("/batch/report",),
    ),
)
