"""The arithmetic of the bill, the prices that it needs, and the page that is written from it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from croniter import croniter_range

from bench.bill import PAGE
from bench.billed import Billed
from bench.cost_page import measured, page
from bench.cost_tables import VOLUMES, month_table, usd
from bench.counts import EXAMPLES, Amount, Footprint, MonthCounts, Seconds, counts_of
from bench.invoice import MODELS, invoice, model_usd
from bench.month import (
    FILES_KEPT_DAYS,
    MONTH_SECONDS,
    SCHEDULES,
    SWEEPS,
    TICKS,
    TRIGGER,
    batch_month,
    batches_of,
    instance_seconds,
    instant_month,
)
from bench.per_instant_job import InstantJobs
from bench.per_job import BilledNight
from bench.prices import MULTI_REGION, PRICES, Price
from bench.stored import document_bytes, index_bytes
from scheduler.declared import declared

TEXT, PHOTO = EXAMPLES
FOOTPRINT = Footprint(
    documents=4,
    document_bytes=2_000,
    index_bytes=8_000,
    input_bytes=2_000,
    output_bytes=1_000,
    batch_bytes=5_000,
    class_b=0,
)
COUNTS = MonthCounts(
    job=Amount(reads=4, writes=7),
    batch=Amount(reads=17, writes=10, class_a=2, class_b=6),
    tick=Amount(reads=5),
    instant=Amount(reads=2, writes=6),
    sweep=Amount(reads=3),
    seconds=Seconds(
        trigger=0.03,
        ticks_per_job=0.02,
        lone_batch=0.3,
        tick=0.07,
        cpu_per_job=0.01,
        instant=0.25,
        sweep=0.04,
        cpu_per_instant_job=0.02,
    ),
    footprints={TEXT.title: FOOTPRINT, PHOTO.title: FOOTPRINT},
)


def test_what_is_free_is_subtracted_once_and_never_paid_back() -> None:
    """Below the free tier nothing is owed, above it only the rest."""
    price = Price(usd=0.5, per=100, unit="pieces", free=1_000, source="")
    assert price.cost(0) == price.cost(999) == price.cost(1_000) == 0
    assert price.cost(1_100) == pytest.approx(0.5)


def test_a_month_without_jobs_is_ticks_and_sweeps_and_costs_nothing() -> None:
    """They stay within the free tiers, and no job has a share, at either speed."""
    assert batch_month(COUNTS, TEXT, 0) == instant_month(COUNTS, TEXT, 0)
    usage = batch_month(COUNTS, TEXT, 0)
    assert usage["Firestore reads"] == 5 * TICKS + 3 * SWEEPS
    assert usage["Firestore writes"] == usage["Egress"] == 0
    assert usage["Functions: calls"] == TICKS + SWEEPS
    assert usage["Functions: vCPU"] == pytest.approx(0.1 * (TICKS + SWEEPS))
    assert usage["Cloud Scheduler"] == SCHEDULES == 2
    bill = invoice(COUNTS, TEXT, 0, "batch")
    assert bill.total_usd == bill.per_job(bill.total_usd) == 0


def test_a_month_has_as_many_ticks_and_sweeps_as_the_schedules_say() -> None:
    """Counted over a month by the declared schedules themselves."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    end = begin + timedelta(seconds=MONTH_SECONDS)
    calls = {
        job.name: sum(1 for _ in croniter_range(begin, end - timedelta(seconds=1), job.schedule))
        for job in declared().jobs
    }
    assert calls == {"processBatchJobs": TICKS, "answerInstantJobs": SWEEPS}


def test_a_month_adds_up_line_by_line() -> None:
    """Reads and writes of jobs, batches, ticks and the app, by hand."""
    jobs, batches = 100_000, batches_of(100_000)
    usage = batch_month(COUNTS, TEXT, jobs)
    assert usage["Firestore writes"] == pytest.approx((7 + 1) * jobs + 10 * batches)
    assert usage["Firestore reads"] == pytest.approx((4 + 4) * jobs + (17 + 12) * batches + 5 * TICKS + 3 * SWEEPS)
    assert usage["Firestore deletes"] == pytest.approx(4 * jobs + batches)
    assert usage["Firestore storage"] == pytest.approx(12 * (10_000 * jobs + 5_000 * batches))
    assert usage["Storage: class A"] == pytest.approx(2 * batches)
    assert usage["Functions: calls"] == jobs + TICKS + SWEEPS
    assert usage["Functions: vCPU"] == pytest.approx((0.1 + 0.02) * jobs + 0.3 * batches + 0.1 * (TICKS + SWEEPS))
    bill = invoice(COUNTS, TEXT, jobs, "batch")
    writes_usd = (usage["Firestore writes"] - 20_000 * 31) * 0.09 / 100_000
    assert bill.google_usd["Firestore writes"] == pytest.approx(writes_usd)
    assert bill.total_usd == pytest.approx(bill.model_usd + sum(bill.google_usd.values()))


def test_an_instant_month_adds_up_line_by_line() -> None:
    """No batch and no file; the function waits ten seconds for the provider, and the app hears of three statuses."""
    jobs = 100_000
    usage = instant_month(COUNTS, TEXT, jobs)
    assert usage["Firestore writes"] == (6 + 1) * jobs
    assert usage["Firestore reads"] == (2 + 3) * jobs + 5 * TICKS + 3 * SWEEPS
    assert usage["Firestore storage"] == 12 * 10_000 * jobs
    assert usage["Functions: calls"] == jobs + TICKS + SWEEPS
    assert usage["Functions: vCPU"] == pytest.approx(10.3 * jobs + 0.1 * (TICKS + SWEEPS))
    assert usage["Storage: bytes"] == usage["Storage: class A"] == usage["Storage: class B"] == 0
    assert usage["Egress"] == 2_000 * jobs


def test_batch_files_are_kept_a_month_and_documents_a_year() -> None:
    """A rule of the bucket deletes the files, rounded up to a whole month."""
    assert batch_month(COUNTS, TEXT, 1_000)["Storage: bytes"] == 3_000 * 1_000
    assert FILES_KEPT_DAYS == 30


def test_a_photo_is_stored_and_sent() -> None:
    """Its bytes are kept for a year, and leave Google once."""
    more = {
        name: units - batch_month(COUNTS, TEXT, 1_000)[name]
        for name, units in batch_month(COUNTS, PHOTO, 1_000).items()
    }
    assert more["Egress"] == 300_000 * 1_000
    assert more["Storage: bytes"] == 300_000 * 1_000 * 12
    assert more["Storage: class A"] == more["Storage: class B"] == 1_000


def test_batches_are_as_many_as_jobs_come_and_windows_pass() -> None:
    """Rare jobs go alone, frequent ones together; a batch holds no more than the provider takes."""
    assert batches_of(0) == 0
    assert batches_of(10) == pytest.approx(10, rel=1e-3)
    assert batches_of(10**8) == pytest.approx(MONTH_SECONDS / 15, rel=0.01)
    assert batches_of(10**12) == pytest.approx(10**12 / 50_000)


def test_requests_are_billed_alone_until_instances_are_busy_all_month() -> None:
    """In steps of 100 ms; then an instance takes as many at a time as it is deployed for, and the next one begins."""
    assert instance_seconds(1_000, 0.03) == pytest.approx(100)
    assert instance_seconds(1_000, 0.11) == pytest.approx(200)
    assert instance_seconds(1_000, 0.2) == pytest.approx(200)
    full = TRIGGER.concurrency * MONTH_SECONDS // 10
    assert instance_seconds(full, 10) == MONTH_SECONDS
    assert instance_seconds(full + 1, 10) == 2 * MONTH_SECONDS
    assert instance_seconds(0, 10) == 0


def test_the_model_costs_half_by_batch() -> None:
    """As genai-prices lists it; a model that it does not know is no free one."""
    for example in EXAMPLES:
        for model in MODELS:
            assert model_usd(example, "batch", model) == pytest.approx(model_usd(example, "instant", model) / 2)
    assert model_usd(TEXT, "instant", "gpt-5-mini") == pytest.approx(450 * 0.25e-6 + 300 * 2e-6)
    with pytest.raises(LookupError):
        model_usd(TEXT, "batch", "no-such-model")


def test_each_region_has_a_price_for_all_that_is_used() -> None:
    """And each price says where it stands; what the multi-region database replaces is there to be replaced."""
    used = batch_month(COUNTS, TEXT, 1_000).keys()
    assert instant_month(COUNTS, TEXT, 1_000).keys() == used
    for prices in PRICES.values():
        assert prices.keys() == used
        assert all(price.source.startswith("https://") and price.usd >= 0 < price.per for price in prices.values())
    assert MULTI_REGION.keys() < used


def test_the_rest_of_two_nights_is_the_batchs_own() -> None:
    """Seven writes a job and ten a batch, told apart by batches of two sizes; an instant job is a mean."""

    def night(jobs: int) -> BilledNight:
        admitted = Billed(writes=3 * jobs, wall_seconds=0.03 * jobs, cpu_seconds=0.01 * jobs)
        settled = Billed(writes=4 * jobs + 10, reads=17, wall_seconds=0.3 + 0.02 * (jobs - 1))
        settled.storage_calls.update({"POST upload": 2, "GET download": 6, "PUT upload": 3})
        return BilledNight(
            jobs=jobs, triggers=admitted, submitting=Billed(), unchanged=Billed(reads=5), settling=settled
        )

    triggers = Billed(writes=300, reads=100, wall_seconds=1.5, cpu_seconds=0.5)
    instant = InstantJobs(jobs=50, triggers=triggers, sweep=Billed(reads=2, wall_seconds=0.01))

    counts = counts_of(night(1), night(90), night(190), instant, {})
    assert (counts.job.writes, counts.batch.writes) == pytest.approx((7, 10))
    assert counts.batch.reads == pytest.approx(17 - 2 * 2), "both of its ticks sweep"
    assert (counts.batch.class_a, counts.batch.class_b, counts.tick.reads) == pytest.approx((2, 6, 5))
    assert (counts.seconds.trigger, counts.seconds.cpu_per_job) == pytest.approx((0.03, 0.01))
    assert (counts.instant, counts.sweep) == (Amount(writes=6, reads=2), Amount(reads=2))
    assert (counts.seconds.instant, counts.seconds.sweep) == pytest.approx((0.03, 0.01))
    assert counts.seconds.cpu_per_instant_job == pytest.approx(0.01)
    assert counts.seconds.lone_batch == pytest.approx(0.33)
    assert counts.seconds.ticks_per_job == pytest.approx(0.02, rel=0.1)


def test_an_operation_whose_class_is_unknown_is_not_taken_for_free() -> None:
    """A new kind of call to Cloud Storage has to be looked up before there is a bill again."""
    odd = Billed()
    odd.storage_calls["PATCH object"] += 1
    night = BilledNight(jobs=90, triggers=odd, submitting=Billed(), unchanged=Billed(), settling=Billed())
    with pytest.raises(LookupError, match="PATCH object"):
        counts_of(night, night, night, InstantJobs(jobs=1, triggers=Billed(), sweep=Billed()), {})


def test_a_document_has_the_size_that_firestores_documentation_gives_it() -> None:
    """The example of https://firebase.google.com/docs/firestore/storage-size: 147 bytes, its name's 44 among them."""
    fields = {"type": "Personal", "done": False, "priority": 1, "description": "Learn Cloud Firestore"}
    assert document_bytes("users/jeff/tasks/my_task_id", fields) == 147
    # An entry: the document's name, its parent's, the field's, its value, and 32; one ascending and one descending.
    assert index_bytes("users/jeff/tasks/my_task_id", {"done": False}) == 2 * (44 + 27 + 5 + 1 + 32)


@pytest.mark.parametrize(
    ("amount", "written"), [(0, "0"), (0.00004, "0"), (0.0134, "0.0134"), (1.5, "1.50"), (3_562.5, "3,562")]
)
def test_dollars_have_as_many_digits_as_say_something(amount: float, written: str) -> None:
    """A table of cents and thousands stays readable."""
    assert usd(amount) == written


def test_the_page_is_what_the_command_writes_from_the_counts_that_it_states() -> None:
    """Prices, words or arithmetic that changed show as a page that was not written again."""
    written = Path(PAGE).read_text()
    assert page(measured(written)) == written


def test_the_page_states_all_that_it_was_computed_from() -> None:
    """Counts survive the way into the page and back."""
    written = page(COUNTS)
    assert measured(written) == COUNTS
    for row in month_table(COUNTS, TEXT, VOLUMES).rows:
        assert f"| {' | '.join(row)} |" in written
