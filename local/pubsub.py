"""What the stack asks of the Pub/Sub emulator, over REST: the gRPC client takes a second to import."""

import base64
from collections.abc import Mapping
from typing import Any

import httpx

from local.errors import StackError

# As few as Pub/Sub allows. Deployed, it is more (`deploy/steps/dead_letters.py`).
DELIVERY_ATTEMPTS = 5
# The longest that Pub/Sub knows. An event-driven function has as long: no push is repeated while it runs.
_ACK_DEADLINE_SECONDS = 600


class Topics:
    """The topics of one project in the Pub/Sub emulator at `host` (HOST:PORT)."""

    def __init__(self, client: httpx.AsyncClient, host: str, project: str) -> None:
        self._client = client
        self._base = f"http://{host}/v1"
        self._project = f"projects/{project}"

    async def create(self, topic: str) -> None:
        """Create a topic; one that exists is left as it is."""
        await self._ask("PUT", f"{self._project}/topics/{topic}", {}, fine=409)

    async def push(
        self, topic: str, url: str, dead_letter_topic: str | None = None, attempts: int = DELIVERY_ATTEMPTS
    ) -> None:
        """Subscribe `url` to the topic. A message that fails comes again after a second.

        No `retryPolicy` is set: with one the emulator (0.8.20) may forget a message after three failed deliveries, and
        never deliver it again. Deployed, there is one, of 10 s to 10 min.

        Args:
            dead_letter_topic: where a message goes that was not answered by 2xx in so many `attempts`; None = it is
                delivered until it is.
        """
        subscription: dict[str, object] = {
            "topic": f"{self._project}/topics/{topic}",
            "pushConfig": {"pushEndpoint": url},
            "ackDeadlineSeconds": _ACK_DEADLINE_SECONDS,
        }
        if dead_letter_topic:
            subscription["deadLetterPolicy"] = {
                "deadLetterTopic": f"{self._project}/topics/{dead_letter_topic}",
                "maxDeliveryAttempts": attempts,
            }
        await self._ask("PUT", f"{self._project}/subscriptions/{topic}-push", subscription, fine=409)

    async def keep(self, topic: str) -> None:
        """Keep the topic's messages until `pull` takes them; without a subscription Pub/Sub drops them."""
        subscription = {"topic": f"{self._project}/topics/{topic}"}
        await self._ask("PUT", f"{self._project}/subscriptions/{topic}", subscription, fine=409)

    async def pull(self, topic: str) -> list[bytes]:
        """The bodies of the messages that came since `keep` and were not pulled yet."""
        subscription = f"{self._project}/subscriptions/{topic}"
        asked = {"maxMessages": 100, "returnImmediately": True}
        pulled = (await self._ask("POST", f"{subscription}:pull", asked)).get("receivedMessages", [])
        if pulled:
            ack_ids = [message["ackId"] for message in pulled]
            await self._ask("POST", f"{subscription}:acknowledge", {"ackIds": ack_ids})
        return [base64.b64decode(message["message"]["data"]) for message in pulled]

    async def publish(self, topic: str, body: bytes, attributes: Mapping[str, str] | None = None) -> None:
        """Publish one message."""
        message = {"data": base64.b64encode(body).decode(), "attributes": dict(attributes or {})}
        await self._ask("POST", f"{self._project}/topics/{topic}:publish", {"messages": [message]})

    async def _ask(self, method: str, path: str, body: Mapping[str, object], fine: int | None = None) -> Any:
        try:
            answer = await self._client.request(method, f"{self._base}/{path}", json=body)
        except httpx.HTTPError as error:
            raise StackError(f"The Pub/Sub emulator did not answer {method} {path}: {error!r}.") from error
        if answer.is_error and answer.status_code != fine:
            raise StackError(f"The Pub/Sub emulator refused {method} {path}: {answer.text.strip()}")
        return answer.json()
