"""xAI's batches, through the client of OpenAI's API; files and answers in real time are as OpenAI's.

The SDK of xAI is not used: it speaks gRPC only, and repeats a create up to five times after a lost answer. Here a
create is sent once. The batch's name bears our id, and its input file is named after it.
"""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import IO, Any, Final

import httpx2
import openai

from nightshift.providers.base import Intent, ProviderGone, ProviderRefusal, ProviderTrouble, RemoteBatch, RemoteFile
from nightshift.providers.fields import text_of
from nightshift.providers.openai.client import OpenAIProvider
from nightshift.providers.openai.errors import never_refused, translated_errors
from nightshift.providers.openai.headers import refuse_web_page
from nightshift.providers.result_line import ResultLine, written
from nightshift.providers.xai.result import batch_of, read_batch, read_completion, read_result, stamp
from nightshift.providers.xai.traits import TRAITS
from nightshift.values.usage import count_of

_ITS_OWN: Final = "https://api.x.ai/v1"
_PAGE: Final = 100
_RESULTS_PAGE: Final = 1_000


class XaiProvider(OpenAIProvider):
    """See `BatchProvider`, whose docstrings hold here."""

    name = "xai"

    def __init__(self, *, api_key: str, base_url: str | None, project: str) -> None:
        super().__init__(api_key=api_key, base_url=base_url or _ITS_OWN, project=project)
        self.traits = TRAITS

    async def create(self, intent: Intent, content: IO[bytes] | None) -> RemoteBatch:
        with translated_errors():
            created = await self._once.post(
                "/batches",
                body={"name": stamp(self._project, intent.batch_id), "input_file_id": intent.input_file_id},
                cast_to=httpx2.Response,
            )
            return self._read(_json(created))

    async def batches(self) -> AsyncIterator[RemoteBatch]:
        with never_refused(), translated_errors():
            async for batch in self._pages("/batches", "batches", _PAGE):
                with suppress(ValueError):
                    yield self._read(batch)

    async def retrieve(self, remote_id: str) -> RemoteBatch:
        with never_refused(), translated_errors():
            return self._read(await self._get(f"/batches/{remote_id}"))

    async def cancel(self, remote_id: str) -> None:
        # A batch that has ended conflicts with the wish.
        with suppress(ProviderRefusal, ProviderGone), translated_errors(), suppress(openai.ConflictError):
            await self._once.post(f"/batches/{remote_id}:cancel", cast_to=httpx2.Response)

    async def results(self, source: str) -> AsyncIterator[bytes]:
        remote_id = batch_of(source)
        if remote_id is None:
            raise ProviderGone("it names no results")
        with translated_errors():
            state = (await self._get(f"/batches/{remote_id}")).get("state") or {}
            answered = count_of(state.get("num_success")) + count_of(state.get("num_error"))
            lines = 0
            async for result in self._pages(f"/batches/{remote_id}/results", "results", _RESULTS_PAGE):
                lines += 1
                yield written(read_result(result))
        if lines < answered:
            raise ProviderTrouble(f"the provider sent {lines} of {answered} results")

    async def input_files(self) -> AsyncIterator[RemoteFile]:
        with never_refused(), translated_errors():
            async for file in self._pages("/files", "data", _PAGE):
                if file_id := text_of(file.get("id")):
                    yield RemoteFile(file_id=file_id, name=text_of(file.get("filename")) or "")

    async def delete_file(self, file_id: str) -> bool:
        # Results go with their batch, which xAI deletes by itself.
        return False if batch_of(file_id) else await super().delete_file(file_id)

    def _read_answer(self, job_id: str, body: Any) -> ResultLine:
        return read_completion(job_id, body)

    def _read(self, fields: Any) -> RemoteBatch:
        return read_batch(fields, self._project, datetime.now(UTC))

    async def _get(self, path: str, **query: Any) -> dict[str, Any]:
        answer = await self._client.get(path, cast_to=httpx2.Response, options={"params": query})
        return _json(answer)

    async def _pages(self, path: str, listed: str, limit: int) -> AsyncIterator[dict[str, Any]]:
        """A listing, page by page, up to its end or to where it begins to repeat itself."""
        token, seen = "", set[str]()
        while token not in seen:
            seen.add(token)
            page = await self._get(path, limit=limit, **({"pagination_token": token} if token else {}))
            for one in page.get(listed) or ():
                yield one
            token = page.get("pagination_token") or ""


def _json(answer: httpx2.Response) -> dict[str, Any]:
    refuse_web_page(answer.headers)
    fields = json.loads(answer.content.decode("utf-8-sig", errors="replace"))
    if not isinstance(fields, dict):
        raise TypeError("it is no object")
    return fields
