"""A living process that stops in the middle of a call to the outside, and goes on when the test lets it.

It is stopped where the call leaves our code for good: in the HTTP transport of the provider's SDK, in that of the Cloud
Storage client, in the Firestore client's commit. Stopped before the call, nothing was sent yet; after it, the call
has taken effect and its answer is not heard yet.
"""

import asyncio
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any, Literal

import httpx2
import pytest
import requests.adapters

from nightshift.database.calls import FirestoreCalls

When = Literal["before", "after"]


class Pause:
    """The first call that fits is stopped, all others pass."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._begun = asyncio.Event()
        self._over = threading.Event()
        self._first = threading.Lock()

    async def begun(self) -> None:
        """Return when the call is stopped."""
        await self._begun.wait()

    def end(self) -> None:
        """Let the call go on."""
        self._over.set()

    def takes(self) -> bool:
        """Whether this is the call that is stopped."""
        return self._first.acquire(blocking=False)

    def last(self) -> None:
        """Stop the calling thread."""
        self._loop.call_soon_threadsafe(self._begun.set)
        self._over.wait(timeout=60)


def pause_provider(monkeypatch: pytest.MonkeyPatch, method: str, path: str, when: When) -> Pause:
    """Stop a request to the provider; `path` is a regular expression for the whole path."""
    pause = Pause()
    real = httpx2.AsyncHTTPTransport.handle_async_request

    async def pausing(transport: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
        fits = request.method == method and re.fullmatch(path, request.url.path) and pause.takes()
        if fits and when == "before":
            await asyncio.to_thread(pause.last)
        response = await real(transport, request)
        if fits and when == "after":
            await asyncio.to_thread(pause.last)
        return response

    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", pausing)
    return pause


def pause_storage(monkeypatch: pytest.MonkeyPatch, name: str, when: When) -> Pause:
    """Stop the writing of an object in Cloud Storage whose name ends so."""
    pause = Pause()
    real = requests.adapters.HTTPAdapter.send
    sessions: set[str] = set()

    def pausing(adapter: Any, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        # An upload begins with a POST that names the object and is answered with the address for its bytes.
        # A small object goes with its name in one request.
        content = request.body if isinstance(request.body, bytes) else str(request.body).encode()
        is_whole = "uploadType=multipart" in str(request.url) and f'{name}"'.encode() in content
        fits = (is_whole or (request.method == "PUT" and request.url in sessions)) and pause.takes()
        if fits and when == "before":
            pause.last()
        response = real(adapter, request, *args, **options)
        if request.method == "POST" and not is_whole and f'{name}"'.encode() in content:
            sessions.add(response.headers["Location"])
        if fits and when == "after":
            pause.last()
        return response

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", pausing)
    return pause


def pause_commit(monkeypatch: pytest.MonkeyPatch, fits: Callable[[str], bool], when: When) -> Pause:
    """Stop a commit to Firestore; `fits` looks at its writes, as protobuf text.

    `after` is after one that has landed: of commits at a time to one wallet, one may be refused.
    """
    pause = Pause()
    real = FirestoreCalls.commit

    async def pausing(calls: FirestoreCalls, writes: Sequence[Any], timeout_seconds: float) -> Any:
        is_one = fits("\n".join(str(write) for write in writes))
        if is_one and when == "before" and pause.takes():
            await asyncio.to_thread(pause.last)
        results = await real(calls, writes, timeout_seconds)
        if is_one and when == "after" and pause.takes():
            await asyncio.to_thread(pause.last)
        return results

    monkeypatch.setattr(FirestoreCalls, "commit", pausing)
    return pause
