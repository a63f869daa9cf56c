"""What a person sees of the demo: the night as it passes, and the tables in the morning."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from local.demo_batches import Ended
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
    line = Text(f"{seconds:5.1f} s  ")
    for status in _ORDER:
        if status == "cancelled" and not counts[status]:
            continue  # it takes an operator
        line.append(f"{counts[status]:>3} {status}  ", _STYLES[status] if counts[status] else "dim")
    width = 12
    done = width * (counts["completed"] + counts["failed"] + counts["cancelled"]) // max(1, total)
    return line.append("█" * done, "green").append("░" * (width - done), "dim")


def show(console: Console, jobs: Sequence[DemoJob], night: Night, batches: Sequence[Ended], *, invented: bool) -> None:
    """All the tables; `invented`: the usage that is priced was made up by the stand-in."""
    console.print(_results(jobs, night))
    console.print(_speeds(jobs, night))
    if invented:
        console.print(_INVENTED, style="dim", highlight=False)
    console.print(_batches(batches))
    console.print(_wallets(night))
    console.print("\n[bold]GET getBatchStats[/bold]")
    for who, (status, body) in night.stats.items():
        console.print(f"  {who}: {status} {json.dumps(body)}", highlight=False, soft_wrap=True)


def _results(jobs: Sequence[DemoJob], night: Night) -> Table:
    table = Table(title="\nJobs, and what their users were told", title_justify="left", title_style="bold", expand=True)
    table.add_column("job", no_wrap=True, min_width=19)
    table.add_column("status", no_wrap=True, min_width=9)
    table.add_column("tries", justify="right", min_width=5)
    table.add_column("result, or why not; and the notification", overflow="fold", ratio=1)
    for job in jobs:
        document = night.jobs.get(job.job_id, {})
        status = str(document.get("status", "missing"))
        told = night.notifications.get(job.job_id, {})
        table.add_row(
            job.job_id,
            Text(status, _STYLES.get(status, "red")),
            str(document.get("attempts", 0)),
            Text.assemble(_outcome(document), ("\n" + str(told.get("message", "no notification")), "dim")),
        )
    return table


def _speeds(jobs: Sequence[DemoJob], night: Night) -> Table:
    """The same questions at both speeds: what a user waits and pays, and what the provider is paid."""
    title = "\nThe same questions at both speeds"
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in ("speed", "answered", "tokens each", "first after", "median", "last after", "US$ per 1,000"):
        table.add_column(column, justify="left" if column == "speed" else "right")
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
    table = Table(title="\nWho saw that a batch had ended", title_justify="left", title_style="bold")
    for column in ("ended batch", "jobs", "seen by", "answers there after", "next tick, in a real night"):
        is_name = column in {"ended batch", "seen by"}
        table.add_column(column, justify="left" if is_name else "right", overflow="fold", no_wrap=column == "seen by")
    for batch in batches:
        ahead = batch.ahead_of_tick
        later = "" if ahead is None else f"{ahead.total_seconds() / 60:.1f} min later"
        closed_after = f"{batch.closed_after.total_seconds():.1f} s"
        table.add_row(batch.batch_id, str(batch.jobs), batch.seen_by, closed_after, later)
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
    return f"{result['category']} ({result['confidence']:.0%})"


def _wallets(night: Night) -> Table:
    table = Table(title="\nWallets", title_justify="left", title_style="bold")
    for column in ("user", "before", "charged", "refunded", "after", "sum of the ledger"):
        table.add_column(column, justify="left" if column == "user" else "right")
    for uid, wallet in night.wallets.items():
        amounts: Counter[str] = Counter()
        for entry in night.ledgers[uid]:
            amounts[entry["kind"]] += entry["amount"]
        row = (TOKENS.get(uid, 0), -amounts["charge"], amounts["refund"], wallet.get("balance", 0), amounts.total())
        table.add_row(uid, *map(str, row))
    return table
