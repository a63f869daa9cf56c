"""What a month of so many jobs uses, from what was measured and from what is assumed.

The names are those of the prices. Where it is rounded, it is rounded up.
"""

import json
import math
from collections.abc import Mapping
from typing import Final

from bench.counts import Example, Footprint, MonthCounts
from local.part import ROOT
from nightshift.functions import FUNCTIONS
from nightshift.settings import Settings
from scheduler.declared import declared

DAYS: Final = 31
MONTH_SECONDS: Final = DAYS * 24 * 3600
TICKS_PER_HOUR: Final = 6
TICKS: Final = DAYS * 24 * TICKS_PER_HOUR
SWEEPS: Final = DAYS * 24 * 60
SCHEDULES: Final = len(declared().jobs)
COALESCE_SECONDS: Final[int] = Settings.model_fields["coalesce_seconds"].default
MOST_REQUESTS: Final[int] = Settings.model_fields["max_batch_requests"].default

# Assumed, as docs/COST.md says. The app writes its job and listens to it: created, queued, processing, completed. An
# instant job is never queued.
APP_WRITES: Final = 1
APP_READS: Final = 4
INSTANT_APP_READS: Final = 3
# How long the provider takes for a batch: each tick reads the document of each open one.
PROVIDER_HOURS: Final = 2
# How long it takes for an answer in real time, for which a function waits.
ANSWER_SECONDS: Final = 10
# Documents and photos are kept so long; the bill is that of a month in which as many go as come.
KEPT_MONTHS: Final = 12
# By a rule of the bucket.
FILES_KEPT_DAYS: Final[int] = max(
    rule["condition"]["age"]
    for rule in json.loads((ROOT / "deploy" / "lifecycle.json").read_text())["rule"]
    if rule["action"]["type"] == "Delete" and "batches/" in rule["condition"]["matchesPrefix"]
)
TRIGGER: Final = next(function for function in FUNCTIONS if function.target == "on_ai_job_created")
_MEMORY_GIB: Final = float(TRIGGER.memory.removesuffix("Gi"))
# A request is billed at least so long, and in such steps (https://cloud.google.com/run/pricing).
_BILLED_STEP_SECONDS: Final = 0.1
# A message is billed as at least so many bytes when it is published, and again when it is delivered.
_LEAST_MESSAGE_BYTES: Final = 1_000

Usage = Mapping[str, float]


def batch_month(counts: MonthCounts, example: Example, jobs: int) -> Usage:
    """A month of jobs by batch, spread evenly."""
    batches = batches_of(jobs)
    left = counts.footprints[example.title]
    # Triggers come one by one; the ticks work for many jobs at a time.
    busy = instance_seconds(jobs, counts.seconds.trigger) + counts.seconds.ticks_per_job * jobs
    busy += counts.seconds.lone_batch * batches + _scheduled_seconds(counts)
    messages = counts.job.messages * jobs + counts.batch.messages * batches
    return {
        "Firestore reads": (counts.job.reads + APP_READS) * jobs
        + (counts.batch.reads + PROVIDER_HOURS * TICKS_PER_HOUR) * batches
        + _scheduled_reads(counts),
        "Firestore writes": (counts.job.writes + APP_WRITES) * jobs
        + counts.batch.writes * batches
        + _scheduled_writes(counts),
        "Firestore deletes": (counts.job.deletes + left.documents) * jobs + (counts.batch.deletes + 1) * batches,
        **_functions(busy, jobs + TICKS + SWEEPS + messages),
        **_storage(
            left,
            example,
            jobs,
            batch_bytes=left.batch_bytes * batches,
            file_bytes=left.input_bytes + left.output_bytes,
            class_a=counts.job.class_a * jobs + counts.batch.class_a * batches,
            class_b=counts.job.class_b * jobs + counts.batch.class_b * batches,
        ),
        "Pub/Sub": 2 * _LEAST_MESSAGE_BYTES * (TICKS + SWEEPS + messages),
        "Eventarc": jobs,
        "Cloud Scheduler": SCHEDULES,
    }


def instant_month(counts: MonthCounts, example: Example, jobs: int) -> Usage:
    """A month of instant jobs, spread evenly, each answered by its own trigger. The ticks go on."""
    left = counts.footprints[example.title]
    answering = instance_seconds(jobs, counts.seconds.instant + ANSWER_SECONDS)
    return {
        "Firestore reads": (counts.instant.reads + INSTANT_APP_READS) * jobs + _scheduled_reads(counts),
        "Firestore writes": (counts.instant.writes + APP_WRITES) * jobs + _scheduled_writes(counts),
        "Firestore deletes": (counts.instant.deletes + left.documents) * jobs,
        **_functions(answering + _scheduled_seconds(counts), jobs + TICKS + SWEEPS),
        **_storage(
            left,
            example,
            jobs,
            batch_bytes=0,
            file_bytes=0,
            class_a=counts.instant.class_a * jobs,
            class_b=counts.instant.class_b * jobs,
        ),
        "Pub/Sub": 2 * _LEAST_MESSAGE_BYTES * (TICKS + SWEEPS + counts.instant.messages * jobs),
        "Eventarc": jobs,
        "Cloud Scheduler": SCHEDULES,
    }


# What Cloud Scheduler starts, whether there is a job or not.


def _scheduled_reads(counts: MonthCounts) -> float:
    return counts.tick.reads * TICKS + counts.sweep.reads * SWEEPS


def _scheduled_writes(counts: MonthCounts) -> float:
    return counts.tick.writes * TICKS + counts.sweep.writes * SWEEPS


def _scheduled_seconds(counts: MonthCounts) -> float:
    return _stepped(counts.seconds.tick) * TICKS + _stepped(counts.seconds.sweep) * SWEEPS


def batches_of(jobs: int) -> float:
    """How many batches so many jobs a month become: a leader takes all that has gathered since the last one."""
    if not jobs:
        return 0.0
    seconds_between_jobs = MONTH_SECONDS / jobs
    return max(MONTH_SECONDS / (COALESCE_SECONDS + seconds_between_jobs), jobs / MOST_REQUESTS)


def instance_seconds(requests: int, seconds: float) -> float:
    """What so many requests are billed: each alone, or shared by all that one instance takes at the same time."""
    alone = requests * _stepped(seconds)
    at_once = requests * seconds / MONTH_SECONDS
    return min(alone, math.ceil(at_once / TRIGGER.concurrency) * MONTH_SECONDS)


def _functions(seconds: float, requests: float) -> dict[str, float]:
    return {
        "Functions: vCPU": seconds,
        "Functions: memory": seconds * _MEMORY_GIB,
        "Functions: calls": requests,
    }


def _storage(
    left: Footprint,
    example: Example,
    jobs: int,
    *,
    batch_bytes: float,
    file_bytes: int,
    class_a: float,
    class_b: float,
) -> dict[str, float]:
    photos = jobs if example.image_bytes else 0
    return {
        "Firestore storage": ((left.document_bytes + left.index_bytes) * jobs + batch_bytes) * KEPT_MONTHS,
        "Storage: bytes": (file_bytes * math.ceil(FILES_KEPT_DAYS / DAYS) + example.image_bytes * KEPT_MONTHS) * jobs,
        # The app uploads a photo once, and the provider fetches it once.
        "Storage: class A": class_a + photos,
        "Storage: class B": class_b + left.class_b * jobs + photos,
        "Egress": (left.input_bytes + example.image_bytes) * jobs,
    }


def _stepped(seconds: float) -> float:
    return math.ceil(max(seconds, _BILLED_STEP_SECONDS) / _BILLED_STEP_SECONDS - 1e-9) * _BILLED_STEP_SECONDS
