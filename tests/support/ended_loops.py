"""The end of a call of an earlier test is not told in the middle of what the present test prints.

The earlier test's loop is closed, so gRPC's one queue of a process tells the present loop, which logs a RuntimeError.
"""

import logging


def silence() -> None:
    """Leave out of asyncio's log that a loop is closed."""
    logging.getLogger("asyncio").addFilter(_is_of_an_open_loop)


def _is_of_an_open_loop(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, RuntimeError) and str(error) == "Event loop is closed")
