"""OpenAI's events: what it posts to us when a batch has ended (https://platform.openai.com/docs/guides/webhooks).

A signature covers the event's id, its time and its raw body. The SDK checks it in constant time, and that it is at
most five minutes old. That needs the signing secret alone, so this is no part of the adapter, which has the API key.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import openai

from nightshift.errors import EventUnreadable
from nightshift.providers.base import SignatureInvalid, WebhookEvent
from nightshift.providers.fields import text_of

_ENDED: Final = frozenset({"batch.completed", "batch.failed", "batch.expired", "batch.cancelled"})
_BATCH_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")
# The SDK builds no client without a key. This one is never sent: the client makes no call.
_NO_KEY: Final = "none"


class OpenAIEvents:
    """Reads events, and believes those that are signed with this secret."""

    def __init__(self, secret: str) -> None:
        self._webhooks = openai.AsyncOpenAI(api_key=_NO_KEY, webhook_secret=secret).webhooks

    def ended_batch(self, body: bytes, headers: Mapping[str, str]) -> WebhookEvent:
        """What OpenAI posted to us.

        Raises:
            SignatureInvalid: nothing proves that it comes from OpenAI.
            EventUnreadable: it does, and is no JSON.
        """
        try:
            event: Any = self._webhooks.unwrap(body, headers)
        except (json.JSONDecodeError, RecursionError) as error:
            # It is parsed only once the signature is found right.
            raise EventUnreadable("the event is no JSON") from error
        except (ValueError, TypeError) as error:
            # A missing header is a ValueError, a signature that is not ASCII a TypeError, the rest is the SDK's own.
            raise SignatureInvalid(type(error).__name__) from error
        # The SDK does not validate, and makes some class of an event that it does not know.
        remote_id = text_of(getattr(getattr(event, "data", None), "id", None))
        says_ended = text_of(getattr(event, "type", None)) in _ENDED
        names_a_batch = remote_id is not None and _BATCH_ID.fullmatch(remote_id)
        return WebhookEvent(
            event_id=headers["webhook-id"], remote_id=remote_id if says_ended and names_a_batch else None
        )
