"""The trace of a call, by its request's headers, in Cloud Logging's fields: its events stand below its request there.

Cloud Run gives every request both headers (https://cloud.google.com/trace/docs/trace-context); an event may bring the
trace of its sender as an attribute of its own
(https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/distributed-tracing.md). A client may
send any text there. Text that does not have exactly the form of a trace is ignored.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

# The id alone; `log.configure` names the project to which it belongs.
TRACE: Final = "logging.googleapis.com/trace"
_SPAN: Final = "logging.googleapis.com/spanId"
_SAMPLED: Final = "logging.googleapis.com/trace_sampled"

_TRACE_ID: Final = r"(?P<trace>(?!0{32})[0-9a-f]{32})"
# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT: Final = re.compile(
    rf"(?!ff)[0-9a-f]{{2}}-{_TRACE_ID}-(?P<span>(?!0{{16}})[0-9a-f]{{16}})-(?P<flags>[0-9a-f]{{2}})"
)
# https://cloud.google.com/trace/docs/trace-context#legacy-http-header: here the span is a decimal number.
_CLOUD_TRACE: Final = re.compile(rf"{_TRACE_ID}(/(?P<span>[0-9]{{1,20}})(;o=(?P<flags>[0-3]))?)?")
_MOST_SPANS: Final = 2**64


def trace_of(headers: Mapping[str, str]) -> dict[str, Any]:
    """The trace that the first of the headers names which has the form of one, as fields; none, if no header does."""
    if found := _TRACEPARENT.fullmatch(headers.get("traceparent", "")):
        return _fields(found["trace"], found["span"], int(found["flags"], 16))
    if found := _CLOUD_TRACE.fullmatch(headers.get("x-cloud-trace-context", "")):
        span = int(found["span"] or 0)
        return _fields(found["trace"], f"{span:016x}" if 0 < span < _MOST_SPANS else None, int(found["flags"] or 0))
    if found := _TRACEPARENT.fullmatch(headers.get("ce-traceparent", "")):
        return _fields(found["trace"], found["span"], int(found["flags"], 16))
    return {}


def _fields(trace: str, span: str | None, flags: int) -> dict[str, Any]:
    fields: dict[str, Any] = {TRACE: trace, _SAMPLED: bool(flags & 1)}
    return fields | ({_SPAN: span} if span else {})
