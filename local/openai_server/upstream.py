"""Passing requests on to another OpenAI-compatible server, which then gives the answers.

Whatever it answers is the answer, errors included; a server that cannot be reached is a 502. The number of
requests under way at once is bounded over all batches, since a local model server seldom serves many. A request in real
time goes before the lines of batches. One whose client has gone is given up, and its connection closed: such a server
computes on for as long as it is open.
"""

import httpx

from local.openai_server.errors import error_body
from local.openai_server.turns import Turns
from local.provider_server.errors import JsonObject

TIMEOUT_SECONDS = 600


class Upstream:
    """One other server, by its base URL (the part before `/chat/completions`)."""

    def __init__(self, url: str, key: str | None, concurrency: int) -> None:
        self.url = url.rstrip("/")
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._turns = Turns(concurrency)
        self._client: httpx.AsyncClient | None = None

    async def ask(self, body: JsonObject, endpoint: str, *, is_urgent: bool) -> tuple[int, JsonObject]:
        """Return the status and the JSON body of its answer; an urgent request goes before the others."""
        if self._client is None:
            self._client = httpx.AsyncClient(headers=self._headers, timeout=TIMEOUT_SECONDS)
        async with self._turns.turn(is_urgent=is_urgent):
            try:
                response = await self._client.post(f"{self.url}{endpoint.removeprefix('/v1')}", json=body)
                answered = response.json()
            except (httpx.HTTPError, ValueError) as fault:
                return 502, error_body(f"The upstream gave no answer: {fault!r}", kind="server_error")
        if not isinstance(answered, dict):
            return 502, error_body("The upstream's answer is no JSON object.", kind="server_error")
        return response.status_code, answered

    async def close(self) -> None:
        """Close its connections."""
        if self._client is not None:
            await self._client.aclose()
