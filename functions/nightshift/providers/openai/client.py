"""OpenAI's Batch API and its answers in real time, through the official SDK
(https://platform.openai.com/docs/guides/batch, https://platform.openai.com/docs/api-reference/chat/create).

Two calls make something that costs money or stays behind: the upload and the create. The SDK would repeat them
after a lost answer, without an idempotency key, and make two; here both are sent once, and a lost answer is
`ProviderTrouble`: the batch's metadata and the file's name carry our batch id, so a later look finds what was
made.

A download is streamed. A broken stream is resumed by a Range request; a stream that ends early without an error
is noticed by the size that the provider states for the file.

An answer in real time is asked for once, too. Its caller decides when to ask again, since the caller knows how long
its lease on the job lasts.

The SDK validates no answer. A 200 may hold something else, such as a proxy's page or half a JSON. That surfaces as
a ValueError, TypeError or AttributeError where it is read, and is `ProviderTrouble` like any other failure.
"""

import asyncio
import json
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import IO, Any, Final, TypeVar, cast

import httpx2
import openai
from openai.types import Batch as ApiBatch
from openai.types import FileObject

from nightshift.providers.base import (
    NOTHING_SAID,
    Intent,
    ProviderGone,
    ProviderRefusal,
    ProviderTrouble,
    RealtimeAnswer,
    RemoteBatch,
    RemoteFile,
)
from nightshift.providers.fields import text_of
from nightshift.providers.openai.codes import Complaint, trouble_of_answer, trouble_of_batch
from nightshift.providers.openai.errors import NothingMore, locked, never_gone, never_refused, translated_errors
from nightshift.providers.openai.headers import rate_limits, refuse_web_page
from nightshift.providers.openai.request import batch_line, endpoint_of, request_body
from nightshift.providers.openai.result import read_answer, read_line
from nightshift.providers.openai.traits import TRAITS
from nightshift.providers.request import Request
from nightshift.providers.result_line import ResultLine, as_our_lines
from nightshift.values.outcome import Outcome
from nightshift.values.trouble import Trouble
from nightshift.values.usage import NOTHING_USED, Usage, count_of

# The only server whose listing is known to begin with the newest.
_ITS_OWN: Final = "https://api.openai.com/"
_STAMP: Final = "nightshift_batch"
# Two projects may share one OpenAI account; neither may touch the other's batches.
_PROJECT_STAMP: Final = "nightshift_project"
_OUTCOMES: Final[dict[str, Outcome]] = {
    "completed": "completed",
    "failed": "failed",
    "expired": "expired",
    "cancelled": "cancelled",
}
_PAGE: Final = 100
_CHUNK_BYTES: Final = 256 * 1024
# A large file may break off many times, as long as each time some of it came.
_FRUITLESS_RESUMES: Final = 5
# The SDK would close what is beyond a hundred after each call, and open it again for the next.
_CONNECTIONS: Final = httpx2.Limits(max_connections=1_000, max_keepalive_connections=256)
_TIMEOUT: Final = httpx2.Timeout(60, connect=10)
# The answer to an upload comes after the provider has taken all of up to 200 MB in.
_UPLOAD_TIMEOUT: Final = httpx2.Timeout(300, connect=10)


_Listed = TypeVar("_Listed", ApiBatch, FileObject)


class OpenAIProvider:
    """See `BatchProvider`, whose docstrings hold here."""

    name = "openai"

    def __init__(self, *, api_key: str, base_url: str | None, project: str) -> None:
        is_openai = base_url is None or f"{base_url}/".startswith(_ITS_OWN)
        self.traits = TRAITS if is_openai else replace(TRAITS, lists_newest_first=False)
        self._client = openai.AsyncOpenAI(
            api_key=api_key,
            base_url=base_url,
            timeout=_TIMEOUT,
            http_client=openai.DefaultAsyncHttpxClient(limits=_CONNECTIONS),
        )
        self._once = self._client.with_options(max_retries=0)
        self._project = project

    def request_line(self, request: Request) -> bytes:
        return batch_line(request, is_strict=self._is_strict(request))

    async def answer(self, request: Request, timeout_seconds: float) -> RealtimeAnswer:
        body = request_body(request, is_strict=self._is_strict(request))
        timeout = httpx2.Timeout(timeout_seconds, connect=min(timeout_seconds, 10))
        try:
            with translated_errors(trouble_of_answer):
                # The SDK's own is about each part of the exchange; a trickle of bytes could go on for ever.
                async with asyncio.timeout(timeout_seconds):
                    # Posted as it is: `chat.completions.create` walks through all of the body's types first, for 1 ms.
                    answered = await self._once.post(
                        endpoint_of(request).removeprefix("/v1"),
                        content=body,
                        cast_to=httpx2.Response,
                        options={"timeout": timeout, "headers": {"content-type": "application/json"}},
                    )
                refuse_web_page(answered.headers)
                completion = json.loads(answered.content.decode("utf-8-sig", errors="replace"))
        except ProviderRefusal as refusal:
            said = ResultLine(job_id=request.job_id, trouble=refusal.trouble, code=refusal.code)
            return RealtimeAnswer(line=said, limits=NOTHING_SAID)
        except ProviderGone as gone:
            # There is no such door here: the model, or what the base URL names, is not there now.
            raise locked(f"the provider answered 404 {gone}", Trouble.MODEL_UNKNOWN) from gone
        said = self._read_answer(request.job_id, completion)
        if said.trouble:
            raise ProviderTrouble("the provider's answer holds nothing")
        return RealtimeAnswer(line=said, limits=rate_limits(answered.headers))

    def read_line(self, line: bytes) -> ResultLine | None:
        return read_line(line)

    async def upload(self, batch_id: str, content: IO[bytes]) -> str:
        with never_gone(), translated_errors():
            uploaded = await self._once.files.create(
                file=(f"{batch_id}.jsonl", content, "application/jsonl"),
                purpose="batch",
                timeout=_UPLOAD_TIMEOUT,
            )
            return _id_of(uploaded)

    async def create(self, intent: Intent, content: IO[bytes] | None) -> RemoteBatch:
        if intent.input_file_id is None:
            raise ValueError("its requests are in a file")
        with translated_errors():
            created = await self._once.batches.create(
                input_file_id=intent.input_file_id,
                endpoint=cast("Any", intent.endpoint),
                completion_window="24h",
                metadata={_STAMP: intent.batch_id, _PROJECT_STAMP: self._project},
            )
            return self._remote(created)

    async def batches(self) -> AsyncIterator[RemoteBatch]:
        with never_refused(), never_gone(), translated_errors():
            async for batch in _until_repeated(self._listed()):
                if text_of(batch.id):
                    yield self._remote(batch)

    def _listed(self) -> AsyncIterable[ApiBatch]:
        """The account's batches, as the provider's own listing has them."""
        return self._client.batches.list(limit=_PAGE)

    def _read_answer(self, job_id: str, body: Any) -> ResultLine:
        """An answer in real time."""
        return read_answer(job_id, body)

    def _is_strict(self, request: Request) -> bool:
        """Whether the model keeps to a schema by force."""
        return True

    def _errors_of(self, batch: ApiBatch) -> Any:
        """The list of why a batch failed, if it is one."""
        return getattr(batch.errors, "data", None)

    async def retrieve(self, remote_id: str) -> RemoteBatch:
        with never_refused(), translated_errors():
            return self._remote(await self._client.batches.retrieve(remote_id))

    async def cancel(self, remote_id: str) -> None:
        # A batch that has ended conflicts with the wish.
        with suppress(ProviderRefusal, ProviderGone), translated_errors(), suppress(openai.ConflictError):
            await self._once.batches.cancel(remote_id)

    def results(self, source: str) -> AsyncIterator[bytes]:
        return as_our_lines(self._download(source), read_line)

    async def _download(self, file_id: str) -> AsyncIterator[bytes]:
        with translated_errors():
            stated = count_of((await self._client.files.retrieve(file_id)).bytes)
        received = fruitless = 0
        while fruitless < _FRUITLESS_RESUMES:
            before = received
            try:
                async for chunk in self._content(file_id, received):
                    received += len(chunk)
                    yield chunk
                # A stream may end early and in order; the rest comes with the next request. If none comes, the stated
                # size was wrong.
                if received >= stated or (received == before and before):
                    return
            except httpx2.RequestError:
                pass
            except NothingMore:
                return
            fruitless += received == before
        raise ProviderTrouble(f"the provider sent {received} of {stated} bytes of a file")

    async def _content(self, file_id: str, start: int) -> AsyncIterator[bytes]:
        """The file's bytes from `start`.

        A server that knows no ranges sends all of it; then the start is passed over.
        """
        headers = {"Range": f"bytes={start}-"} if start else {}
        with translated_errors():
            response_of = self._client.files.with_streaming_response
            async with response_of.content(file_id, extra_headers=headers) as response:
                refuse_web_page(response.headers)
                surplus = start if response.status_code == 200 else 0
                async for chunk in response.iter_bytes(_CHUNK_BYTES):
                    wanted = chunk[surplus:]
                    surplus = max(0, surplus - len(chunk))
                    if wanted:
                        yield wanted

    async def input_files(self) -> AsyncIterator[RemoteFile]:
        with never_refused(), never_gone(), translated_errors():
            async for file in _until_repeated(self._client.files.list(purpose="batch", limit=1_000)):
                yield RemoteFile(file_id=_id_of(file), name=text_of(file.filename) or "")

    async def delete_file(self, file_id: str) -> bool:
        # A 404 may pass.
        for _ in range(2):
            with suppress(ProviderGone), translated_errors():
                # What it says is not read: a server that deleted a file may as well say nothing (204).
                answer = await self._client.files.with_raw_response.delete(file_id)
                refuse_web_page(answer.headers)
                return True
        return False

    def _remote(self, batch: ApiBatch) -> RemoteBatch:
        # The SDK does not validate what it parses: any field may be missing, or of another type.
        stamps = batch.metadata if isinstance(batch.metadata, dict) else {}
        ours = stamps.get(_PROJECT_STAMP, self._project) == self._project
        outcome = _OUTCOMES.get(batch.status)
        # Groq lists them on a batch that has completed, too.
        errors = self._errors_of(batch) if outcome != "completed" else None
        error = errors[0] if isinstance(errors, list) and errors else None
        complaint = Complaint.read({name: text_of(getattr(error, name, None)) for name in ("code", "message", "param")})
        return RemoteBatch(
            remote_id=_id_of(batch),
            batch_id=text_of(stamps.get(_STAMP)) if ours else None,
            requests=count_of(getattr(batch.request_counts, "total", 0)) or None,
            created_at=_time(batch.created_at),
            outcome=outcome,
            output_file_id=text_of(batch.output_file_id),
            error_file_id=text_of(batch.error_file_id),
            completed=count_of(getattr(batch.request_counts, "completed", 0)),
            usage=_usage(batch.usage),
            error_code=complaint.code or None,
            error_message=complaint.message,
            trouble=trouble_of_batch(complaint) if outcome == "failed" else None,
            is_cancelling=batch.status == "cancelling",
        )


def _id_of(made: ApiBatch | FileObject) -> str:
    """The id under which the provider knows it from now on."""
    made_id = text_of(made.id)
    if made_id is None:
        raise ProviderTrouble("the provider gave no id")
    return made_id


def _time(seconds: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _usage(usage: Any) -> Usage | None:
    details = getattr(usage, "input_tokens_details", None)
    counted = Usage.counted(
        input_tokens=getattr(usage, "input_tokens", 0),
        output_tokens=getattr(usage, "output_tokens", 0),
        cached_input_tokens=getattr(details, "cached_tokens", 0),
    )
    return counted if counted != NOTHING_USED else None


async def _until_repeated(listing: AsyncIterable[_Listed]) -> AsyncIterator[_Listed]:
    """A listing, up to where it begins to repeat itself: some compatible servers answer every cursor alike."""
    seen: set[str] = set()
    async for listed in listing:
        if listed.id in seen:
            return
        seen.add(listed.id)
        yield listed
