"""A report as Markdown, for a person, an e-mail or a chat."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Final

from nightshift.reports.period_report import PeriodReport
from nightshift.values.day_sums import EndSums

_HEAD: Final = ("completed", "failed", "cancelled", "cost", "in real time", "saved")
# In a table's cell they would end it, or mean something.
_ESCAPED: Final = str.maketrans({"\n": " "} | {character: f"\\{character}" for character in "\\|`*_<>[]#"})


def markdown_of(report: PeriodReport) -> str:
    """The whole report."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: PeriodReport) -> Iterator[str]:
    period, sums = report.period, report.history.sums
    total = sums.total
    span = f"{period.since}" if period.since == period.until else f"{period.since} to {period.until}"
    yield f"# Nightshift, {period.name} {span}"
    yield ""
    if not report.is_final:
        counted = report.history.state.folded_until
        yield f"Not final: {report.open_batches} batches are open; counted until {counted or 'never'}."
        yield ""
    yield f"- completed: {total.completed}, failed: {total.failed}, cancelled: {total.cancelled}"
    yield f"- success rate: {_share(total.success_rate)}"
    yield f"- cost: {usd(total.cost_usd)}; in real time it had been {usd(total.realtime_cost_usd)}"
    yield f"- saved: {usd(total.saved_usd)}"
    yield f"- an answer cost {usd(total.usd_per_completed_job, digits=6)}"
    yield f"- users paid {total.tokens} tokens for answers"
    yield f"- waiting: median {_duration(total, 0.5)}, 95th percentile {_duration(total, 0.95)}"
    if total.eta_hits or total.eta_misses:
        yield f"- bulk jobs that ended when it was foretold: {total.eta_hits} of {total.eta_hits + total.eta_misses}"
    if total.unpriced:
        yield f"- without a listed price, and in no sum of dollars: {total.unpriced} answers"
    yield ""
    yield "## By type and model"
    yield ""
    groups = sorted(sums.groups.items(), key=lambda one: (-one[1].completed, one[0]))
    rows = [(key.type, f"{key.provider}:{key.model}", key.mode, *_cells(each)) for key, each in groups]
    yield from _table(("type", "model", "mode", *_HEAD), rows)
    if period.name != "day":
        yield "## By day"
        yield ""
        yield from _table(("day", *_HEAD), [(f"{at}", *_cells(day.total)) for at, day in report.history.days.items()])
    yield "## What went wrong"
    yield ""
    ends = ", ".join(f"{number} {outcome}" for outcome, number in sorted(sums.batches.items())) or "none ended"
    yield f"Batches: {ends}."
    yield ""
    codes = sorted(sums.errors.items(), key=lambda one: (-one[1], one[0]))
    yield from _table(("error code", "jobs"), [(code, f"{number}") for code, number in codes])
    opened = [(f"{alert.opened_at:%Y-%m-%d %H:%M}", alert.message, _state(alert.is_open)) for alert in report.alerts]
    yield from _table(("alert opened at", "what", "now"), opened)
    yield "## What was done"
    yield ""
    yield f"- jobs sent again: {total.retried}"
    yield f"- batches moved to another lane: {sums.moved}, stopped by an admin: {sums.stopped}"
    yield f"- alerts acknowledged: {report.acknowledged} of {len(report.alerts)}"


def usd(amount: float | None, digits: int = 2) -> str:
    """Dollars for a person; `-` if there are none to say."""
    return "-" if amount is None else f"${amount:,.{digits}f}"


def _cells(sums: EndSums) -> tuple[str, ...]:
    counts = (f"{sums.completed}", f"{sums.failed}", f"{sums.cancelled}")
    return (*counts, usd(sums.cost_usd), usd(sums.realtime_cost_usd), usd(sums.saved_usd))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table and an empty line; without rows, nothing."""
    cells = [[_escaped(cell) for cell in row] for row in rows]
    if cells:
        yield from (_row(head), _row(["---"] * len(head)), *map(_row, cells), "")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return text.translate(_ESCAPED)


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"


def _duration(sums: EndSums, share: float) -> str:
    seconds = sums.waits.quantile(share)
    return "-" if seconds is None else f"{timedelta(seconds=round(seconds))}"


def _state(is_open: bool) -> str:
    return "open" if is_open else "closed"
