"""What Google and the provider bill, counted at the transports: a step that costs more than it must shows here."""

from bench.per_instant_job import instant_jobs
from bench.per_job import LARGE, MOST_READS, MOST_WRITES, SMALL, night_of, slope


async def test_one_more_job_of_a_batch_costs_at_most_seven_writes_and_four_reads() -> None:
    """From trigger to notification, the slope between two batches of different size keeps to the issue's aim."""
    one_more = slope(await night_of(SMALL), await night_of(LARGE))
    assert MOST_WRITES.is_met_by(one_more.writes), f"{one_more.writes} writes"
    assert MOST_READS.is_met_by(one_more.reads), f"{one_more.reads} reads"
    assert one_more.provider_calls == 0


async def test_a_repeated_poll_of_an_unchanged_batch_writes_nothing_but_the_ticks_record() -> None:
    """However many jobs wait in it; nor does it download, publish or change anything elsewhere."""
    unchanged = (await night_of(3)).unchanged
    assert (unchanged.writes, unchanged.deletes, unchanged.refused_writes) == (1, 0, 0)
    assert unchanged.published_messages == 0
    assert not unchanged.storage_calls
    assert all(call.startswith("GET ") for call in unchanged.provider_calls)


async def test_a_poll_costs_the_same_however_many_jobs_are_waited_for() -> None:
    """A tick over a submitted batch reads its document, and none of its jobs."""
    few, many = (await night_of(2)).unchanged, (await night_of(12)).unchanged
    assert (few.reads, few.provider_calls) == (many.reads, many.provider_calls)


async def test_an_instant_job_costs_six_writes_and_two_reads() -> None:
    """Three writes to admit it, three to finish it; read are the job and the wallet; the provider is asked once."""
    billed = (await instant_jobs(1)).triggers
    assert (billed.writes, billed.reads, billed.refused_writes, billed.deletes) == (6, 2, 0, 0)
    assert billed.provider_calls == {"POST /chat/completions": 1}
    assert not billed.storage_calls


async def test_a_sweep_over_nothing_costs_three_reads() -> None:
    """It comes every minute, and most of the time there is nothing to do: two queries of jobs, one of bulk jobs."""
    swept = (await instant_jobs(1)).sweep
    assert (swept.writes, swept.reads) == (0, 3)
    assert not swept.provider_calls
