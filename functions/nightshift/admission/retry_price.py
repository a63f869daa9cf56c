"""What it costs to run the failed jobs again that a filter matches: counted before it is ordered."""

from dataclasses import dataclass, replace

from nightshift import job_types
from nightshift.admission.failed_jobs import Filter, pages_of_failed_jobs
from nightshift.errors import JobRefused
from nightshift.jobs.created import JobDocument
from nightshift.jobs.request import unaddressed_request
from nightshift.pricing.prices import batch_cost_usd, realtime_cost_usd
from nightshift.providers.estimate import expected_usage
from nightshift.providers.registry import lane_of
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane


@dataclass
class RetryPrice:
    """What running them again costs."""

    jobs: int = 0
    # They were never charged, and are now, if they are admitted.
    charged: int = 0
    tokens: int = 0
    # What the provider is expected to cost us; images and unknown prices are not in it.
    usd: float = 0.0
    # Whether there are more, at which it did not look.
    is_cut: bool = False


async def price_of(runtime: Runtime, asked: Filter, *, most_reads: int | None = None) -> RetryPrice:
    """Count and price them. One read for each failed job.

    Args:
        most_reads: look at about so many failed jobs at most; None = at all.
    """
    price, looked_at = RetryPrice(), 0
    async for page in pages_of_failed_jobs(runtime, asked):
        if most_reads is not None and looked_at >= most_reads:
            price.is_cut = True
            break
        looked_at += len(page)
        for job in filter(asked.matches, page):
            price.jobs += 1
            if job.job.lane is None:
                price.charged += 1
                price.tokens += _tokens(job)
            price.usd += _usd(runtime, job)
    return price


def _tokens(job: JobDocument) -> int:
    try:
        speed = job.fields.get("speed")
        return job_types.find(job.job.type).tokens["instant" if speed == "instant" else "batch"]
    except JobRefused:
        return 0


def _usd(runtime: Runtime, job: JobDocument) -> float:
    """What the provider is expected to charge; 0 for a job that cannot be asked for."""
    try:
        lane = Lane.parse(job.job.lane or lane_of(runtime.settings.model))
        usage = expected_usage(replace(unaddressed_request(lane, job.job), image=None))
    except (JobRefused, ValueError):
        return 0.0
    cost_usd = realtime_cost_usd if job.fields.get("speed") == "instant" else batch_cost_usd
    return cost_usd(lane.provider, lane.model, usage) or 0.0
