"""Logging: one JSON object a line, in Cloud Logging's form (https://cloud.google.com/logging/docs/structured-logging).

Events carry ids and counts. Inputs, results, tokens and keys are never logged; nor is the text of an unexpected
error, which may quote them: its type and the place where it was raised are enough to find it. What libraries
log by themselves is treated alike.
"""

import logging
import traceback

import structlog
import structlog_gcp

from nightshift.model.errors import TryLater

log = structlog.get_logger()


def configure() -> None:
    """Send every event to standard output, where Cloud Logging reads it."""
    structlog.configure(processors=structlog_gcp.build_processors())
    # functions-framework's own, if any, prints a traceback in full.
    logging.getLogger().handlers[:] = [_OfLibraries()]


def left_to_the_next_tick(duty: str, trouble: TryLater, **ids: str) -> None:
    """Log a passing trouble that a tick makes up for."""
    _log_trouble("left_to_the_next_tick", trouble, duty=duty, **ids)


def left_to_redelivery(function: str, trouble: TryLater) -> None:
    """Log a passing trouble for which the event is delivered again."""
    _log_trouble("left_to_redelivery", trouble, function=function)


def _log_trouble(event: str, trouble: TryLater, **ids: str) -> None:
    """As an error when somebody has to act before it can pass."""
    at_severity = log.error if trouble.needs_operator else log.warning
    at_severity(event, error=type(trouble).__name__, reason=str(trouble), **ids)


def where_raised(error: BaseException) -> str:
    """The innermost lines of our own code that an error passed, as `file:line function`, outermost first."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "nightshift" in frame.filename]
    return " > ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames[-3:])


class _OfLibraries(logging.Handler):
    """Logs that a library logged something, and where; not its text."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        event = log.error if record.levelno >= logging.ERROR else log.warning
        event(
            "library_logged",
            logger=record.name,
            place=f"{record.filename}:{record.lineno} {record.funcName}",
            error=type(error).__name__ if error else None,
            where=where_raised(error) if error else None,
        )
