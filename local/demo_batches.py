"""What saw that a batch had ended, and how long before the next tick; taken from the functions' own logs."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

# As the table of functions has it.
_TICK_EVERY: Final = timedelta(minutes=10)

Event = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A batch that the provider had ended."""

    # `provider:model`.
    model: str
    jobs: int
    # The function that saw it: the webhook, if a worker looked because of the provider's event.
    seen_by: str
    # From then until its answers were there and it was closed.
    closed_after: timedelta
    # How much later the next tick came, in the time of a real night; None = a tick saw it, or none had come yet.
    ahead_of_tick: timedelta | None


def ended_batches(log_dir: Path, speed: float) -> list[Ended]:
    """The batches that were closed, in the order in which they ended. The ticks' clock ran `speed` times as fast."""
    events = sorted(_events(log_dir.glob("*.log")), key=_time)
    ticks = sorted(_time(event) - timedelta(seconds=event["seconds"]) for event in events if _is(event, "tick_done"))
    closed = {event["batch_id"]: event for event in events if _is(event, "batch_closed")}
    # The first that saw it; one that looked at the same time may say so, too.
    ended = {event["batch_id"]: event for event in reversed(events) if _is(event, "batch_ended")}
    return [
        Ended(
            model=lane_name(event.get("lane", "")),
            jobs=closed[event["batch_id"]]["jobs"],
            seen_by="openai_webhook" if "event_id" in event else event["function"],
            closed_after=_time(closed[event["batch_id"]]) - _time(event),
            ahead_of_tick=None if event["function"] == "process_batch_jobs" else _until_tick(event, ticks, speed),
        )
        for event in sorted(ended.values(), key=_time)
        if event["batch_id"] in closed
    ]


def lane_name(lane: str) -> str:
    """A lane without its endpoint: `openai:gpt-5-mini`."""
    provider, _, rest = lane.partition(":")
    return f"{provider}:{rest.partition(':')[2]}"


def _until_tick(event: Event, ticks: Iterable[datetime], speed: float) -> timedelta | None:
    last = max((tick for tick in ticks if tick <= _time(event)), default=None)
    return None if last is None else max(timedelta(), _TICK_EVERY - speed * (_time(event) - last))


def _events(logs: Iterable[Path]) -> Iterator[Event]:
    for log in logs:
        for line in log.read_text(errors="replace").splitlines():
            if line.startswith("{"):
                yield json.loads(line)


def _is(event: Event, name: str) -> bool:
    return bool(event.get("message") == name)


def _time(event: Event) -> datetime:
    return datetime.fromisoformat(event.get("time", "1970-01-01T00:00:00Z"))
