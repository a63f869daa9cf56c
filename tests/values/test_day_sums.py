"""The histogram of waiting, and sums that add up and are stored whole."""

import random

import pytest

from nightshift.values.day_sums import DaySums, EndSums, GroupKey
from nightshift.values.waits import WaitHistogram

KEY = GroupKey(type="photo_rating", provider="xai", model="grok-4.3", mode="batch")


def test_a_quantile_is_right_within_the_width_of_a_bar() -> None:
    """Nineteen percent, from seconds to days; histograms of parts add up to that of the whole."""
    chance = random.Random(7)  # noqa: S311 - no secret
    waits = sorted(chance.lognormvariate(7, 1.5) for _ in range(2_000))
    histogram = WaitHistogram()
    for seconds in waits:
        histogram += WaitHistogram.of(seconds)

    assert histogram.total == 2_000
    for share in (0.5, 0.95):
        exact = waits[int(share * len(waits)) - 1]
        assert histogram.quantile(share) == pytest.approx(exact, rel=0.19)
    assert WaitHistogram.read(histogram.packed()) == histogram
    assert sum(number for _, number in histogram.edges()) == 2_000


def test_what_waits_for_no_time_or_for_ever_has_a_bar() -> None:
    """The first and the last one; the last has no edge; of nothing there is no median."""
    first, last = WaitHistogram.of(0.0, 3), WaitHistogram.of(1e9, 2)

    assert list((first + last).edges()) == [(1.0, 3), (None, 2)]
    assert WaitHistogram().quantile(0.5) is None
    assert WaitHistogram.read("nonsense 3: :4 5:6") == WaitHistogram(bars={5: 6})
    assert WaitHistogram.read({"3": 1}) == WaitHistogram()


def test_a_day_is_stored_whole_and_adds_up() -> None:
    """What is read is what was written; what was added can be taken off."""
    sums = EndSums(completed=3, failed=1, tokens=3, cost_usd=0.25, realtime_cost_usd=0.5, waits=WaitHistogram.of(9, 3))
    day = DaySums(groups={KEY: sums}, errors={"result_invalid": 1}, batches={"completed": 2}, moved=1)

    assert DaySums.read(day.fields()) == day
    assert (day + day).groups[KEY].saved_usd == 0.5
    assert ((day + day) - day).groups[KEY].completed == 3
    assert (day + day).total.success_rate == 0.75
    assert DaySums.read({"groups": [{"completed": "many"}, 5], "errors": 3}).total == EndSums()


def test_many_error_codes_are_stored_as_the_most_frequent_and_the_others() -> None:
    """A document stays small, whatever codes providers make up."""
    day = DaySums(errors={f"code_{number}": number for number in range(1, 80)})

    stored = DaySums.read(day.fields()).errors

    assert (len(stored), sum(stored.values())) == (51, sum(range(1, 80)))
    assert stored["code_79"] == 79
