"""Logging: one JSON object a line, in Cloud Logging's form (https://cloud.google.com/logging/docs/structured-logging).

Events carry ids and counts. Inputs, results, tokens and keys are never logged; nor is the text of an unexpected
error, which may quote them: its type and the place where it was raised are enough to find it.
"""

import traceback

import structlog
import structlog_gcp

from nightshift.model.errors import TryLater

log = structlog.get_logger()


def configure() -> None:
    """Send every event to standard output, where Cloud Logging reads it."""
    structlog.configure(processors=structlog_gcp.build_processors())


def left_to_the_next_tick(duty: str, trouble: TryLater, **ids: str) -> None:
    """Log a passing trouble; as an error when somebody has to act before it can pass."""
    event = log.error if trouble.needs_operator else log.warning
    event("left_to_the_next_tick", duty=duty, error=type(trouble).__name__, reason=str(trouble), **ids)


def where_raised(error: BaseException) -> str:
    """The innermost lines of our own code that an error passed, as `file:line function`, outermost first."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "nightshift" in frame.filename]
    return " > ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames[-3:])
