"""What of a user's waiting messages is sent now, and when to look again. Knows no clock and asks nothing.

Each bulk job that was charged has a message of its own, at once. Single jobs share one, and so do refused bulk jobs,
which are free and without number: the first goes at once, the others at most once an hour. In quiet hours nothing is
sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from nightshift.notify.outbox import Message
from nightshift.notify.preferences import MessagePreferences, Way

BETWEEN_DIGESTS: Final = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What becomes of a user's waiting messages now."""

    # What is sent now, as one message to the user; empty for nothing.
    group: Sequence[Message]
    # The user has changed their mind.
    unwanted: Sequence[Message]
    # When to look again; None if nothing is left.
    due_at: datetime | None

    @property
    def is_digest(self) -> bool:
        """Whether the group takes its hour: what shares a message, and is sent for the first time."""
        return bool(self.group) and self.group[0].is_shared and not self.group[0].attempts


def plan(
    waiting: Sequence[Message], wanted: MessagePreferences, last_digest_at: datetime | None, now: datetime
) -> Plan:
    """What is sent now of what waits for a user.

    Args:
        last_digest_at: when a shared message last told something for the first time; None before.
    """
    sendable = [
        replace(message, ways=tuple(way for way in message.ways if getattr(wanted, way))) for message in waiting
    ]
    unwanted = [message for message in sendable if not message.ways or message.topic not in wanted.topics]
    rest = [message for message in sendable if message not in unwanted]
    if not rest:
        return Plan(group=[], unwanted=unwanted, due_at=None)
    quiet_until = wanted.quiet_hours.end_after(now) if wanted.quiet_hours else None
    if quiet_until:
        return Plan(group=[], unwanted=unwanted, due_at=quiet_until)
    ready = [message for message in rest if message.retry_at is None or message.retry_at <= now]
    retry_at = min((message.retry_at for message in rest if message not in ready and message.retry_at), default=None)
    groups: list[Sequence[Message]] = [[message] for message in ready if not message.is_shared]
    single = [message for message in ready if message.is_shared and not message.attempts]
    again = [message for message in ready if message.is_shared and message.attempts]
    digest_at = last_digest_at + BETWEEN_DIGESTS if last_digest_at else now
    # What was refused before had its turn in the hour.
    groups += _by_ways(again)
    if digest_at <= now:
        groups += _by_ways(single)
        single = []
    due = [moment for moment in (retry_at, digest_at if single else None, now if groups[1:] else None) if moment]
    return Plan(group=groups[0] if groups else [], unwanted=unwanted, due_at=min(due, default=None))


def _by_ways(messages: Sequence[Message]) -> list[Sequence[Message]]:
    """The messages that go the same ways, together."""
    groups: dict[tuple[Way, ...], list[Message]] = {}
    for message in messages:
        groups.setdefault(message.ways, []).append(message)
    return list(groups.values())
