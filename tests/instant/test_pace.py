"""Waiting for one's turn to call the provider: the queue and its one timer, over the real event loop."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from nightshift.instant.concurrency import Concurrency
from nightshift.instant.pace import GateClosed, Pace
from nightshift.providers.base import NOTHING_SAID, RateLimits


async def settled() -> None:
    """Let every task go as far as it can without time passing."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_who_waits_is_let_in_in_the_order_of_asking() -> None:
    """One at a time, a hundred in a row; a later call does not get past them."""
    pace = Pace(Concurrency(first=1, most=1))
    order: list[int] = []

    async def call(number: int) -> None:
        async with pace.slot() as slot:
            order.append(number)
            await asyncio.sleep(0)
            slot.answered(NOTHING_SAID, 0)

    await asyncio.gather(*(call(number) for number in range(100)))

    assert order == list(range(100))
    assert pace.state.in_flight == 0


async def test_no_more_are_in_flight_than_the_limit() -> None:
    """Sixteen of a hundred begin; each end lets others in."""
    pace, may_end = Pace(), asyncio.Event()
    begun = 0

    async def call() -> None:
        nonlocal begun
        async with pace.slot():
            begun += 1
            await may_end.wait()

    calls = [asyncio.create_task(call()) for _ in range(100)]
    await settled()

    assert begun == pace.state.in_flight == 16
    may_end.set()
    await asyncio.gather(*calls)
    assert (begun, pace.state.in_flight) == (100, 0)


@pytest.mark.parametrize("has_turn", [False, True], ids=["while it waits", "in the moment of its turn"])
async def test_a_cancelled_waiter_leaves_no_leak(has_turn: bool) -> None:
    """Nor does one whose turn comes at the same time: the next in line has it."""
    pace = Pace(Concurrency(first=1, most=1))
    may_end, has_begun = asyncio.Event(), asyncio.Event()

    async def call(mark: asyncio.Event | None = None) -> None:
        async with pace.slot():
            if mark:
                mark.set()
            await may_end.wait()

    first, second, third = [asyncio.create_task(call(mark)) for mark in (None, None, has_begun)]
    await settled()
    if has_turn:
        # Its turn is set in the same step of the loop in which it is cancelled.
        may_end.set()
        await asyncio.sleep(0)
    second.cancel()
    await settled()
    may_end.set()
    await asyncio.gather(first, third)

    assert second.cancelled() or has_turn
    assert has_begun.is_set()
    assert (pace.state.in_flight, len(pace._waiting), pace._alarm) == (0, 0, None)


async def test_behind_a_closed_gate_all_wait_and_none_is_woken_before_it_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    """One timer for all of them, and no polling: the loop has nothing else to do meanwhile."""
    pace = Pace()
    loop = asyncio.get_running_loop()
    async with pace.slot() as slot:
        slot.limited(0.2, NOTHING_SAID)
    closed_at = loop.time()
    started_at: list[float] = []
    asked = 0
    real = pace.state.start

    def counted(now: float) -> object:
        nonlocal asked
        asked += 1
        return real(now)

    # Looked at, not replaced.
    monkeypatch.setattr(pace.state, "start", counted)

    async def call() -> None:
        async with pace.slot() as slot:
            started_at.append(loop.time())
            slot.answered(NOTHING_SAID, 0)

    waiting = [asyncio.create_task(call()) for _ in range(50)]
    await settled()
    asked_while_closed = asked
    await asyncio.gather(*waiting)

    assert min(started_at) >= closed_at + 0.19
    assert asked_while_closed <= 2
    assert asked <= 200
    assert pace._alarm is None


async def test_a_waiter_cancelled_just_before_its_turn_is_passed_over() -> None:
    """Its task has not noticed yet when the call before it ends in the same step of the loop."""
    pace = Pace(Concurrency(first=1, most=1))
    may_end = asyncio.Event()
    ended: list[int] = []

    async def call(number: int) -> None:
        async with pace.slot():
            await may_end.wait()
        ended.append(number)

    first, second, third = [asyncio.create_task(call(number)) for number in range(3)]
    await settled()
    may_end.set()
    second.cancel()
    await asyncio.gather(first, second, third, return_exceptions=True)

    assert ended == [0, 2]
    assert (pace.state.in_flight, len(pace._waiting), pace._alarm) == (0, 0, None)


@pytest.mark.parametrize("limits", [None, RateLimits(remaining_requests=0, requests_reset_seconds=60)])
async def test_behind_a_gate_that_stays_closed_for_long_no_call_waits(limits: RateLimits | None) -> None:
    """Neither earlier nor later calls wait. Each learns how long the gate stays closed, and no timer is left."""
    pace = Pace(Concurrency(first=1, most=1))
    may_end = asyncio.Event()

    async def call() -> None:
        async with pace.slot() as slot:
            await may_end.wait()
            if limits:
                slot.answered(limits, 0)
            else:
                slot.limited(60, NOTHING_SAID)

    calls = [asyncio.create_task(call()) for _ in range(3)]
    await settled()
    may_end.set()
    first, *waited = await asyncio.gather(*calls, return_exceptions=True)
    with pytest.raises(GateClosed) as late:
        async with pace.slot():
            pass

    assert first is None
    for closed in (*waited, late.value):
        assert isinstance(closed, GateClosed)
        assert 55 < closed.seconds <= 60
    assert (pace.state.in_flight, len(pace._waiting), pace._alarm) == (0, 0, None)


async def test_what_the_headers_say_holds_the_next_call_back() -> None:
    """Nothing remains for a fifth of a second: the next call waits for it without having been refused."""
    pace = Pace()
    loop = asyncio.get_running_loop()
    async with pace.slot() as slot:
        closed_at = loop.time()
        slot.answered(RateLimits(remaining_requests=0, requests_reset_seconds=0.2), 100)

    async with pace.slot():
        opened_at = loop.time()

    assert opened_at >= closed_at + 0.19


async def test_an_absurd_header_closes_nothing_for_ever() -> None:
    """A number of any length may stand in it."""
    pace = Pace()
    async with pace.slot() as slot:
        slot.answered(RateLimits(remaining_requests=10**400, requests_reset_seconds=1e300), 0)
    async with pace.slot() as slot:
        slot.answered(RateLimits(remaining_tokens=0, tokens_reset_seconds=float("inf")), 0)

    now = asyncio.get_running_loop().time()
    assert now < pace.state.opens_at(now) <= now + 900


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_gate_that_opens_within_a_millisecond_lets_in_on_either_loop(run: Callable[[Any], Any]) -> None:
    """Another call ends while one waits: the alarm that is set is looked at, and uvloop's knows no time by then."""

    async def one(pace: Pace) -> None:
        async with pace.slot():
            pass

    async def two_at_once() -> int:
        pace = Pace(Concurrency(first=4))
        async with pace.slot():
            async with pace.slot() as slot:
                slot.answered(RateLimits(remaining_requests=0, requests_reset_seconds=0.0004), 100)
            waiter = asyncio.create_task(one(pace))
            await asyncio.sleep(0)
        await waiter
        return pace.state.in_flight

    # In a round in which the millisecond is over before the waiter comes, no alarm is set.
    assert [run(two_at_once()) for _ in range(20)] == [0] * 20
