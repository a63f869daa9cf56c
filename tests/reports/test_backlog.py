"""What waits in a lane is counted up to a bound: an answer does not cost more with the length of the queue."""

import pytest

from nightshift.reports.backlog import backlogs
from tests.support.world import World


@pytest.mark.parametrize(("most", "told"), [(None, (3, False)), (3, (3, False)), (2, (2, True))])
async def test_no_more_queued_jobs_are_counted_than_are_asked_for(
    world: World, most: int | None, told: tuple[int, bool]
) -> None:
    """A backlog says whether it is all; without a bound all jobs are counted."""
    for number in range(3):
        await world.write("alice", status="queued", lane="openai:/v1/chat/completions:gpt-5-mini", priority=number)

    (lane,) = await backlogs(world.operators_runtime(), most)

    assert (lane.jobs, lane.is_cut) == told
