"""How every command prints lanes, and why batches wait."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from cli.commands.printing import Printer
from nightshift.reports.backlog import LaneBacklog
from nightshift.runtime import Runtime
from nightshift.values.told import duration

_COLUMNS: Final = {
    "Lane": ["lane"],
    "Queued": ["jobs"],
    "Oldest": ["oldestAge"],
    "": ["held"],
}


def tell_lanes(runtime: Runtime, printer: Printer, lanes: Sequence[LaneBacklog]) -> None:
    """The lanes in which jobs are queued."""
    printer.table("lane", [_row(lane, runtime.now()) for lane in lanes], _COLUMNS)


def _row(lane: LaneBacklog, now: datetime) -> dict[str, Any]:
    state, oldest_at = lane.state, lane.oldest_queued_at
    held = None
    if state.backs_off_until:
        held = f"backs off for {duration(state.backs_off_until - now)} more"
    elif state.held_until:
        held = f"held for {duration(state.held_until - now)} more"
    return {
        "lane": str(lane.lane),
        "jobs": lane.jobs,
        "oldestQueuedAt": oldest_at,
        "oldestAge": oldest_at and now - oldest_at,
        "lastSubmittedAt": state.last_submitted_at,
        "backsOffUntil": state.backs_off_until,
        "heldUntil": state.held_until,
        "held": held,
    }
