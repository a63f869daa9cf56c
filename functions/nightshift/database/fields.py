"""Reading a document's fields."""

from datetime import datetime
from typing import Any


def time_or_none(moment: Any) -> datetime | None:
    """A document's field if it is a time."""
    return moment if isinstance(moment, datetime) else None
