"""Grouped calls: which calls go together, and that one caller's end does not end another's call."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from nightshift.database.grouped_calls import Group, GroupedCalls


class Place:
    """What is called: it records each call, and answers when it is let, with what was asked in capitals."""

    def __init__(self, most: int = 100) -> None:
        self.calls: list[list[str]] = []
        self.may_answer = asyncio.Event()
        self.fails_at: set[str] = set()
        self.gathering: GroupedCalls[str, str] = GroupedCalls(self._call, most=most)

    async def _call(self, gathered: Group[str, str]) -> None:
        self.calls.append(list(gathered))
        await self.may_answer.wait()
        for asked, answer in gathered.items():
            if asked in self.fails_at:
                raise LookupError(asked)
            answer.set_result(asked.upper())


Ask = Callable[[str], Awaitable[str]]


async def _begin(*asking: Coroutine[Any, Any, str]) -> list[asyncio.Task[str]]:
    """Start them in this order, and return when each of them waits."""
    tasks = [asyncio.create_task(each) for each in asking]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_the_first_goes_at_once_and_those_that_come_meanwhile_go_together() -> None:
    """A single caller does not wait; under load the next call takes all who wait, in the order in which they came."""
    place = Place()
    first = await _begin(place.gathering.ask("a"))
    others = await _begin(*(place.gathering.ask(asked) for asked in "bcd"))
    assert place.calls == [["a"]]

    place.may_answer.set()

    assert await asyncio.gather(*first, *others) == ["A", "B", "C", "D"]
    assert place.calls == [["a"], ["b", "c", "d"]]


async def test_a_call_takes_no_more_than_it_may() -> None:
    """What does not fit goes with the next."""
    place = Place(most=2)
    place.may_answer.set()

    await asyncio.gather(*(place.gathering.ask(asked) for asked in "abcde"))

    assert place.calls == [["a", "b"], ["c", "d"], ["e"]]


async def test_two_places_do_not_wait_for_each_other() -> None:
    """A call that is under way at one place holds nothing up at another."""
    place = Place()

    tasks = await _begin(place.gathering.ask("a", at="here"), place.gathering.ask("b", at="there"))

    assert place.calls == [["a"], ["b"]]
    place.may_answer.set()
    await asyncio.gather(*tasks)


async def test_the_same_asked_twice_while_it_waits_is_asked_once() -> None:
    """Both hear the one answer."""
    place = Place()
    tasks = await _begin(place.gathering.ask("a"), *(place.gathering.ask("b") for _ in range(2)))
    tasks += await _begin(place.gathering.ask("c"), place.gathering.ask("c"))

    place.may_answer.set()

    assert await asyncio.gather(*tasks) == ["A", "B", "B", "C", "C"]
    assert place.calls == [["a", "b"], ["c"]]


async def test_an_error_reaches_those_callers_alone_that_were_not_answered() -> None:
    """A caller that was answered before the call failed keeps its answer, and the next call is made all the same."""
    place = Place()
    place.fails_at = {"b"}
    tasks = await _begin(*(place.gathering.ask(asked) for asked in "abc"))
    tasks += await _begin(place.gathering.ask("d"))

    place.may_answer.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert [answers[0], answers[3]] == ["A", "D"]
    assert [str(error) for error in answers[1:3]] == ["b", "b"]


@pytest.mark.parametrize("cancelled", [0, 1, 3])
async def test_a_cancelled_caller_does_not_cancel_the_others(cancelled: int) -> None:
    """Not even if it asked first: the call goes on, and does what was asked for."""
    place = Place()
    tasks = await _begin(place.gathering.ask("a"), place.gathering.ask("b"))
    tasks += await _begin(place.gathering.ask("c"), place.gathering.ask("d"))

    tasks.pop(cancelled).cancel()
    place.may_answer.set()

    assert len(await asyncio.gather(*tasks)) == 3
    assert place.calls == [["a", "b"], ["c", "d"]]


async def test_whatever_ends_the_call_ends_all_who_wait() -> None:
    """When the loop is shut down in the middle, no caller is left waiting for an answer that never comes."""
    place = Place()
    before = asyncio.all_tasks()
    tasks = await _begin(place.gathering.ask("a"))
    tasks += await _begin(place.gathering.ask("b"))
    (call,) = asyncio.all_tasks() - before - set(tasks)

    call.cancel()

    assert {type(end) for end in await asyncio.gather(*tasks, return_exceptions=True)} == {asyncio.CancelledError}


async def test_nothing_is_kept_of_a_place_that_is_quiet_again() -> None:
    """Memory does not grow with the places that were ever asked, and each can be asked again."""
    place = Place()
    place.may_answer.set()
    place.fails_at = {"7"}

    for _ in range(2):
        asking = (place.gathering.ask(str(number), at=str(number)) for number in range(20))
        await asyncio.gather(*asking, return_exceptions=True)
        await asyncio.sleep(0)

    assert len(place.calls) == 40
    assert not place.gathering._waiting
    assert not place.gathering._under_way
