"""Logging: one JSON object a line, in Cloud Logging's form (https://cloud.google.com/logging/docs/structured-logging).

Events carry ids and counts; which ones there are, and what to do, stands in docs/OPERATIONS.md. Their severity means
something: `info` is a step of a normal night, `warning` was put right or passes by itself, `error` waits for the
operator to act.

The ids of what is being worked on are bound where the work begins (`structlog.contextvars`), and are on every event
until it ends: the function and the trace of a call (`entry.py`), the lane and the batch that advance.

Inputs, results, tokens and keys are never logged; nor is the text of an unexpected error, which may quote them: its
type and the place where it was raised are enough to find it. What libraries log by themselves is treated alike.
"""

import logging
import traceback
from pathlib import PurePath

import structlog
import structlog_gcp
from structlog.typing import EventDict, Processor

from nightshift.errors import TryLater
from nightshift.trace import TRACE

log = structlog.get_logger()


def configure(project: str | None = None) -> None:
    """Send every event to standard output, where Cloud Logging reads it.

    Args:
        project: to which the traces of the calls belong; None where there are no calls.
    """
    structlog.configure(processors=[*structlog_gcp.build_processors()[:-1], _traced_in(project), _AS_JSON])
    # functions-framework's own, if any, prints a traceback in full. It may also have silenced the loggers there were.
    logging.getLogger().handlers[:] = [_OfLibraries()]
    for name in logging.root.manager.loggerDict:
        logging.getLogger(name).disabled = False


_AS_JSON = structlog.processors.JSONRenderer()


def _traced_in(project: str | None) -> Processor:
    """Name a trace as Cloud Logging finds it: https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry."""

    def name_trace(_: object, __: str, event: EventDict) -> EventDict:
        if TRACE in event:
            event[TRACE] = f"projects/{project}/traces/{event[TRACE]}"
        return event

    return name_trace


def left_to_the_next_tick(duty: str, trouble: TryLater, **ids: str) -> None:
    """Log a passing trouble that a tick makes up for; as an error when it passes only if the operator acts."""
    (log.error if trouble.needs_operator else log.warning)(
        "left_to_the_next_tick", duty=duty, error=type(trouble).__name__, reason=str(trouble), **ids
    )


def left_to_redelivery(trouble: TryLater) -> None:
    """Log a passing trouble for which the event comes again; as an error when it passes only if the operator acts."""
    (log.error if trouble.needs_operator else log.warning)(
        "left_to_redelivery", error=type(trouble).__name__, reason=str(trouble)
    )


def where_raised(error: BaseException) -> str:
    """The innermost lines of our own code that an error passed, as `file:line function`, outermost first."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_ours(frame.filename)]
    return " > ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames[-3:])


def _is_ours(file_name: str) -> bool:
    """Whether a file is one of the functions' or of the operator's command."""
    return not {"nightshift", "cli"}.isdisjoint(PurePath(file_name).parts)


class _OfLibraries(logging.Handler):
    """Logs that a library logged something, and where; not its text."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        (log.error if record.levelno >= logging.ERROR else log.warning)(
            "library_logged",
            logger=record.name,
            place=f"{record.filename}:{record.lineno} {record.funcName}",
            error=type(error).__name__ if error else None,
            where=where_raised(error) if error else None,
        )
