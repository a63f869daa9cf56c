"""OpenAI's Batch API and its answers in real time, through the official SDK
(https://platform.openai.com/docs/guides/batch, https://platform.openai.com/docs/api-reference/chat/create).

Two calls make something that costs money or stays behind: the upload and the create. The SDK would repeat them
after a lost answer, without an idempotency key, and make two; here both are sent once, and a lost answer is
`ProviderTrouble`: the batch's metadata and the file's name carry our batch id, so a later look finds what was
made.

A download is streamed. A broken stream is resumed by a Range request; a stream that ends early without an error
is noticed by the size that the provider states for the file.

An answer in real time is asked for once, too: when it is asked for again is decided by its caller, who knows for how
long the job is its own.

The SDK validates no answer. A 200 that is not what was asked for, such as a proxy's page or half a JSON, surfaces
as a ValueError, TypeError or AttributeError where it is read, and is `ProviderTrouble` like any other failure.

A webhook's signature covers its id, its time and its raw body; the SDK checks it, and that it is at most five
minutes old (https://platform.openai.com/docs/guides/webhooks).
"""

import asyncio
import json
import re
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import IO, Any, Final, TypeVar

import httpx2
import openai
from openai.types import Batch as ApiBatch
from openai.types import FileObject

from nightshift.errors import EventUnreadable
from nightshift.job_types.base import JobInput, JobType
from nightshift.providers.base import (
    NOTHING_SAID,
    ProviderBusy,
    ProviderGone,
    ProviderLocked,
    ProviderRateLimited,
    ProviderRefusal,
    ProviderTrouble,
    RateLimits,
    RealtimeAnswer,
    RemoteBatch,
    RemoteFile,
    SignatureInvalid,
    WebhookEvent,
    one_word,
)
from nightshift.providers.openai_codes import (
    Complaint,
    misses_a_file,
    trouble_of_answer,
    trouble_of_batch,
    trouble_of_call,
)
from nightshift.providers.openai_lines import read_completion, read_line
from nightshift.providers.request_line import RequestLine, request_line
from nightshift.providers.result_line import ResultLine
from nightshift.values.outcome import Outcome
from nightshift.values.text import cleaned
from nightshift.values.trouble import Trouble
from nightshift.values.usage import NOTHING_USED, Usage, count_of

_ENDPOINT: Final = "/v1/chat/completions"
_STAMP: Final = "nightshift_batch"
# Two projects may share one OpenAI account; neither may touch the other's batches.
_PROJECT_STAMP: Final = "nightshift_project"
_OUTCOMES: Final[dict[str, Outcome]] = {
    "completed": "completed",
    "failed": "failed",
    "expired": "expired",
    "cancelled": "cancelled",
}
_ENDED: Final = frozenset(f"batch.{status}" for status in _OUTCOMES)
_BATCH_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")
# A server on the way lost patience, or its client was gone.
_STILL_UNDER_WAY: Final = frozenset({408, 499, 502, 504, 524})
_RATE_LIMITED: Final = 429
# `1s`, `6m0s`, `20ms`: how a reset is told.
_DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_SECONDS_OF: Final = (3600.0, 60.0, 1.0, 0.001)
_PAGE: Final = 100
_CHUNK_BYTES: Final = 256 * 1024
# A large file may break off many times, as long as each time some of it came.
_FRUITLESS_RESUMES: Final = 5
_LONGEST_TEXT: Final = 500
# The SDK would close what is beyond a hundred after each call, and open it again for the next.
_CONNECTIONS: Final = httpx2.Limits(max_connections=1_000, max_keepalive_connections=256)
_TIMEOUT: Final = httpx2.Timeout(60, connect=10)
# The answer to an upload comes after the provider has taken all of up to 200 MB in.
_UPLOAD_TIMEOUT: Final = httpx2.Timeout(300, connect=10)


class _NothingMore(ProviderTrouble):
    """A file has no bytes from the asked one on: the size that was stated for it is too large."""


_Listed = TypeVar("_Listed", ApiBatch, FileObject)


class OpenAIProvider:
    """See `BatchProvider`, whose docstrings hold here."""

    name = "openai"
    endpoint = _ENDPOINT

    def __init__(self, *, api_key: str, base_url: str | None, project: str, webhook_secret: str | None = None) -> None:
        self._client = openai.AsyncOpenAI(
            api_key=api_key,
            base_url=base_url,
            webhook_secret=webhook_secret,
            timeout=_TIMEOUT,
            http_client=openai.DefaultAsyncHttpxClient(limits=_CONNECTIONS),
        )
        self._once = self._client.with_options(max_retries=0)
        self._project = project

    def request_line(
        self, job_id: str, job_type: JobType[Any], job_input: JobInput, image_url: str | None, model: str
    ) -> RequestLine:
        return request_line(job_id, job_type, job_input, image_url, self.endpoint, model)

    async def answer(self, line: RequestLine, timeout_seconds: float) -> RealtimeAnswer:
        body = json.dumps(json.loads(line.line)["body"], separators=(",", ":")).encode("ascii")
        timeout = httpx2.Timeout(timeout_seconds, connect=min(timeout_seconds, 10))
        try:
            with _translated_errors(trouble_of_answer):
                # The SDK's own is about each part of the exchange; a trickle of bytes could go on for ever.
                async with asyncio.timeout(timeout_seconds):
                    # Posted as it is: `chat.completions.create` walks through all of the body's types first, for 1 ms.
                    answered = await self._once.post(
                        "/chat/completions",
                        content=body,
                        cast_to=httpx2.Response,
                        options={"timeout": timeout, "headers": {"content-type": "application/json"}},
                    )
                _refuse_web_page(answered.headers)
                completion = json.loads(answered.content.decode("utf-8-sig", errors="replace"))
        except ProviderRefusal as refusal:
            said = ResultLine(job_id=line.job_id, trouble=refusal.trouble, code=refusal.code)
            return RealtimeAnswer(line=said, limits=NOTHING_SAID)
        except ProviderGone as gone:
            # There is no such door here: the model, or what the base URL names, is not there now.
            raise _locked(f"the provider answered 404 {gone}", Trouble.MODEL_UNKNOWN) from gone
        said = read_completion(line.job_id, completion)
        if said.trouble:
            raise ProviderTrouble("the provider's answer is no completion")
        return RealtimeAnswer(line=said, limits=_limits(answered.headers))

    def read_line(self, line: bytes) -> ResultLine | None:
        return read_line(line)

    async def upload(self, batch_id: str, content: IO[bytes]) -> str:
        with _translated_errors():
            uploaded = await self._once.files.create(
                file=(f"{batch_id}.jsonl", content, "application/jsonl"),
                purpose="batch",
                timeout=_UPLOAD_TIMEOUT,
            )
            return _id_of(uploaded)

    async def create(self, batch_id: str, input_file_id: str) -> RemoteBatch:
        with _translated_errors():
            created = await self._once.batches.create(
                input_file_id=input_file_id,
                endpoint=_ENDPOINT,
                completion_window="24h",
                metadata={_STAMP: batch_id, _PROJECT_STAMP: self._project},
            )
            return self._remote(created)

    async def batches(self) -> AsyncIterator[RemoteBatch]:
        with _never_refused(), _translated_errors():
            async for batch in _until_repeated(self._client.batches.list(limit=_PAGE)):
                if _text(batch.id):
                    yield self._remote(batch)

    async def retrieve(self, remote_id: str) -> RemoteBatch:
        with _never_refused(), _translated_errors():
            return self._remote(await self._client.batches.retrieve(remote_id))

    async def cancel(self, remote_id: str) -> None:
        # A batch that has ended conflicts with the wish.
        with suppress(ProviderRefusal, ProviderGone), _translated_errors(), suppress(openai.ConflictError):
            await self._once.batches.cancel(remote_id)

    async def download(self, file_id: str) -> AsyncIterator[bytes]:
        with _translated_errors():
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
            except _NothingMore:
                return
            fruitless += received == before
        raise ProviderTrouble(f"the provider sent {received} of {stated} bytes of a file")

    async def _content(self, file_id: str, start: int) -> AsyncIterator[bytes]:
        """The file's bytes from `start`.

        A server that knows no ranges sends all of it; then the start is passed over.
        """
        headers = {"Range": f"bytes={start}-"} if start else {}
        with _translated_errors():
            response_of = self._client.files.with_streaming_response
            async with response_of.content(file_id, extra_headers=headers) as response:
                _refuse_web_page(response.headers)
                surplus = start if response.status_code == 200 else 0
                async for chunk in response.iter_bytes(_CHUNK_BYTES):
                    wanted = chunk[surplus:]
                    surplus = max(0, surplus - len(chunk))
                    if wanted:
                        yield wanted

    async def input_files(self) -> AsyncIterator[RemoteFile]:
        with _never_refused(), _translated_errors():
            async for file in _until_repeated(self._client.files.list(purpose="batch", limit=1_000)):
                yield RemoteFile(file_id=_id_of(file), name=_text(file.filename) or "")

    async def delete_file(self, file_id: str) -> bool:
        try:
            with _translated_errors():
                # What it says is not read: a server that deleted a file may as well say nothing (204).
                answer = await self._client.files.with_raw_response.delete(file_id)
                _refuse_web_page(answer.headers)
        except ProviderGone:
            return False
        return True

    def ended_batch(self, body: bytes, headers: Mapping[str, str]) -> WebhookEvent:
        try:
            event: Any = self._client.webhooks.unwrap(body, headers)
        except (json.JSONDecodeError, RecursionError) as error:
            # It is parsed only once the signature is found right.
            raise EventUnreadable("the event is no JSON") from error
        except (ValueError, TypeError) as error:
            # A missing header is a ValueError, a signature that is not ASCII a TypeError, the rest is the SDK's own.
            raise SignatureInvalid(type(error).__name__) from error
        # The SDK does not validate, and makes some class of an event that it does not know.
        remote_id = _text(getattr(getattr(event, "data", None), "id", None))
        says_ended = _text(getattr(event, "type", None)) in _ENDED
        names_a_batch = remote_id is not None and _BATCH_ID.fullmatch(remote_id)
        return WebhookEvent(
            event_id=headers["webhook-id"], remote_id=remote_id if says_ended and names_a_batch else None
        )

    def _remote(self, batch: ApiBatch) -> RemoteBatch:
        # The SDK does not validate what it parses: any field may be missing, or of another type.
        stamps = batch.metadata if isinstance(batch.metadata, dict) else {}
        ours = stamps.get(_PROJECT_STAMP, self._project) == self._project
        outcome = _OUTCOMES.get(batch.status)
        errors = getattr(batch.errors, "data", None)
        error = errors[0] if isinstance(errors, list) and errors else None
        complaint = Complaint.read({name: _text(getattr(error, name, None)) for name in ("code", "message", "param")})
        return RemoteBatch(
            remote_id=_id_of(batch),
            batch_id=_text(stamps.get(_STAMP)) if ours else None,
            created_at=_time(batch.created_at),
            outcome=outcome,
            output_file_id=_text(batch.output_file_id),
            error_file_id=_text(batch.error_file_id),
            completed=count_of(getattr(batch.request_counts, "completed", 0)),
            usage=_usage(batch.usage),
            error_code=complaint.code or None,
            error_message=complaint.message,
            trouble=trouble_of_batch(complaint) if outcome == "failed" else None,
            is_cancelling=batch.status == "cancelling",
        )


def _text(field: Any) -> str | None:
    """A text with something in it, as a document can hold it and a person see it: not too long, and cleaned.

    Seen in the wild: an empty string where there is no file.
    """
    held = field[:_LONGEST_TEXT].encode(errors="replace").decode() if isinstance(field, str) else ""
    text = cleaned(held)
    return text or None


def _id_of(made: ApiBatch | FileObject) -> str:
    """The id under which the provider knows it from now on."""
    made_id = _text(made.id)
    if made_id is None:
        raise ProviderTrouble("the provider gave no id")
    return made_id


def _refuse_web_page(headers: httpx2.Headers) -> None:
    """Raise ProviderTrouble for what a proxy says in the provider's place, with a 200."""
    if headers.get("content-type", "").startswith("text/html"):
        raise ProviderTrouble("a web page came instead of an answer")


def _limits(headers: httpx2.Headers) -> RateLimits:
    return RateLimits(
        requests=_number(headers.get("x-ratelimit-limit-requests")),
        tokens=_number(headers.get("x-ratelimit-limit-tokens")),
        remaining_requests=_number(headers.get("x-ratelimit-remaining-requests")),
        remaining_tokens=_number(headers.get("x-ratelimit-remaining-tokens")),
        requests_reset_seconds=_duration_seconds(headers.get("x-ratelimit-reset-requests")),
        tokens_reset_seconds=_duration_seconds(headers.get("x-ratelimit-reset-tokens")),
    )


def _number(told: str | None) -> int | None:
    return int(told) if told and told.isascii() and told.isdigit() else None


def _duration_seconds(told: str | None) -> float | None:
    parts = _DURATION.fullmatch(told) if told else None
    if parts is None:
        return None
    return sum(float(part or 0) * seconds for part, seconds in zip(parts.groups(), _SECONDS_OF, strict=True))


def _retry_after_seconds(headers: httpx2.Headers) -> float | None:
    """What `retry-after-ms` says, or `Retry-After` in one of its two forms (RFC 9110, 10.2.3)."""
    for name, seconds in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with suppress(ValueError):
            wait = float(headers.get(name, "")) * seconds
            if isfinite(wait) and wait >= 0:
                return wait
    try:
        until = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    # Its own clock tells how long that is, if it says what it shows; a date without a zone is in UTC.
    with suppress(ValueError):
        now = parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (_in_utc(until) - _in_utc(now)).total_seconds())
    return max(0.0, (_in_utc(until) - datetime.now(UTC)).total_seconds())


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


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


@contextmanager
def _translated_errors(trouble_of: Callable[[int, Complaint], Trouble] = trouble_of_call) -> Iterator[None]:
    """Turn the SDK's errors into ours. What is logged of them are codes: the provider's texts may quote a request.

    Args:
        trouble_of: what a status and OpenAI's words mean for this call.
    """
    try:
        yield
    except openai.APIStatusError as error:
        complaint = Complaint.read(error.body)
        code, status = _text(error.code) or f"http_{error.status_code}", error.status_code
        trouble = trouble_of(status, complaint)
        if status == 416:
            raise _NothingMore(one_word(code)) from error
        if (status == 404 and not trouble.needs_operator) or misses_a_file(complaint):
            raise ProviderGone(one_word(code if error.code else "not_found")) from error
        if trouble.needs_operator:
            raise _told(_locked(_answered(status, code), trouble), error) from error
        if trouble is not Trouble.PROVIDER:
            raise ProviderRefusal(code, _text(error.message) or "", trouble) from error
        if status == _RATE_LIMITED:
            limited = _told(ProviderRateLimited(_answered(status, code)), error)
            limited.limits = _limits(error.response.headers)
            raise limited from error
        kind = ProviderTrouble if status in _STILL_UNDER_WAY else ProviderBusy
        raise _told(kind(_answered(status, code)), error) from error
    except openai.APIError as error:
        raise ProviderTrouble(f"the provider could not be reached: {type(error).__name__}") from error
    except TimeoutError as error:
        raise ProviderTrouble("the provider took too long") from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ProviderTrouble(f"the provider's answer cannot be read: {type(error).__name__}") from error


@contextmanager
def _never_refused() -> Iterator[None]:
    """For a question that is only about what is there: a refusal decides nothing, and it is asked again."""
    try:
        yield
    except ProviderRefusal as refusal:
        raise ProviderTrouble(f"the provider does not answer: {refusal}") from refusal


def _answered(status: int, code: str) -> str:
    return f"the provider answered {status} {one_word(code)}"


def _locked(message: str, trouble: Trouble) -> ProviderLocked:
    locked = ProviderLocked(message)
    locked.trouble = trouble
    return locked


_Told = TypeVar("_Told", bound=ProviderTrouble)


def _told(trouble: _Told, error: openai.APIStatusError) -> _Told:
    """The trouble, with when the provider wants to be asked again."""
    trouble.retry_after_seconds = _retry_after_seconds(error.response.headers)
    return trouble
