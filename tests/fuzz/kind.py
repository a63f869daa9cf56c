"""A kind of input: what its examples are, and how one is played."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.support.world import World

# A user who does nothing unusual, in every world.
BYSTANDER = "zoe"


async def _nothing(_: World) -> None:
    """There is nothing to set up."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of input. `play` returns how many inputs an example had; it raises AssertionError for what is broken."""

    name: str
    examples: st.SearchStrategy[Any]
    play: Callable[[World, Any], Awaitable[int]]
    # Of a hundred inputs in `make chaos`.
    share: int
    # About how many inputs an example has.
    size: int = 1
    # Once for each world: settings, wallets.
    begin: Callable[[World], Awaitable[None]] = _nothing
    # What a world holds before its first call.
    prepare: Callable[[World], None] = field(default=lambda _: None)


async def bystander_is_answered(world: World, job_id: str, ticks: int = 3) -> None:
    """Let ticks come by, each of which ends well, until the bystander has its answer."""
    for _ in range(ticks):
        await world.provider.settled()
        assert await world.tick() == 200, "a tick gets to its end"
        if (await world.job(job_id)).get("status") == "completed":
            return
    status = (await world.job(job_id)).get("status")
    raise AssertionError(f"another user's job is held up: it is {status!r} after {ticks} ticks")
