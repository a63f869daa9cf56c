"""How lanes are told, by whichever command."""

from collections.abc import Sequence
from typing import Final

from nightshift.commands.telling import Tell
from nightshift.store.backlog import LaneBacklog

_COLUMNS: Final = {
    "Lane": ["lane"],
    "Queued": ["jobs"],
    "Oldest": ["oldestQueuedAt"],
    "Backs off until": ["backsOffUntil"],
}


def tell_lanes(tell: Tell, lanes: Sequence[LaneBacklog]) -> None:
    """The lanes in which jobs are queued."""
    rows = [
        {
            "lane": str(lane.lane),
            "jobs": lane.jobs,
            "oldestQueuedAt": lane.oldest_queued_at,
            "backsOffUntil": lane.state.backs_off_until,
            "lastSubmittedAt": lane.state.last_submitted_at,
            "heldUntil": lane.state.held_until,
        }
        for lane in lanes
    ]
    tell.table("lane", rows, _COLUMNS)
