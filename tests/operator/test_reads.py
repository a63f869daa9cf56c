"""What each command costs, as Firestore bills it: the bounds that their docstrings name."""

from collections.abc import Iterator

import pytest

from bench.counting import bill, counter
from tests.support.auditing import spend_a_night
from tests.support.operating import operate
from tests.support.world import World

# Each command asks first whether the project holds anything.
PRESENCE = 3


@pytest.fixture(autouse=True)
def _counter() -> Iterator[None]:
    with counter():
        yield


@pytest.mark.parametrize(
    ("arguments", "most_reads", "writes"),
    [
        (["user", "alice"], 1 + 10 + 10 + 1, 0),
        # All jobs of the status; with a user, the newest ones.
        (["jobs", "--status", "queued"], 2, 0),
        (["jobs", "--user", "alice", "--limit", "2"], 12, 0),
        (["job", "answered"], 8, 0),
        (["job", "declined"], 8, 0),
        (["job", "queued"], 8, 0),
        (["job", "unknown"], 2, 0),
        # Two batches, their number, the lane, and the end of the lanes.
        (["batches", "--limit", "2"], 2 + 1 + 13 + 1, 0),
        (["batches", "--all", "--limit", "3"], 3 + 1 + 13 + 1, 0),
        # Six statuses, the lane, the end of the lanes, open batches, today's spending of either speed; of the last
        # night five batches and three sums a day; no batch that fails; bulk jobs that are open, and that were foretold.
        (["stats"], 6 + 13 + 1 + 1 + 2 + 5 + 6 + 1 + 3, 0),
        # A read each of five batches, and three of each day.
        (["bill"], 5 + 93, 0),
        (["bill", "--month", "2999-01"], 1, 0),
        (["grant", "alice", "5", "--yes"], 4, 2),
        (["cancel", "job", "queued", "--yes"], 9, 4),
        (["cancel", "job", "answered", "--yes"], 1, 0),
        (["retry", "job", "declined", "--yes"], 15, 2),
        (["cancel", "batch", "unknown", "--yes"], 1, 0),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else None,
)
async def test_a_command_costs_no_more_than_it_says(
    world: World, capsys: pytest.CaptureFixture[str], arguments: list[str], most_reads: int, writes: int
) -> None:
    """After a night, with two batches open and three jobs queued; and only what changes something writes."""
    await spend_a_night(world)
    world.provider.hold("in_progress")
    await world.submit("alice", "sent")
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.submit("alice", "queued")
    await world.submit("alice", "queued-too", priority=9)

    with bill() as billed:
        await operate(world, capsys, *arguments)

    assert 0 < billed.reads <= PRESENCE + most_reads
    assert billed.writes == writes
