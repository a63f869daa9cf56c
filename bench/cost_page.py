"""docs/COST.md, from measured counts and list prices alone: the same counts give the same page."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from bench.cost_tables import VOLUMES, CostTable, model_table, month_table, place_table, price_table, usd
from bench.counts import COUNTS, EXAMPLES, MonthCounts
from bench.invoice import invoice
from bench.month import (
    ANSWER_SECONDS,
    APP_READS,
    APP_WRITES,
    COALESCE_SECONDS,
    DAYS,
    FILES_KEPT_DAYS,
    INSTANT_APP_READS,
    KEPT_MONTHS,
    MONTH_SECONDS,
    PROVIDER_HOURS,
    SCHEDULES,
    SWEEPS,
    TICKS,
    TRIGGER,
    batches_of,
)
from bench.prices import DEFAULT_REGION, PRICES, READ_ON
from bench.report import lines_of
from nightshift.functions import FUNCTIONS
from nightshift.settings import Settings

_WORDS: Final = Path(__file__).with_suffix(".md")
_ALERTS: Final = Path(__file__).parents[1] / "monitoring" / "alerts"
_WORKER: Final = next(function for function in FUNCTIONS if function.target == "ingest_batch_results")


def page(counts: MonthCounts) -> str:
    """The whole page."""
    text, photo = EXAMPLES
    prices = PRICES[DEFAULT_REGION]
    batch, instant = (invoice(counts, text, 100_000, speed) for speed in ("batch", "instant"))
    most = VOLUMES[-1]
    left = counts.footprints[text.title]
    stored = left.document_bytes + left.index_bytes
    filled = _WORDS.read_text().format(
        batch_usd=usd(batch.total_usd),
        google_usd=usd(sum(batch.google_usd.values())),
        instant_usd=usd(instant.total_usd),
        months="\n\n".join(_section(month_table(counts, example, VOLUMES)) for example in EXAMPLES),
        models=_section(model_table()),
        places=_section(place_table(counts, VOLUMES)),
        prices=_section(price_table()),
        coalesce=COALESCE_SECONDS,
        batches=_listed([f"{batches_of(jobs):,.0f}" for jobs in VOLUMES]),
        app_writes=APP_WRITES,
        app_reads=APP_READS,
        instant_app_reads=INSTANT_APP_READS,
        provider_hours=PROVIDER_HOURS,
        answer_seconds=ANSWER_SECONDS,
        kept_months=KEPT_MONTHS,
        jobs_days=_default_days("keep_jobs_days"),
        batches_days=_default_days("keep_batches_days"),
        notifications_days=_default_days("keep_notifications_days"),
        files_days=FILES_KEPT_DAYS,
        photo_kb=photo.image_bytes / 1_000,
        second_usd=usd(1_000_000 * (prices["Functions: vCPU"].usd + prices["Functions: memory"].usd)),
        concurrency=TRIGGER.concurrency,
        conditions=sum(len(json.loads(path.read_text())["conditions"]) for path in _ALERTS.glob("*.json")),
        most_triggers=TRIGGER.max_instances,
        most_workers=_WORKER.max_instances,
        most=f"{most:,}",
        rate=most / MONTH_SECONDS,
        job_writes=counts.job.writes + APP_WRITES,
        job_reads=counts.job.reads + APP_READS,
        instant_writes=counts.instant.writes + APP_WRITES,
        instant_reads=counts.instant.reads + INSTANT_APP_READS,
        cpu_ms=1_000 * counts.seconds.cpu_per_job,
        per_vcpu=1 / counts.seconds.cpu_per_job,
        instant_cpu_ms=1_000 * counts.seconds.cpu_per_instant_job,
        instants_per_second=TRIGGER.concurrency / (counts.seconds.instant + ANSWER_SECONDS),
        lane_batches=3600 / COALESCE_SECONDS,
        stored=f"{stored:,}",
        batch_bytes=f"{left.batch_bytes:,}",
        by_indexes=left.index_bytes / stored,
        storage_usd=usd(invoice(counts, text, most, "batch").google_usd["Firestore storage"]),
        ticks=f"{TICKS:,}",
        sweeps=f"{SWEEPS:,}",
        schedules=SCHEDULES,
        sweep_reads=counts.sweep.reads,
        swept_reads=f"{counts.sweep.reads * SWEEPS:,.0f}",
        counts=COUNTS.dump_json(counts, indent=2).decode(),
        read_on=READ_ON,
        region=DEFAULT_REGION,
        days=DAYS,
        price_notes="\n".join(_price_notes()),
    )
    return reflowed(filled)


def reflowed(filled: str) -> str:
    """A page with its prose in lines of at most 120 characters; headings, tables and code are as they were."""
    return "\n\n".join(_wrapped(block) for block in filled.strip().split("\n\n")) + "\n"


def _wrapped(block: str) -> str:
    if block.startswith(("#", "|", "```")):
        return block
    # A paragraph, or the items of a list.
    parts = (" ".join(part.split()) for part in re.split(r"\n(?=- )", block))
    return "\n".join(line for part in parts for line in lines_of(part, indent="  " if part.startswith("- ") else ""))


def measured(written: str) -> MonthCounts:
    """The counts from which a page was written."""
    return COUNTS.validate_json(written.partition("```json\n")[2].partition("\n```")[0])


def _default_days(setting: str) -> int:
    return int(Settings.model_fields[setting].default)


def _price_notes() -> Iterator[str]:
    said: dict[str, list[str]] = {}
    for region, prices in PRICES.items():
        for name, price in prices.items():
            if price.note:
                said.setdefault(price.note, []).append(f"{name} ({region})")
    yield from (f"- {', '.join(names)}: {note}." for note, names in said.items())


def _section(table: CostTable) -> str:
    numbers = "---:|" * (len(table.columns) - 1)
    lines = [f"## {table.title}", "", _row(table.columns), f"|---|{numbers}", *(_row(row) for row in table.rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"
