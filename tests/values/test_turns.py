"""Turns: users share time and places."""

from nightshift.values.turns import FairTurns, in_turn


def _whose(item: str) -> str:
    return item[0]


def test_in_turn_the_first_of_each_user_comes_before_the_second_of_any() -> None:
    """Each user's own keep their order."""
    assert in_turn(["a1", "a2", "a3", "b1", "c1", "c2"], _whose) == ["a1", "b1", "c1", "a2", "c2", "a3"]
    assert in_turn([], _whose) == []


def test_the_next_turn_is_of_the_user_who_has_used_least_of_the_time() -> None:
    """A user with one short item waits for one long item of another user at most, however many that one has."""
    turns = FairTurns(["a1", "a2", "a3", "b1", "b2"], _whose)

    assert turns.users == 2
    assert turns.take() == "a1"
    turns.used("a1", 10, is_unfinished=True)
    assert turns.take() == "b1"
    turns.used("b1", 1, is_unfinished=False)
    assert turns.take() == "b2"
    turns.used("b2", 1, is_unfinished=False)

    assert turns.users == 1
    # What is unfinished waits behind the others of its user.
    assert turns.left == ["a2", "a3", "a1"]
