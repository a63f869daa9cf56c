"""A provider's HTTP API, for adapters that need no SDK: errors as ours, bodies streamed, the key to one host only.

What makes something at the provider is sent once. A question is asked again, twice at most. A redirect is followed
nowhere, and an address that an answer names is only read for its path: the key goes to the configured host alone.

An answer is validated by its reader: any field may be missing, or of another type. What a reader trips over, a
ValueError or TypeError, is `ProviderTrouble` like any other failure.
"""

import asyncio
import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any, Final, TypeVar

import httpx2

from nightshift.providers.base import (
    NOTHING_SAID,
    TIMED_OUT,
    ProviderBusy,
    ProviderGone,
    ProviderLate,
    ProviderLocked,
    ProviderRateLimited,
    ProviderRefusal,
    ProviderTrouble,
    RateLimits,
    loggable_code,
)
from nightshift.providers.openai.headers import refuse_web_page, retry_after_seconds
from nightshift.values.trouble import Trouble

# A server on the way lost patience, or its client was gone.
_STILL_UNDER_WAY: Final = frozenset({408, 499, 502, 504, 524})
_RATE_LIMITED: Final = 429
_GONE: Final = frozenset({404, 410})
_NO_SUCH_RANGE: Final = 416
_LOCKED_STATUS: Final = frozenset({401, 402, 403})
# The request was not judged: the connection, a limit or a lock was in the way.
_PASSING_STATUS: Final = frozenset({404, 408, 409, 410, 421, 423, 424, 425, 426, 429, 499})
_PAUSES_SECONDS: Final = (0.5, 1.0)
_CONNECTIONS: Final = httpx2.Limits(max_connections=1_000, max_keepalive_connections=256)
TIMEOUT: Final = httpx2.Timeout(60, connect=10)
# The answer to an upload comes after the provider has taken all of it in.
UPLOAD_TIMEOUT: Final = httpx2.Timeout(300, connect=10)
_CHUNK_BYTES: Final = 256 * 1024
# A large file may break off many times, as long as each time some of it came.
_FRUITLESS_RESUMES: Final = 5
_AS_JSON: Final = {"content-type": "application/json"}


@dataclass(frozen=True, kw_only=True)
class ApiComplaint:
    """What a provider says is wrong, as far as it can be read."""

    code: str = ""
    message: str = ""
    # What its words are known to mean; None where only the status tells.
    trouble: Trouble | None = None
    # When it wants to be asked again, if its words say so.
    retry_after_seconds: float | None = None

    def means(self, status: Any, *, is_about_request: bool) -> Trouble:
        """Why there is no answer, by the status and the words.

        What is final is so under a 4xx only: of a server in trouble no word is taken for final.

        Args:
            is_about_request: it was asked for one answer; any other call says nothing of a single request.
        """
        is_judged = isinstance(status, int) and 400 <= status < 500
        trouble = self.trouble
        if trouble is None or (trouble.is_final and not is_judged):
            if not is_judged or status in _PASSING_STATUS:
                trouble = Trouble.PROVIDER
            else:
                trouble = Trouble.LOCKED if status in _LOCKED_STATUS else Trouble.REJECTED
        is_of_one = trouble.is_final or trouble is Trouble.REJECTED
        return Trouble.UNKNOWN if is_of_one and not is_about_request else trouble


_Told = TypeVar("_Told", bound=ProviderTrouble)


class HttpApi:
    """One provider's API at one address."""

    def __init__(
        self,
        *,
        base_url: str,
        headers: Mapping[str, str],
        complaint_of: Callable[[Any], ApiComplaint],
        limits_of: Callable[[httpx2.Headers], RateLimits],
    ) -> None:
        """Make no call yet.

        Args:
            headers: of every call, the key among them.
            complaint_of: reads the body of a refusal.
            limits_of: reads what an answer's headers say of the provider's limits.
        """
        self._base_url = base_url.rstrip("/")
        self._complaint_of = complaint_of
        self.limits_of = limits_of
        self._http = httpx2.AsyncClient(headers=headers, timeout=TIMEOUT, limits=_CONNECTIONS, follow_redirects=False)

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def read(self, path: str, **query: Any) -> dict[str, Any]:
        """GET a JSON object. Raises ProviderTrouble and ProviderGone; a refusal decides nothing, and passes."""
        try:
            return (await self._repeated("GET", path, query))[0]
        except ProviderRefusal as refusal:
            raise ProviderTrouble(f"the provider does not answer: {refusal}") from refusal

    async def delete(self, path: str) -> bool:
        """Delete something. Returns False if it is not there at the second request either, since a 404 may pass.

        Raises ProviderTrouble and ProviderRefusal.
        """
        for _ in range(2):
            with suppress(ProviderGone):
                await self._repeated("DELETE", path, {})
                return True
        return False

    async def post(
        self,
        path: str,
        content: bytes | AsyncIterable[bytes],
        *,
        headers: Mapping[str, str] | None = None,
        timeout: httpx2.Timeout = TIMEOUT,
        is_about_request: bool = False,
    ) -> tuple[dict[str, Any], httpx2.Headers]:
        """POST once; returns the JSON object that is answered, and the headers. Raises all that a call may."""
        sent = self._http.build_request(
            "POST", self._base_url + path, content=content, headers={**_AS_JSON, **(headers or {})}, timeout=timeout
        )
        with self.translated_errors():
            response = await self._http.send(sent)
            return self._object_in(response, is_about_request=is_about_request), response.headers

    async def download(self, path: str, **query: Any) -> AsyncIterator[bytes]:
        """A body, streamed; a broken stream is resumed. Whether it is whole only its reader can know."""
        received = fruitless = 0
        while True:
            before = received
            try:
                async for chunk in self._content(path, query, received):
                    received += len(chunk)
                    yield chunk
            except httpx2.RequestError as broken:
                fruitless = fruitless + 1 if received == before else 0
                if fruitless >= _FRUITLESS_RESUMES:
                    raise ProviderTrouble(f"the provider broke off after {received} bytes") from broken
            else:
                return

    async def _content(self, path: str, query: Mapping[str, Any], start: int) -> AsyncIterator[bytes]:
        """The bytes from `start`. A server that knows no ranges sends all of it; then the start is passed over."""
        # Compressed bytes could not be resumed.
        headers = {"accept-encoding": "identity"} | ({"range": f"bytes={start}-"} if start else {})
        async with self._streamed(path, query, headers) as response:
            surplus = start if response.status_code == 200 else 0
            if response.status_code == _NO_SUCH_RANGE:
                return
            async for chunk in response.aiter_bytes(_CHUNK_BYTES):
                wanted = chunk[surplus:]
                surplus = max(0, surplus - len(chunk))
                if wanted:
                    yield wanted

    @asynccontextmanager
    async def _streamed(
        self, path: str, query: Mapping[str, Any], headers: Mapping[str, str]
    ) -> AsyncIterator[httpx2.Response]:
        with self.translated_errors():
            asked = self._http.build_request("GET", self._base_url + path, params=dict(query), headers=dict(headers))
            response = await self._http.send(asked, stream=True)
        try:
            if response.status_code >= 300 and response.status_code != _NO_SUCH_RANGE:
                with self.translated_errors():
                    await response.aread()
                    self._object_in(response, is_about_request=False)
            refuse_web_page(response.headers)
            yield response
        finally:
            await response.aclose()

    async def _repeated(self, method: str, path: str, query: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
        for pause_seconds in (*_PAUSES_SECONDS, None):
            try:
                with self.translated_errors():
                    response = await self._http.request(method, self._base_url + path, params=dict(query))
                    return self._object_in(response, is_about_request=False), response.headers
            except ProviderTrouble as trouble:
                if pause_seconds is None or trouble.needs_operator:
                    raise
                await asyncio.sleep(pause_seconds)
        raise AssertionError("unreachable")

    def _object_in(self, response: httpx2.Response, *, is_about_request: bool) -> dict[str, Any]:
        """The JSON object of an answer; raises what a refusal means."""
        if response.status_code >= 300:
            raise self._refused(response, is_about_request=is_about_request)
        refuse_web_page(response.headers)
        if not response.content:
            return {}
        fields = json.loads(response.content.decode("utf-8-sig", errors="replace"))
        if not isinstance(fields, dict):
            raise TypeError("it is no object")
        return fields

    def _refused(self, response: httpx2.Response, *, is_about_request: bool) -> Exception:
        status = response.status_code
        try:
            complaint = self._complaint_of(json.loads(response.content.decode("utf-8-sig", errors="replace")))
        except (ValueError, TypeError, RecursionError):
            complaint = ApiComplaint()
        trouble = complaint.means(status, is_about_request=is_about_request)
        code = complaint.code or f"http_{status}"
        said = f"the provider answered {status} {loggable_code(code)}"
        if trouble.needs_operator:
            locked = ProviderLocked(said)
            locked.trouble = trouble
            return self._timed(locked, complaint, response)
        if status in _GONE:
            return ProviderGone(loggable_code(code))
        if trouble is not Trouble.PROVIDER:
            return ProviderRefusal(code, complaint.message, trouble)
        if status == _RATE_LIMITED:
            limited = self._timed(ProviderRateLimited(said), complaint, response)
            limited.limits = self.limits_of(response.headers)
            return limited
        if status in TIMED_OUT:
            return self._timed(ProviderLate(said), complaint, response)
        kind = ProviderTrouble if status in _STILL_UNDER_WAY or status < 400 else ProviderBusy
        return self._timed(kind(said), complaint, response)

    @staticmethod
    def _timed(trouble: _Told, complaint: ApiComplaint, response: httpx2.Response) -> _Told:
        """The trouble, with when the provider wants to be asked again."""
        told = retry_after_seconds(response.headers)
        trouble.retry_after_seconds = complaint.retry_after_seconds if told is None else told
        trouble.status = response.status_code
        return trouble

    @staticmethod
    @contextmanager
    def translated_errors() -> Iterator[None]:
        """Turn what a call, or the reading of its answer, trips over into ProviderTrouble."""
        try:
            yield
        except (httpx2.ReadTimeout, httpx2.WriteTimeout) as error:
            raise ProviderLate("the provider took too long") from error
        except httpx2.RequestError as error:
            raise ProviderTrouble(f"the provider could not be reached: {type(error).__name__}") from error
        except TimeoutError as error:
            raise ProviderLate("the provider took too long") from error
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            raise ProviderTrouble(f"the provider's answer cannot be read: {type(error).__name__}") from error


def request_timeout(seconds: float) -> httpx2.Timeout:
    """Of a call that is given so long in all: each part of the exchange may take that."""
    return httpx2.Timeout(seconds, connect=min(seconds, 10))


def no_limits(_: httpx2.Headers) -> RateLimits:
    """Of a provider whose headers say nothing of its limits."""
    return NOTHING_SAID


async def size_of(content: IO[bytes]) -> int:
    """The bytes of a file, which is then at its beginning again."""
    size = await asyncio.to_thread(content.seek, 0, 2)
    await asyncio.to_thread(content.seek, 0)
    return size


async def chunks_of(content: IO[bytes]) -> AsyncIterator[bytes]:
    """A file, as it is read; it is fetched in a thread."""
    while chunk := await asyncio.to_thread(content.read, _CHUNK_BYTES):
        yield chunk


def sendable(text: str) -> str:
    """A text without half characters, which are no Unicode: one of them would spoil a whole batch's body."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
