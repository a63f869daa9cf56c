"""Fields of an answer that nothing validated: any of them may be missing, or of another type."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from nightshift.values.text import cleaned
from nightshift.values.usage import count_of

_LONGEST_TEXT: Final = 500


def text_of(field: Any) -> str | None:
    """A text with something in it, as a document can hold it and a person see it: not too long, and cleaned.

    In the wild: an empty string where there is no file.
    """
    held = field[:_LONGEST_TEXT].encode(errors="replace").decode() if isinstance(field, str) else ""
    text = cleaned(held)
    return text or None


def object_of(field: Any) -> Mapping[str, Any]:
    """A JSON object; empty if it is anything else."""
    return field if isinstance(field, dict) else {}


def list_of(field: Any) -> list[Any]:
    """A JSON array; empty if it is anything else."""
    return field if isinstance(field, list) else []


def number_of(told: Any) -> int:
    """A count, also as a text: so whole numbers of 64 bits are in Google's JSON; 0 if it is anything else."""
    return int(told) if isinstance(told, str) and told.isascii() and told.isdigit() else count_of(told)


def moment_of(told: Any) -> datetime | None:
    """A moment as ISO 8601 writes it, UTC where it names no zone; None if it is anything else."""
    try:
        moment = datetime.fromisoformat(told)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
