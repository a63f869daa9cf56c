"""Messages to workers through Pub/Sub. A message is a hint to come and help, so one that is lost loses nothing."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
from google.api_core.exceptions import GoogleAPIError
from google.api_core.retry import AsyncRetry, if_transient_error
from google.auth.exceptions import GoogleAuthError

from nightshift.runtime import Runtime

log = structlog.get_logger()

# `timeout` bounds one call, `retry` all of them: the library's own repetition would go on for ten minutes.
_PUBLISH: Final[dict[str, Any]] = {
    "timeout": 5.0,
    "retry": AsyncRetry(predicate=if_transient_error, initial=0.1, maximum=1.0, timeout=5.0),
}


async def publish(runtime: Runtime, topic: str, calls: Sequence[Mapping[str, Any]]) -> bool:
    """Publish a message for each call, as JSON. Returns False if they could not be published."""
    from google.pubsub_v1 import PubsubMessage

    try:
        await runtime.publisher.publish(
            topic=f"projects/{runtime.settings.project}/topics/{topic}",
            messages=[PubsubMessage(data=json.dumps(call).encode()) for call in calls],
            **_PUBLISH,
        )
    except (GoogleAPIError, GoogleAuthError) as error:
        log.warning("workers_not_called", error=type(error).__name__)
        return False
    return True
