"""What the functions log, as they log it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from structlog.testing import capture_logs

from nightshift import log


@contextmanager
def logged() -> Iterator[list[Any]]:
    """The events of the body, as they come; a function that starts meanwhile would turn the capture off."""
    with patch.object(log, "configure"), capture_logs() as events:
        yield events


def of(events: list[Any], name: str) -> list[Any]:
    """Those of a name."""
    return [event for event in events if event["event"] == name]
