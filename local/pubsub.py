"""What the stack asks of the Pub/Sub emulator, over REST: the gRPC client takes a second to import."""

import base64
from collections.abc import Mapping

import httpx

from local.errors import StackError


class Topics:
    """The topics of one project in the Pub/Sub emulator at `host` (HOST:PORT)."""

    def __init__(self, client: httpx.AsyncClient, host: str, project: str) -> None:
        self._client = client
        self._base = f"http://{host}/v1"
        self._project = f"projects/{project}"

    async def create(self, topic: str) -> None:
        """Create a topic; one that exists is left as it is."""
        await self._ask("PUT", f"{self._project}/topics/{topic}", {}, fine=409)

    async def push(self, topic: str, url: str) -> None:
        """Subscribe `url` to the topic. It has a minute to answer before it is asked again."""
        subscription = {
            "topic": f"{self._project}/topics/{topic}",
            "pushConfig": {"pushEndpoint": url},
            "ackDeadlineSeconds": 60,
        }
        await self._ask("PUT", f"{self._project}/subscriptions/{topic}-push", subscription, fine=409)

    async def publish(self, topic: str, body: bytes, attributes: Mapping[str, str] | None = None) -> None:
        """Publish one message."""
        message = {"data": base64.b64encode(body).decode(), "attributes": dict(attributes or {})}
        await self._ask("POST", f"{self._project}/topics/{topic}:publish", {"messages": [message]})

    async def _ask(self, method: str, path: str, body: Mapping[str, object], fine: int | None = None) -> None:
        try:
            answer = await self._client.request(method, f"{self._base}/{path}", json=body)
        except httpx.HTTPError as error:
            raise StackError(f"The Pub/Sub emulator did not answer {method} {path}: {error!r}.") from error
        if answer.is_error and answer.status_code != fine:
            raise StackError(f"The Pub/Sub emulator refused {method} {path}: {answer.text.strip()}")
