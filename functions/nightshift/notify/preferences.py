"""How a user wants to hear of an end: `preferences/{uid}`, which the client writes and the rules bound."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal
from zoneinfo import ZoneInfo

from nightshift.database.collections import PREFERENCES
from nightshift.database.reads import read_each
from nightshift.runtime import Runtime
from nightshift.values.time_zones import is_zone

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference

Way = Literal["email", "push"]
Topic = Literal["jobs", "bulk"]

TOPICS: Final[tuple[Topic, ...]] = ("jobs", "bulk")
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


@dataclass(frozen=True, kw_only=True)
class QuietHours:
    """When a user is not to be disturbed, every day."""

    # Minutes after midnight in the zone.
    begin: int
    end: int
    zone: str

    @classmethod
    def read(cls, fields: Any) -> "QuietHours | None":
        """The hours in a document's field; None where it holds no such hours."""
        fields = fields if isinstance(fields, Mapping) else {}
        begin, end = _minutes(fields.get("from")), _minutes(fields.get("to"))
        zone = fields.get("timeZone")
        if begin is None or end is None or begin == end or not (isinstance(zone, str) and is_zone(zone)):
            return None
        return cls(begin=begin, end=end, zone=zone)

    def end_after(self, now: datetime) -> datetime | None:
        """When the hours end that are going on now; None if none are."""
        there = now.astimezone(ZoneInfo(self.zone))
        minute = there.hour * 60 + there.minute
        # As on a clock: from 22:00 to 07:00 are nine hours.
        if (minute - self.begin) % _A_DAY >= (self.end - self.begin) % _A_DAY:
            return None
        return now + timedelta(minutes=(self.end - minute) % _A_DAY) - timedelta(seconds=there.second)


@dataclass(frozen=True, kw_only=True)
class MessagePreferences:
    """What a user wants to hear of, and how. Who has chosen nothing hears nothing but in the app."""

    email: bool = False
    push: bool = False
    topics: tuple[Topic, ...] = TOPICS
    language: str = "en"
    quiet_hours: QuietHours | None = None

    @classmethod
    def read(cls, fields: Mapping[str, Any] | None) -> "MessagePreferences":
        """The preferences in a document's fields."""
        fields = fields or {}
        about, language = fields.get("about"), fields.get("language")
        return cls(
            email=fields.get("email") is True,
            push=fields.get("push") is True,
            topics=tuple(topic for topic in TOPICS if topic in about) if isinstance(about, list) else TOPICS,
            language=language if isinstance(language, str) else "en",
            quiet_hours=QuietHours.read(fields.get("quietHours")),
        )

    def ways(self, runtime: Runtime, topic: Topic) -> list[Way]:
        """The ways in which the user wants to hear of a topic, and this deployment sends."""
        if topic not in self.topics:
            return []
        settings = runtime.settings
        wanted: list[tuple[Way, bool]] = [
            ("email", self.email and settings.mail != "off"),
            ("push", self.push and settings.push),
        ]
        return [way for way, is_wanted in wanted if is_wanted]


def preferences_ref(runtime: Runtime, user_id: str) -> "AsyncDocumentReference":
    """Where a user's preferences lie."""
    ref: AsyncDocumentReference = runtime.firestore.collection(PREFERENCES).document(user_id)
    return ref


def are_asked_for(runtime: Runtime) -> bool:
    """Whether this deployment sends anything at all."""
    return runtime.settings.mail != "off" or runtime.settings.push


async def read(runtime: Runtime, user_ids: Iterable[str]) -> dict[str, MessagePreferences]:
    """The preferences of these users: one read for each, and none where nothing is sent anyway."""
    if not are_asked_for(runtime):
        return {}
    refs = [preferences_ref(runtime, user_id) for user_id in set(user_ids)]
    return {snapshot.id: MessagePreferences.read(snapshot.to_dict()) for snapshot in await read_each(runtime, refs)}


_A_DAY: Final = 24 * 60


def _minutes(clock: Any) -> int | None:
    found = _CLOCK.fullmatch(clock) if isinstance(clock, str) else None
    return int(found[1]) * 60 + int(found[2]) if found else None
