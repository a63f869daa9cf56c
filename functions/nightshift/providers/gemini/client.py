"""Gemini's batches and its answers in real time, over HTTP (https://ai.google.dev/gemini-api/docs/batch-api).

The official SDK is not used. It repeats a create after a lost answer, though two creates make two batches; it drops a
failed batch's error and its counts; and its import takes seconds of a cold start.

The input file's display name and the batch's bear our id, so a later look finds what was made. An upload's second call
goes to the path that the first one's answer names, at our own address: the key goes to no other host. A batch's results
are found by the batch itself, so its name is their source; to delete it deletes its result file, too.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import IO, Any, Final
from urllib.parse import urlsplit

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
from nightshift.providers.estimate import expected_usage
from nightshift.providers.fields import list_of, moment_of, number_of, object_of, text_of
from nightshift.providers.gemini.codes import complaint_of, trouble_of_batch
from nightshift.providers.gemini.embedding import read_embedding
from nightshift.providers.gemini.request import batch_line, content_body
from nightshift.providers.gemini.result import read_content, read_line
from nightshift.providers.gemini.traits import EMBEDDINGS, TRAITS
from nightshift.providers.http_api import UPLOAD_TIMEOUT, HttpApi, chunks_of, no_limits, request_timeout, size_of
from nightshift.providers.request import Request
from nightshift.providers.result_line import ResultLine, as_our_lines
from nightshift.values.outcome import Outcome
from nightshift.values.trouble import Trouble
from nightshift.values.usage import NOTHING_USED

_ITS_OWN: Final = "https://generativelanguage.googleapis.com"
_VERSION: Final = "v1beta"
_PAGE: Final = 100
# The SDK and the reference have different first words for the same states.
_PREFIXES: Final = ("BATCH_STATE_", "JOB_STATE_")
_OUTCOMES: Final[dict[str, Outcome]] = {
    "SUCCEEDED": "completed",
    "PARTIALLY_SUCCEEDED": "completed",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
    "EXPIRED": "expired",
}
# Between the project and the batch's own id, neither of which holds a slash.
_STAMP: Final = "/"
_NAME_REFUSED: Final = "INVALID_ARGUMENT"


class GeminiProvider:
    """See `BatchProvider`, whose docstrings hold here."""

    name = "gemini"
    traits = TRAITS

    def __init__(self, *, api_key: str, base_url: str | None, project: str) -> None:
        self._client = HttpApi(
            base_url=base_url or _ITS_OWN,
            headers={"x-goog-api-key": api_key},
            complaint_of=complaint_of,
            limits_of=no_limits,
        )
        self._project = project

    def request_line(self, request: Request) -> bytes:
        return batch_line(request)

    async def answer(self, request: Request, timeout_seconds: float) -> RealtimeAnswer:
        method = TRAITS.endpoint if request.dimensions is None else EMBEDDINGS
        try:
            with self._client.translated_errors():
                async with asyncio.timeout(timeout_seconds):
                    response, _ = await self._client.post(
                        f"/{_VERSION}/models/{request.model}:{method}",
                        content_body(request),
                        timeout=request_timeout(timeout_seconds),
                        is_about_request=True,
                    )
        except ProviderRefusal as refusal:
            said = ResultLine(job_id=request.job_id, trouble=refusal.trouble, code=refusal.code)
            return RealtimeAnswer(line=said, limits=NOTHING_SAID)
        except ProviderGone as gone:
            locked = ProviderLocked(f"the provider answered 404 {gone}")
            locked.trouble = Trouble.MODEL_UNKNOWN
            raise locked from gone
        vector = read_embedding(request.job_id, object_of(response))
        said = vector or read_content(request.job_id, response)
        if said.trouble:
            raise ProviderTrouble("the provider's answer has no candidate")
        if vector and vector.usage == NOTHING_USED:
            # In real time it need not count them: our estimate is booked.
            said = replace(vector, usage=expected_usage(request))
        return RealtimeAnswer(line=said, limits=NOTHING_SAID)

    def read_line(self, line: bytes) -> ResultLine | None:
        return read_line(line)

    async def upload(self, batch_id: str, content: IO[bytes]) -> str:
        size = await size_of(content)
        described = json.dumps({"file": {"displayName": f"{batch_id}.jsonl"}}).encode()
        _, headers = await self._client.post(
            f"/upload/{_VERSION}/files",
            described,
            headers={
                "x-goog-upload-protocol": "resumable",
                "x-goog-upload-command": "start",
                "x-goog-upload-header-content-length": str(size),
                "x-goog-upload-header-content-type": "application/jsonl",
            },
        )
        with self._client.translated_errors():
            told = urlsplit(headers["x-goog-upload-url"])
        uploaded, _ = await self._client.post(
            f"{told.path}?{told.query}",
            chunks_of(content),
            headers={
                "content-length": str(size),
                "x-goog-upload-offset": "0",
                "x-goog-upload-command": "upload, finalize",
            },
            timeout=UPLOAD_TIMEOUT,
        )
        return _named(object_of(uploaded.get("file")))

    async def create(self, intent: Intent, content: IO[bytes] | None) -> RemoteBatch:
        batch = {
            "displayName": f"{self._project}{_STAMP}{intent.batch_id}",
            "inputConfig": {"fileName": intent.input_file_id},
        }
        method = "asyncBatchEmbedContent" if intent.endpoint == EMBEDDINGS else "batchGenerateContent"
        path = f"/{_VERSION}/models/{intent.model}:{method}"
        created, _ = await self._client.post(path, json.dumps({"batch": batch}).encode())
        return self._remote(created)

    async def batches(self) -> AsyncIterator[RemoteBatch]:
        async for operation in self._pages("batches", "operations"):
            if text_of(operation.get("name")):
                yield self._remote(operation)

    async def retrieve(self, remote_id: str) -> RemoteBatch:
        return self._remote(await self._client.read(f"/{_VERSION}/{remote_id}"))

    async def cancel(self, remote_id: str) -> None:
        with suppress(ProviderRefusal, ProviderGone):
            await self._client.post(f"/{_VERSION}/{remote_id}:cancel", b"{}")

    async def results(self, source: str) -> AsyncIterator[bytes]:
        operation = await self._client.read(f"/{_VERSION}/{source}")
        file = _results_file(operation)
        if file is None:
            return
        stats = object_of(object_of(operation.get("metadata")).get("batchStats"))
        answered = number_of(stats.get("successfulRequestCount")) + number_of(stats.get("failedRequestCount"))
        lines = 0
        downloaded = self._client.download(f"/download/{_VERSION}/{file}:download", alt="media")
        async for ours in as_our_lines(downloaded, read_line):
            lines += ours.count(b"\n")
            yield ours
        # A stream may end early and in order.
        if lines < answered:
            raise ProviderTrouble(f"the provider sent {lines} of {answered} results")

    async def input_files(self) -> AsyncIterator[RemoteFile]:
        async for file in self._pages("files", "files"):
            file_id, name = text_of(file.get("name")), text_of(file.get("displayName"))
            # A result file has no name of ours.
            if file_id and name:
                yield RemoteFile(file_id=file_id, name=name)

    async def delete_file(self, file_id: str) -> bool:
        path = f"/{_VERSION}/{file_id}"
        if file_id.startswith("batches/"):
            try:
                operation = await self._client.read(path)
            except ProviderGone:
                # A 404 may pass; then its result file would be left behind.
                operation = await self._listed(file_id)
            if results := _results_file(operation):
                try:
                    await self._client.delete(f"/{_VERSION}/{results}")
                except ProviderRefusal as refusal:
                    # Not every version takes every name of a result file; it is gone after 48 hours anyway.
                    if refusal.code != _NAME_REFUSED:
                        raise
        try:
            return await self._client.delete(path)
        except ProviderLocked as locked:
            # Of a file that does not exist, it says that the caller has no permission, or that it does not exist.
            if locked.trouble is Trouble.LOCKED and not file_id.startswith("batches/") and await self._is_gone(file_id):
                return False
            raise

    async def _listed(self, remote_id: str) -> dict[str, Any]:
        """A batch as the listing has it; empty if it is not there."""
        found = [each async for each in self._pages("batches", "operations") if each.get("name") == remote_id]
        return found[0] if found else {}

    async def _is_gone(self, file_id: str) -> bool:
        return all([file.file_id != file_id async for file in self.input_files()])

    async def _pages(self, path: str, listed: str) -> AsyncIterator[dict[str, Any]]:
        """A listing, page by page, up to its end or to where it begins to repeat itself."""
        token, seen = "", set[str]()
        while token not in seen:
            seen.add(token)
            query = {"pageSize": _PAGE} | ({"pageToken": token} if token else {})
            page = await self._client.read(f"/{_VERSION}/{path}", **query)
            for one in list_of(page.get(listed)):
                if isinstance(one, dict):
                    yield one
            token = text_of(page.get("nextPageToken")) or ""

    def _remote(self, operation: Any) -> RemoteBatch:
        """A batch as Gemini shows it: a long operation, whose metadata is the batch."""
        fields = object_of(operation)
        remote_id = _named(fields)
        metadata = object_of(fields.get("metadata"))
        state = _state(metadata.get("state"))
        outcome = _OUTCOMES.get(state)
        stats = object_of(metadata.get("batchStats"))
        project, slash, batch_id = (text_of(metadata.get("displayName")) or "").rpartition(_STAMP)
        error = fields.get("error")
        trouble, code, message = trouble_of_batch(error) if outcome == "failed" else (None, "", "")
        answered = number_of(stats.get("successfulRequestCount"))
        # What ended otherwise has no results, and nothing to wait for: its name alone is what is deleted.
        has_source = outcome is not None and (outcome != "completed" or _results_file(fields) is not None)
        return RemoteBatch(
            remote_id=remote_id,
            batch_id=batch_id if slash and project == self._project and batch_id else None,
            requests=number_of(stats.get("requestCount")) or None,
            created_at=moment_of(metadata.get("createTime")),
            outcome=outcome,
            output_file_id=remote_id if has_source else None,
            error_file_id=None,
            # A batch that has succeeded says where its results are, even if every line of it failed.
            completed=max(1, answered) if outcome == "completed" else answered if stats else None,
            usage=None,
            error_code=text_of(code),
            error_message=text_of(message) or "",
            trouble=trouble,
            is_cancelling=state == "CANCELLING",
        )


def _named(fields: Any) -> str:
    """The name of a file or batch, by which the provider knows it from now on."""
    name = text_of(object_of(fields).get("name"))
    if name is None or not name.startswith(("files/", "batches/")):
        raise ProviderTrouble("the provider gave no name")
    return name


def _state(told: Any) -> str:
    text = told if isinstance(told, str) else ""
    for prefix in _PREFIXES:
        text = text.removeprefix(prefix)
    return text


def _results_file(operation: Any) -> str | None:
    """Where a batch's results are; None if it has none."""
    fields = object_of(operation)
    for holder in (object_of(fields.get("response")), object_of(object_of(fields.get("metadata")).get("output"))):
        name = text_of(holder.get("responsesFile"))
        if name and name.startswith("files/"):
            return name
    return None
