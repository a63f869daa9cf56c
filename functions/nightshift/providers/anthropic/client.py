"""Anthropic's Message Batches and its messages in real time, over HTTP
(https://platform.claude.com/docs/en/api/messages-batch-examples, https://platform.claude.com/docs/en/api/messages).

The official SDK is not used. It repeats a create up to three times after a lost answer, without an idempotency key; it
builds a batch's body in memory; it sends the key to whatever host an answer names; and its import takes longer than all
else of a cold start (docs/ARCHITECTURE.md, "Dependencies").

A batch's requests go in with its creation, as one JSON array, streamed. Anthropic keeps no stamp of ours, so a create
whose answer is lost is found by evidence (`batches/evidence.py`). The results of a batch are read from the batch
itself, in any order, whatever ended it; so its id is the source of its results, and to delete it deletes them.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import IO, Any, Final

from nightshift.providers.anthropic.codes import complaint_of
from nightshift.providers.anthropic.headers import rate_limits
from nightshift.providers.anthropic.request import batch_line, message_body
from nightshift.providers.anthropic.result import read_line, read_message
from nightshift.providers.anthropic.traits import TRAITS
from nightshift.providers.base import (
    NOTHING_SAID,
    Intent,
    ProviderGone,
    ProviderLocked,
    ProviderRefusal,
    ProviderTrouble,
    RealtimeAnswer,
    RemoteBatch,
    RemoteFile,
)
from nightshift.providers.fields import list_of, moment_of, object_of, text_of
from nightshift.providers.http_api import (
    UPLOAD_TIMEOUT,
    HttpApi,
    chunks_of,
    request_timeout,
    size_of,
)
from nightshift.providers.request import Request
from nightshift.providers.result_line import ResultLine, as_our_lines
from nightshift.values.outcome import Outcome
from nightshift.values.trouble import Trouble
from nightshift.values.usage import count_of

_ITS_OWN: Final = "https://api.anthropic.com"
# https://platform.claude.com/docs/en/api/versioning
_VERSION: Final = "2026-10-21"
_BATCHES: Final = "/v1/messages/batches"
_PAGE: Final = 1_000
_COUNTED: Final = ("processing", "succeeded", "errored", "canceled", "expired")
_BEGIN, _END = b'{"requests":[', b"]}"


class AnthropicProvider:
    """See `BatchProvider`, whose docstrings hold here."""

    name = "anthropic"
    traits = TRAITS

    def __init__(self, *, api_key: str, base_url: str | None) -> None:
        self._client = HttpApi(
            base_url=base_url or _ITS_OWN,
            headers={"x-api-key": api_key, "anthropic-version": _VERSION},
            complaint_of=complaint_of,
            limits_of=rate_limits,
        )

    def request_line(self, request: Request) -> bytes:
        return batch_line(request)

    async def answer(self, request: Request, timeout_seconds: float) -> RealtimeAnswer:
        try:
            with self._client.translated_errors():
                # Of each part of the exchange another timeout is; a trickle of bytes could go on for ever.
                async with asyncio.timeout(timeout_seconds):
                    message, headers = await self._client.post(
                        "/v1/messages",
                        message_body(request),
                        timeout=request_timeout(timeout_seconds),
                        is_about_request=True,
                    )
        except ProviderRefusal as refusal:
            said = ResultLine(job_id=request.job_id, trouble=refusal.trouble, code=refusal.code)
            return RealtimeAnswer(line=said, limits=NOTHING_SAID)
        except ProviderGone as gone:
            raise _model_unknown(gone) from gone
        said = read_message(request.job_id, message)
        if said.trouble:
            raise ProviderTrouble("the provider's answer is no message")
        return RealtimeAnswer(line=said, limits=self._client.limits_of(headers))

    def read_line(self, line: bytes) -> ResultLine | None:
        return read_line(line)

    async def upload(self, batch_id: str, content: IO[bytes]) -> str:
        raise AssertionError("its requests go in with the creation, as its traits say")

    async def create(self, intent: Intent, content: IO[bytes] | None) -> RemoteBatch:
        assert content is not None, "its requests go in with the creation"  # noqa: S101 - as its traits say
        size = len(_BEGIN) + max(0, await size_of(content) - 1) + len(_END)
        created, _ = await self._client.post(
            _BATCHES, _array_of(content), headers={"content-length": str(size)}, timeout=UPLOAD_TIMEOUT
        )
        with self._client.translated_errors():
            return _remote(created)

    async def batches(self) -> AsyncIterator[RemoteBatch]:
        after: str | None = None
        seen: set[str] = set()
        while True:
            page = await self._client.read(_BATCHES, limit=_PAGE, **({"after_id": after} if after else {}))
            with self._client.translated_errors():
                listed = [_remote(batch) for batch in list_of(page.get("data")) if text_of(object_of(batch).get("id"))]
            fresh = [remote for remote in listed if remote.remote_id not in seen]
            for remote in fresh:
                seen.add(remote.remote_id)
                yield remote
            # A server that answers every cursor alike would be asked for ever.
            if page.get("has_more") is not True or not fresh:
                return
            after = fresh[-1].remote_id

    async def retrieve(self, remote_id: str) -> RemoteBatch:
        found = await self._client.read(f"{_BATCHES}/{remote_id}")
        with self._client.translated_errors():
            return _remote(found)

    async def cancel(self, remote_id: str) -> None:
        # A batch that has ended conflicts with the wish.
        with suppress(ProviderRefusal, ProviderGone):
            await self._client.post(f"{_BATCHES}/{remote_id}/cancel", b"")

    async def results(self, source: str) -> AsyncIterator[bytes]:
        total = (await self.retrieve(source)).requests or 0
        lines = 0
        async for ours in as_our_lines(self._client.download(f"{_BATCHES}/{source}/results"), read_line):
            lines += ours.count(b"\n")
            yield ours
        # A stream may end early and in order.
        if lines < total:
            raise ProviderTrouble(f"the provider sent {lines} of {total} results")

    async def input_files(self) -> AsyncIterator[RemoteFile]:
        for no_file in tuple[RemoteFile, ...]():
            yield no_file

    async def delete_file(self, file_id: str) -> bool:
        return await self._client.delete(f"{_BATCHES}/{file_id}")


async def _array_of(content: IO[bytes]) -> AsyncIterator[bytes]:
    """Our lines as one JSON array: no line holds a line end, so each that ends one becomes a comma, but the last."""
    yield _BEGIN
    last = b""
    async for chunk in chunks_of(content):
        whole = last + chunk
        last = whole[-1:]
        yield whole[:-1].replace(b"\n", b",")
    yield last.rstrip(b"\n") + _END


def _remote(fields: Any) -> RemoteBatch:
    """A batch as Anthropic shows it. Raises TypeError for what has no id."""
    batch = object_of(fields)
    remote_id, status = text_of(batch.get("id")), batch.get("processing_status")
    if remote_id is None:
        raise TypeError("it has no id")
    counts = {name: count_of(object_of(batch.get("request_counts")).get(name)) for name in _COUNTED}
    has_ended = status == "ended"
    return RemoteBatch(
        remote_id=remote_id,
        batch_id=None,
        requests=sum(counts.values()) or None,
        created_at=moment_of(batch.get("created_at")),
        outcome=_outcome(batch, counts) if has_ended else None,
        output_file_id=remote_id if has_ended and text_of(batch.get("results_url")) else None,
        error_file_id=None,
        # Zero until all has ended.
        completed=counts["succeeded"] if has_ended else None,
        usage=None,
        error_code=None,
        error_message="",
        trouble=None,
        is_cancelling=status == "canceling",
    )


def _outcome(batch: Any, counts: dict[str, int]) -> Outcome:
    """What ended it: the status does not say."""
    if counts["canceled"] and batch.get("cancel_initiated_at"):
        return "cancelled"
    return "expired" if counts["expired"] else "completed"


def _model_unknown(gone: ProviderGone) -> ProviderLocked:
    """There is no such door here: the model, or what the base URL names, is not there now."""
    locked = ProviderLocked(f"the provider answered 404 {gone}")
    locked.trouble = Trouble.MODEL_UNKNOWN
    return locked
