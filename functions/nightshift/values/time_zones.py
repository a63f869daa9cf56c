"""Time zones by the names of the IANA, as `Asia/Kolkata`: https://www.iana.org/time-zones."""

from typing import Final
from zoneinfo import ZoneInfo

# The longest of the IANA's names has 32 characters.
_LONGEST_NAME: Final = 64


def is_zone(name: str) -> bool:
    """Whether it names a time zone."""
    if not name or len(name) > _LONGEST_NAME or not name.isascii():
        return False
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return False
    return True
