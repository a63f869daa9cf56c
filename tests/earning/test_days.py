"""A user's days: never one twice, whatever the user says about the zone."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from nightshift.earning.days import Calendar
from nightshift.earning.economy import Streak

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
ZONES = ("UTC", "Asia/Kolkata", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Berlin", "America/New_York")


def test_a_day_begins_at_the_users_midnight() -> None:
    """At noon UTC it is already tomorrow in Kiritimati, and still morning in Pago Pago."""
    assert Calendar(zone="Pacific/Kiritimati").at(NOON).day == "2026-11-29"
    assert Calendar(zone="Pacific/Pago_Pago").at(NOON).day == "2026-11-28"


def test_a_zone_is_chosen_once_in_thirty_days() -> None:
    """The first one is free; a second change waits, and one that comes too early changes nothing."""
    first = Calendar().in_zone("Asia/Kolkata", NOON).at(NOON)
    second = first.in_zone("Europe/Berlin", NOON + timedelta(days=1))
    assert (first.zone, second.zone) == ("Asia/Kolkata", "Europe/Berlin")
    assert second.in_zone("UTC", NOON + timedelta(days=30)).zone == "Europe/Berlin"
    assert second.in_zone("UTC", NOON + timedelta(days=31)).zone == "UTC"


def test_a_day_is_not_begun_twice_by_a_moved_clock() -> None:
    """Where the server's clock was ahead, the day goes on until it is over."""
    ahead = Calendar().at(NOON + timedelta(days=1))
    assert ahead.at(NOON).day == "2026-11-29"


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(ZONES), st.integers(min_value=0, max_value=20_000)), min_size=1, max_size=200
    )
)
def test_who_travels_has_no_more_days_than_who_stays(steps: list[tuple[str, int]]) -> None:
    """Days only grow, and each begins 24 hours after the last or at a midnight of a zone that did not change."""
    calendar, now = Calendar(), NOON
    days: list[str] = []
    for zone, minutes in steps:
        now += timedelta(minutes=minutes)
        calendar = calendar.in_zone(zone, now).at(now)
        assert calendar.day is not None
        if not days or calendar.day != days[-1]:
            days.append(calendar.day)
    assert days == sorted(set(days))
    # A first day and a last one may be in part; nothing else is gained.
    assert len(days) <= (now - NOON) / timedelta(days=1) + 2


def test_a_streak_grows_by_days_that_follow_each_other() -> None:
    """A day that is left out begins a new one; the longest is kept."""
    streak = Streak()
    for day in ("2026-02-27", "2026-02-28", "2026-03-01", "2026-03-03"):
        streak = streak.with_login(day)
    assert (streak.length, streak.longest) == (1, 3)
