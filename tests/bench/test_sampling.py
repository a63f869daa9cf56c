"""Where the time goes: what computes and what waits are told apart, on both event loops."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from bench.sampling import WAITING, sampled


def compute() -> None:
    """Keep a core busy for a moment."""
    ends_at = time.thread_time() + 0.05
    while time.thread_time() < ends_at:
        sum(range(1_000))


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_waiting_is_told_from_computing(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    """Each is seen, and next to nothing else is."""

    async def work() -> None:
        for _ in range(10):
            compute()
            await asyncio.sleep(0.05)

    with sampled(WAITING, ("computing", ("test_sampling.py:compute",))) as samples:
        run(work())

    assert samples.seen["waiting for others"] > 10
    assert samples.seen["computing"] > 10
    assert samples.seen["the rest"] < samples.seen.total() / 4
