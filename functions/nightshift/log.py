"""Logging: one JSON object a line, in Cloud Logging's form (https://cloud.google.com/logging/docs/structured-logging).

Events carry ids and counts. Inputs, results, tokens and keys are never logged.
"""

import structlog
import structlog_gcp


def configure() -> None:
    """Send every event to standard output, where Cloud Logging reads it."""
    structlog.configure(processors=structlog_gcp.build_processors(), cache_logger_on_first_use=False)
