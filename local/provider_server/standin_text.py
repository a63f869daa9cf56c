"""Strings of the stand-in: free text that tells where it comes from, or the shortest thing that a format
allows.

A `pattern` cannot be inverted in general. A few plain candidates are tried; if none matches, the request is
answered with an error that says so, which is more honest than text that breaks the schema.
"""

import re
import uuid
from datetime import UTC, datetime, timedelta

from local.provider_server.errors import ApiError, JsonObject

EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
# fmt: off
CANDIDATES = (
    "stand-in", "standin", "Standin", "STANDIN", "stand_in", "Stand-in, no model", "0", "00", "000", "0000",
    "00000", "000000", "0.0", "0.00", "1.0.0", "00:00", "a", "A", "aa", "AA", "aaa", "AAA", "a0", "A0", "A-0",
    "AA-00", "AAA-000", "#000000", "2025-01-01", "stand-in@example.com", "https://example.com/stand-in",
    "+10000000000", "",
)
# fmt: on


def standin_text(schema: JsonObject, path: tuple[str, ...], number: int) -> str:
    """A string for the schema at `path`; `number` varies it between requests."""
    if "format" in schema:
        formatted = _formatted(schema["format"], number)
        if formatted is not None:
            return formatted
    place = next((name for name in reversed(path) if not name.isdigit()), "answer")
    text = f"stand-in {place} {number % 0x10000:04x} (no model was asked)"
    if "pattern" in schema and not re.search(schema["pattern"], text):
        text = _matching(schema["pattern"], path)
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    return text.ljust(least, ".")[:most]


def _formatted(name: str, number: int) -> str | None:
    """A string of one of the formats that structured outputs know; addresses are documentation ones."""
    moment = EPOCH + timedelta(seconds=number % 31_536_000)
    return {
        "date-time": moment.isoformat().replace("+00:00", "Z"),
        "date": moment.date().isoformat(),
        "time": moment.time().isoformat() + "Z",
        "duration": f"PT{1 + number % 60}M",
        "email": f"stand-in-{number % 1000}@example.com",
        "hostname": f"stand-in-{number % 1000}.example.com",
        "ipv4": f"192.0.2.{number % 256}",
        "ipv6": f"2001:db8::{number % 0x10000:x}",
        "uuid": str(uuid.UUID(int=number, version=4)),
    }.get(name)


def _matching(pattern: str, path: tuple[str, ...]) -> str:
    for candidate in CANDIDATES:
        if re.search(pattern, candidate):
            return candidate
    raise ApiError(
        400,
        f"The stand-in knows no text for the pattern '{pattern}' at {path}.",
        param="response_format",
        code="standin_unsupported_pattern",
    )
