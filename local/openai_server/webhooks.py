"""Webhooks: the server sends an event to one URL for every batch that has ended, as OpenAI does.

Events have OpenAI's body (https://platform.openai.com/docs/api-reference/webhook-events) and are signed as Standard
Webhooks (https://www.standardwebhooks.com): the signature covers the event's id, the time of this delivery and the
raw body. A delivery that meets no 2xx is repeated a few times under the same id, each time signed anew. Deliveries
run beside the server and hold nothing up; what is still undelivered when the server closes is dropped.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import secrets
import time
from typing import Final

import httpx

from local.provider_server.batches import Batch

log = logging.getLogger(__name__)

Delivery = tuple[dict[str, str], bytes]  # the headers and the raw body of one POST

_SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - how every secret begins
# OpenAI goes on for 72 hours.
_PAUSES_SECONDS: Final = (0.2, 1.0, 5.0)
_TIMEOUT_SECONDS: Final = 30


def new_secret() -> str:
    """A signing secret."""
    return _SECRET_PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()


def new_event_id() -> str:
    """The `webhook-id` of a new event."""
    return f"wh_{secrets.token_hex(16)}"


def event_body(batch_id: str, kind: str) -> bytes:
    """The raw body of a new event, e.g. of the kind `batch.completed`."""
    event = {
        "object": "event",
        "id": f"evt_{secrets.token_hex(16)}",
        "type": kind,
        "created_at": int(time.time()),
        "data": {"id": batch_id},
    }
    return json.dumps(event).encode()


def signed_headers(secret: str, event_id: str, body: bytes, sent_at: int) -> dict[str, str]:
    """The headers of a delivery; `sent_at` is in Unix seconds."""
    key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX))
    signature = hmac.digest(key, b"%s.%d.%s" % (event_id.encode(), sent_at, body), hashlib.sha256)
    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(sent_at),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


class Webhooks:
    """The deliveries of one server; without a URL it sends nothing."""

    def __init__(self, url: str | None, secret: str) -> None:
        self._url = url
        self._secret = secret
        self._deliveries: set[asyncio.Task[None]] = set()
        # Calls on this computer know no proxy.
        self._client = httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False) if url else None

    def announce(self, batch: Batch) -> None:
        """Tell that a batch has ended; returns at once."""
        if self._client and self._url:
            task = asyncio.create_task(self._deliver(self._client, self._url, batch))
            self._deliveries.add(task)
            task.add_done_callback(self._deliveries.discard)

    async def close(self) -> None:
        """Drop what is not delivered."""
        for task in self._deliveries:
            task.cancel()
        await asyncio.gather(*self._deliveries, return_exceptions=True)
        if self._client:
            await self._client.aclose()

    async def _deliver(self, client: httpx.AsyncClient, url: str, batch: Batch) -> None:
        event_id, body = new_event_id(), event_body(batch.id, f"batch.{batch.status}")
        for pause_seconds in (*_PAUSES_SECONDS, None):
            headers = signed_headers(self._secret, event_id, body, int(time.time()))
            try:
                answer = await client.post(url, headers=headers, content=body)
            except httpx.HTTPError as error:
                reason = repr(error)
            else:
                if answer.is_success:
                    return
                reason = str(answer.status_code)
            if pause_seconds is None:
                log.warning("webhook %s of %s was not delivered: %s", event_id, batch.id, reason)
            else:
                await asyncio.sleep(pause_seconds)
