"""Groq's batches and its answers in real time, through the client of OpenAI's API.

Two things are its own. Its listing goes on by `cursor` and `paging.next_cursor`; the SDK's way, by `after`, would end
at the first page. And a batch's `errors` are an array, which also stands on a batch that has completed.
"""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx2
from openai.types import Batch as ApiBatch

from nightshift.providers.groq.traits import STRICT_MODELS, TRAITS
from nightshift.providers.openai.client import OpenAIProvider
from nightshift.providers.openai.headers import refuse_web_page
from nightshift.providers.request import Request

_ITS_OWN: Final = "https://api.groq.com/openai/v1"


class GroqProvider(OpenAIProvider):
    """See `BatchProvider`, whose docstrings hold here."""

    name = "groq"

    def __init__(self, *, api_key: str, base_url: str | None, project: str) -> None:
        super().__init__(api_key=api_key, base_url=base_url or _ITS_OWN, project=project)
        self.traits = TRAITS

    def _is_strict(self, request: Request) -> bool:
        return request.model in STRICT_MODELS

    async def _listed(self) -> AsyncIterator[ApiBatch]:
        cursor, seen = "", set[str]()
        while cursor not in seen:
            seen.add(cursor)
            query = {"cursor": cursor} if cursor else {}
            answer = await self._client.get("/batches", cast_to=httpx2.Response, options={"params": query})
            refuse_web_page(answer.headers)
            page = json.loads(answer.content.decode("utf-8-sig", errors="replace"))
            for batch in page.get("data") or ():
                yield ApiBatch.construct(**batch)
            cursor = (page.get("paging") or {}).get("next_cursor") or ""

    def _errors_of(self, batch: ApiBatch) -> Any:
        return batch.errors
