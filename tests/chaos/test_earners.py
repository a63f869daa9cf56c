"""A short slice of the users who claim at random, and the proof that a broken cap is found."""

from typing import Any

import pytest

from tests.chaos.earners import COUNT, check_caps, run_earners


def test_users_who_claim_at_random_get_what_they_earned_and_no_more() -> None:
    """At all hours, in all zones, on many devices, while calls are struck; `make chaos` plays many more."""
    claims = COUNT.claims
    run_earners(7, steps=8, examples=2)
    assert COUNT.claims > claims


_WELCOME = {"welcome.1": {"kind": "welcome", "amount": 50}}


def _login(day: str, amount: int = 2) -> dict[str, Any]:
    return {f"login.{day}": {"kind": "login", "amount": amount}}


def _conversion(number: int, key: str) -> dict[str, Any]:
    return {f"convert.2026-11-28.{number}": {"kind": "conversion", "amount": 1, "requestKey": key}}


_POINTS = {"points": 10, "answered": 1, "streak": {"longest": 0}}
_STREAK = {"points": 0, "answered": 0, "streak": {"longest": 1}}


@pytest.mark.parametrize(
    ("ledger", "economy", "completed", "found"),
    [
        (_WELCOME | _login("2026-11-28", 3), _STREAK, 0, "a login brings 2"),
        (_WELCOME | _login("2026-11-28") | _login("2026-12-01") | _login("2026-12-03"), _STREAK, 0, "logins in"),
        (_login("2026-11-28"), _STREAK, 0, "brings the welcome"),
        (_WELCOME | _conversion(1, "a") | _conversion(2, "a"), _POINTS, 21, "one conversion"),
        (_WELCOME, _POINTS, 2, "points, answers and streak"),
        (_WELCOME | {"achievement.ten_answers": {"kind": "achievement", "amount": 5}}, _POINTS, 1, "at 1 of 10"),
    ],
)
def test_a_broken_cap_is_found(ledger: Any, economy: Any, completed: int, found: str) -> None:
    """Each way to have more, or less, than was earned."""
    with pytest.raises(AssertionError, match=found):
        check_caps(ledger, economy, completed, most_days=2)
