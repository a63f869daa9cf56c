"""When a bulk job will be done: a range, by what the lane's parts took, and never in the past."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from nightshift.bulk.eta import MIN_HISTORY, Eta, eta_of_pace, eta_of_parts

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
LATEST = NOW + timedelta(hours=72)
HOURS = st.floats(min_value=1, max_value=90_000)


def hours(range_: Eta) -> tuple[float, float]:
    """The range in hours from now, rounded."""
    ends = (range_.from_at, range_.to_at)
    return tuple(round((end - NOW).total_seconds() / 3600, 1) for end in ends)  # type: ignore[return-value]


@given(
    history=st.lists(HOURS, max_size=250),
    ages=st.lists(HOURS, max_size=10),
    waiting=st.integers(0, 30),
    at_once=st.integers(0, 12),
    latest=st.floats(-90_000, 90_000),
)
def test_a_range_never_begins_in_the_past(
    history: list[float], ages: list[float], waiting: int, at_once: int, latest: float
) -> None:
    """Whatever was, and however late it is."""
    latest_at = NOW + timedelta(seconds=latest)
    found = eta_of_parts(NOW, history, ages_seconds=ages, waiting=waiting, at_once=at_once, latest_at=latest_at)
    assert NOW <= found.from_at < found.to_at
    assert Eta.read(found.fields()) == found


def test_with_too_little_history_it_says_by_when_at_the_latest() -> None:
    """Nineteen parts are too few."""
    few = eta_of_parts(NOW, [3600.0] * (MIN_HISTORY - 1), ages_seconds=[0], waiting=0, at_once=1, latest_at=LATEST)
    assert (few.from_at, few.to_at) == (NOW, LATEST)
    assert "Too few requests" in few.basis
    assert "tokens are back" in few.basis
    enough = eta_of_parts(NOW, [3600.0] * MIN_HISTORY, ages_seconds=[0], waiting=0, at_once=1, latest_at=LATEST)
    assert hours(enough) == (0.8, 1.2)
    assert "the last 20 took" in enough.basis


def test_a_parts_age_counts_and_a_waiting_part_begins_behind_another() -> None:
    """Of parts of one hour or nine, one that is two hours old takes nine."""
    history = [3600.0, 9 * 3600.0] * 50
    young = eta_of_parts(NOW, history, ages_seconds=[0], waiting=0, at_once=1, latest_at=LATEST)
    old = eta_of_parts(NOW, history, ages_seconds=[7200], waiting=0, at_once=1, latest_at=LATEST)
    two = eta_of_parts(NOW, [3600.0] * 50, ages_seconds=[0], waiting=3, at_once=2, latest_at=LATEST)
    assert hours(young) == (0.8, 10.8)
    assert hours(old) == (5.6, 8.4)
    assert hours(two) == (1.6, 2.4)


def test_what_takes_longer_than_ever_says_so() -> None:
    """No duration of the history is longer than the part's age."""
    late = eta_of_parts(NOW, [3600.0] * 50, ages_seconds=[7200], waiting=0, at_once=1, latest_at=LATEST)
    assert (late.from_at, late.to_at) == (NOW, LATEST)
    assert "longer than most" in late.basis


def test_in_real_time_its_own_pace_is_the_measure() -> None:
    """A hundred items in an hour, two hundred left."""
    found = eta_of_pace(NOW, NOW - timedelta(hours=1), done=100, left=200, latest_at=LATEST)
    assert hours(found) == (1.5, 3.0)
    assert eta_of_pace(NOW, NOW, done=5, left=200, latest_at=LATEST).to_at == LATEST


def test_a_range_is_hit_at_both_its_ends() -> None:
    """And nowhere outside."""
    found = Eta(from_at=NOW, to_at=LATEST, basis="")
    second = timedelta(seconds=1)
    assert [found.is_hit(at) for at in (NOW - second, NOW, LATEST, LATEST + second)] == [False, True, True, False]
