"""What a person sees of the demo: the night as it passes, and the tables in the morning."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from local.demo_batches import Ended, lane_name
from local.demo_jobs import TOKENS, DemoJob, asked_at_both_speeds
from local.demo_promises import Night

_ORDER = ("created", "queued", "processing", "completed", "failed", "cancelled")
_STYLES = {
    "created": "dim",
    "queued": "yellow",
    "processing": "cyan",
    "completed": "green",
    "failed": "red",
    "cancelled": "magenta",
}
_INVENTED = (
    "The dollars are list prices of the token counts that the stand-in made up. docs/COST.md has those of real sizes."
)


def progress(jobs: Mapping[str, Mapping[str, Any]], total: int, seconds: float) -> Text:
    """One line: how many jobs are where."""
    counts = Counter(str(job["status"]) for job in jobs.values())
    line = Text(f"{seconds:4.1f} s ")
    for status in _ORDER:
        if status == "cancelled" and not counts[status]:
            continue  # it takes an operator
        line.append(f"{counts[status]:>2} {status} ", _STYLES[status] if counts[status] else "dim")
    width = 8
    done = width * (counts["completed"] + counts["failed"] + counts["cancelled"]) // max(1, total)
    return line.append("█" * done, "green").append("░" * (width - done), "dim")


def show(console: Console, jobs: Sequence[DemoJob], night: Night, *, invented: bool) -> None:
    """What came of the jobs; `invented`: the usage that is priced was made up by the stand-in."""
    _show_results(console, jobs, night)
    console.print(_lanes(jobs, night))
    console.print(_speeds(jobs, night))
    if invented:
        console.print(_INVENTED, style="dim", highlight=False)
    console.print(_wallets(night))


def show_backend(console: Console, night: Night, batches: Sequence[Ended]) -> None:
    """What an operator sees: the ends of all batches, and the statistics."""
    console.print(_batches(batches))
    console.print("\n[bold]GET getBatchStats[/bold]")
    for who, (status, body) in night.stats.items():
        console.print(f"  {who}: {status}", highlight=False)
        console.print(Padding(Text(json.dumps(body), "dim"), (0, 0, 0, 4)))


def _show_results(console: Console, jobs: Sequence[DemoJob], night: Night) -> None:
    """Two lines a job: what came of it, and its user's notification."""
    console.print("\n[bold]Jobs, and what their users were told[/bold]")
    for job in jobs:
        document = night.jobs.get(job.job_id, {})
        status = str(document.get("status", "missing"))
        told = night.notifications.get(job.job_id, {})
        head = Text(f"{job.job_id:<20} ").append(f"{status:<10}", _STYLES.get(status, "red")).append(_outcome(document))
        if document.get("attempts", 0) > 1:
            head.append(f", at try {document['attempts']}")
        console.print(head)
        console.print(Padding(Text(str(told.get("message", "no notification")), "dim"), (0, 0, 0, 2)))


def _table(title: str, columns: Sequence[str], names: Sequence[str]) -> Table:
    """An empty table that fits into 80 columns; the columns in `names` are words, the others numbers."""
    table = Table(
        title=f"\n{title}",
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for column in columns:
        table.add_column(column, justify="left" if column in names else "right", no_wrap=column in names)
    return table


def _lanes(jobs: Sequence[DemoJob], night: Night) -> Table:
    """The lanes side by side: who answered the batch jobs, when, and for how much."""
    columns = ("lane", "job types", "jobs", "last after", "US$/1,000")
    table = _table("The lanes side by side", columns, ("lane", "job types"))
    batch_jobs = [night.jobs.get(job.job_id, {}) for job in jobs if job.speed == "batch"]
    answered = [document for document in batch_jobs if document.get("status") == "completed"]
    for lane in dict.fromkeys(str(document["lane"]) for document in answered):
        here = [document for document in answered if document["lane"] == lane]
        usd = 1_000 * sum(job["costUsd"] or 0 for job in here) / len(here)
        last = max(_waited_seconds(job) for job in here)
        types = ",\n".join(dict.fromkeys(str(job["type"]) for job in here))
        table.add_row(lane_name(lane), types, str(len(here)), f"{last:.1f} s", f"{usd:.2f}")
    return table


def _speeds(jobs: Sequence[DemoJob], night: Night) -> Table:
    """The same questions at both speeds: what a user waits and pays, and what the provider is paid."""
    columns = ("speed", "answered", "tokens each", "first after", "median", "last after", "US$ per 1,000")
    table = _table("The same questions at both speeds", columns, ("speed",))
    same = asked_at_both_speeds(jobs)
    for speed in ("batch", "instant"):
        documents = (night.jobs.get(job.job_id, {}) for job in same if job.speed == speed)
        answered = [document for document in documents if document.get("status") == "completed"]
        if answered:
            waits = sorted(_waited_seconds(job) for job in answered)
            usd = 1_000 * sum(job["costUsd"] or 0 for job in answered) / len(answered)
            times = (f"{seconds:.1f} s" for seconds in (waits[0], median(waits), waits[-1]))
            table.add_row(speed, str(len(answered)), str(answered[0]["tokensSpent"]), *times, f"{usd:.2f}")
    return table


def _batches(batches: Sequence[Ended]) -> Table:
    """What saw that a batch had ended: without the provider's webhook its users wait for the next tick."""
    columns = ("ended batches of", "jobs", "seen by", "closed in", "next tick")
    table = _table("Who saw that a batch had ended", columns, ("ended batches of", "seen by"))
    groups: dict[tuple[str, str], list[Ended]] = {}
    for batch in batches:
        groups.setdefault((batch.model, batch.seen_by), []).append(batch)
    for (model, seen_by), group in groups.items():
        closed_after = f"{median(batch.closed_after.total_seconds() for batch in group):.1f} s"
        ahead = [batch.ahead_of_tick.total_seconds() / 60 for batch in group if batch.ahead_of_tick is not None]
        # In the time of a real night.
        later = f"{median(ahead):.1f} min later" if ahead else ""
        table.add_row(model, str(sum(batch.jobs for batch in group)), seen_by, closed_after, later)
    return table


def _waited_seconds(document: Mapping[str, Any]) -> float:
    written, answered = (datetime.fromisoformat(document[name]) for name in ("createdAt", "completedAt"))
    return (answered - written).total_seconds()


def _outcome(document: Mapping[str, Any]) -> str:
    result = document.get("result")
    if result is None:
        return str(document.get("errorCode", ""))
    if "starRating" in result:
        return f"{'★' * result['starRating']} {result['colorLabel']}"
    if "overall" in result:
        return f"{result['overall']} of 100"
    if "hooks" in result:
        return f"{len(result['hooks'])} lines"
    return f"{result['category']} ({result['confidence']:.0%})"


def _wallets(night: Night) -> Table:
    table = _table("Wallets", ("user", "before", "charged", "refunded", "after", "sum of the ledger"), ("user",))
    for uid, wallet in night.wallets.items():
        amounts: Counter[str] = Counter()
        for entry in night.ledgers[uid]:
            amounts[entry["kind"]] += entry["amount"]
        row = (TOKENS.get(uid, 0), -amounts["charge"], amounts["refund"], wallet.get("balance", 0), amounts.total())
        table.add_row(uid, *map(str, row))
    return table
