"""What a month of so many jobs uses, from what was measured and from what is assumed.

The names are those of the prices. Where it is rounded, it is rounded up.
"""

import math
from collections.abc import Mapping
from typing import Final

from bench.counts import Counts, Example, Footprint
from nightshift.settings import Settings

DAYS: Final = 31
MONTH_SECONDS: Final = DAYS * 24 * 3600
TICKS_PER_HOUR: Final = 6
TICKS: Final = DAYS * 24 * TICKS_PER_HOUR
COALESCE_SECONDS: Final[int] = Settings.model_fields["coalesce_seconds"].default
MOST_REQUESTS: Final[int] = Settings.model_fields["max_batch_requests"].default

# Assumed, as docs/COST.md says. The app writes its job and listens to it: created, queued, processing, completed.
APP_WRITES: Final = 1
APP_READS: Final = 4
# How long the provider takes for a batch: each tick reads the document of each open one.
PROVIDER_HOURS: Final = 2
# Documents, batch files and photos are kept so long; the bill is that of a month in which as many go as come.
KEPT_MONTHS: Final = 12
# As deploy/functions.py has it.
CONCURRENCY: Final = 80
MEMORY_GIB: Final = 1
# A request is billed at least so long, and in such steps (https://cloud.google.com/run/pricing).
_BILLED_STEP_SECONDS: Final = 0.1
# A message is billed as at least so many bytes when it is published, and again when it is delivered.
_LEAST_MESSAGE_BYTES: Final = 1_000

# Instant answers are not built: as many writes as its design has, and a read for the job and for the wallet.
INSTANT_WRITES: Final = 6
INSTANT_READS: Final = 2
INSTANT_WAIT_SECONDS: Final = 10

Usage = Mapping[str, float]


def batch_month(counts: Counts, example: Example, jobs: int) -> Usage:
    """A month of jobs by batch, spread evenly."""
    batches = batches_of(jobs)
    left = counts.footprints[example.title]
    # Triggers come one by one; the ticks work for many jobs at a time.
    busy = instance_seconds(jobs, counts.seconds.trigger) + counts.seconds.ticks_per_job * jobs
    busy += counts.seconds.lone_batch * batches + TICKS * _stepped(counts.seconds.tick)
    messages = counts.job.messages * jobs + counts.batch.messages * batches
    return {
        "Firestore reads": (counts.job.reads + APP_READS) * jobs
        + (counts.batch.reads + PROVIDER_HOURS * TICKS_PER_HOUR) * batches
        + counts.tick.reads * TICKS,
        "Firestore writes": (counts.job.writes + APP_WRITES) * jobs
        + counts.batch.writes * batches
        + counts.tick.writes * TICKS,
        "Firestore deletes": counts.job.deletes * jobs + counts.batch.deletes * batches + left.documents * jobs,
        **_functions(busy, jobs + TICKS + messages),
        **_storage(
            left,
            example,
            jobs,
            file_bytes=left.input_bytes + left.output_bytes,
            class_a=counts.job.class_a * jobs + counts.batch.class_a * batches,
            class_b=counts.job.class_b * jobs + counts.batch.class_b * batches,
        ),
        "Pub/Sub": 2 * _LEAST_MESSAGE_BYTES * (TICKS + messages),
        "Eventarc": jobs,
        "Cloud Scheduler": 1,
    }


def instant_month(counts: Counts, example: Example, jobs: int) -> Usage:
    """A month of instant jobs: an estimate, until they are built. The ticks go on."""
    left = counts.footprints[example.title]
    waiting = instance_seconds(jobs, counts.seconds.trigger + INSTANT_WAIT_SECONDS)
    return {
        "Firestore reads": (INSTANT_READS + APP_READS) * jobs + counts.tick.reads * TICKS,
        "Firestore writes": (INSTANT_WRITES + APP_WRITES) * jobs + counts.tick.writes * TICKS,
        "Firestore deletes": left.documents * jobs,
        **_functions(waiting + TICKS * _stepped(counts.seconds.tick), jobs + TICKS),
        **_storage(left, example, jobs, file_bytes=0, class_a=0, class_b=0),
        "Pub/Sub": 2 * _LEAST_MESSAGE_BYTES * TICKS,
        "Eventarc": jobs,
        "Cloud Scheduler": 1,
    }


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
    return min(alone, math.ceil(at_once / CONCURRENCY) * MONTH_SECONDS)


def _functions(seconds: float, requests: float) -> dict[str, float]:
    return {
        "Functions: vCPU": seconds,
        "Functions: memory": seconds * MEMORY_GIB,
        "Functions: calls": requests,
    }


def _storage(
    left: Footprint, example: Example, jobs: int, *, file_bytes: int, class_a: float, class_b: float
) -> dict[str, float]:
    photos = jobs if example.image_bytes else 0
    return {
        "Firestore storage": (left.document_bytes + left.index_bytes) * jobs * KEPT_MONTHS,
        "Storage: bytes": (file_bytes + example.image_bytes) * jobs * KEPT_MONTHS,
        # The app uploads a photo once, and the provider fetches it once.
        "Storage: class A": class_a + photos,
        "Storage: class B": class_b + left.class_b * jobs + photos,
        "Egress": (left.input_bytes + example.image_bytes) * jobs,
    }


def _stepped(seconds: float) -> float:
    return math.ceil(max(seconds, _BILLED_STEP_SECONDS) / _BILLED_STEP_SECONDS - 1e-9) * _BILLED_STEP_SECONDS
