"""Turns: how users share time or places, so that none of them waits for all that another one has.

`in_turn` is an order: the first of each user, then the second of each. `FairTurns` is for work that takes unlike times:
the next is always of the user who has used least of the time.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from itertools import zip_longest
from typing import Generic, TypeVar

Item = TypeVar("Item")


def in_turn(items: Iterable[Item], user_of: Callable[[Item], str]) -> list[Item]:
    """The same items: the first of each user, then the second of each, and so on. A user's own keep their order."""
    of_user: defaultdict[str, list[tuple[Item]]] = defaultdict(list)
    for item in items:
        of_user[user_of(item)].append((item,))
    return [held[0] for turn in zip_longest(*of_user.values()) for held in turn if held]


class FairTurns(Generic[Item]):
    """What is left to do of each user, and how much of the time the user has used."""

    def __init__(self, items: Iterable[Item], user_of: Callable[[Item], str]) -> None:
        self._user_of = user_of
        self._left: defaultdict[str, deque[Item]] = defaultdict(deque)
        self._seconds: defaultdict[str, float] = defaultdict(float)
        for item in items:
            self._left[user_of(item)].append(item)

    @property
    def users(self) -> int:
        """How many users have something left."""
        return len(self._left)

    @property
    def left(self) -> list[Item]:
        """What is left, in the order in which it would be taken if all took the same time."""
        return in_turn((item for items in self._left.values() for item in items), self._user_of)

    def take(self) -> Item:
        """The next of the user who has used least; among equals, of the one who came first."""
        user_id = min(self._left, key=lambda user_id: self._seconds[user_id])
        items = self._left[user_id]
        item = items.popleft()
        if not items:
            del self._left[user_id]
        return item

    def used(self, item: Item, seconds: float, *, is_unfinished: bool) -> None:
        """Count the time that an item took. One that is unfinished waits behind the others of its user."""
        user_id = self._user_of(item)
        self._seconds[user_id] += seconds
        if is_unfinished:
            self._left[user_id].append(item)
