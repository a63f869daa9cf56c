"""Counts what is billed, at the transports: gRPC (Firestore, Pub/Sub), the OpenAI SDK's HTTP, Cloud Storage's HTTP.

    with counter():                     # before the clients are built
        with bill() as billed:
            await world.tick()
        billed.reads, billed.writes, billed.provider_calls

It lies below the client libraries, so repetitions count, and no production code knows of it. What is called outside
`bill` is not counted: a bench reads and writes for itself. The context variable that says so goes along into
tasks, interceptors and threads. A whole process is counted with `counter(lambda: billed)`.
"""

import math
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from unittest.mock import patch

import grpc
import httpx2
import requests
from requests.adapters import HTTPAdapter

from bench.billed import Billed
from bench.channels import intercepted, method_of

# An aggregation is billed one read per so many index entries.
_ENTRIES_PER_READ = 1000
# What a transaction costs is the reads and writes in it.
_FREE = {"BeginTransaction", "Rollback"}

_account: ContextVar[Billed | None] = ContextVar("_account", default=None)

# What counts a call; None = it is not counted.
Account = Callable[[], Billed | None]


@contextmanager
def bill() -> Iterator[Billed]:
    """Count what is called inside, by this task and those that it starts."""
    billed = Billed()
    before = _account.set(billed)
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield billed
    finally:
        billed.wall_seconds += time.perf_counter() - wall
        billed.cpu_seconds += time.process_time() - cpu
        _account.reset(before)


@contextmanager
def counter(account: Account = _account.get) -> Iterator[None]:
    """Lay the counter into the transports. Only channels that are created inside are counted."""
    with (
        intercepted(_Unary(account), _Stream(account)),
        patch.object(httpx2.AsyncHTTPTransport, "handle_async_request", _counted_provider(account)),
        patch.object(HTTPAdapter, "send", _counted_storage(account)),
    ):
        yield


# Firestore and Pub/Sub


class _Unary(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc] # grpc ships no types
    def __init__(self, account: Account) -> None:
        self._account = account

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        call = await continuation(details, request)
        billed = self._account()
        if billed is None:
            return call
        method = _method(details)
        try:
            await call
        except grpc.aio.AioRpcError:
            if method == "Commit":
                billed.refused_writes += len(request.writes)
            raise
        _count_unary(billed, method, request)
        return call


def _count_unary(billed: Billed, method: str, request: Any) -> None:
    match method:
        case "Commit":
            deletes = sum("delete" in write for write in request.writes)
            billed.deletes += deletes
            billed.writes += len(request.writes) - deletes
        case "Publish":
            billed.published_messages += len(request.messages)
        case free if free in _FREE:
            pass
        case unknown:
            raise LookupError(f"how {unknown} is billed")


class _Stream(grpc.aio.UnaryStreamClientInterceptor):  # type: ignore[misc] # grpc ships no types
    def __init__(self, account: Account) -> None:
        self._account = account

    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        call = await continuation(details, request)
        billed = self._account()
        return call if billed is None else _counted(call, billed, _method(details))


async def _counted(answers: AsyncIterator[Any], billed: Billed, method: str) -> AsyncIterator[Any]:
    is_empty = True
    async for answer in answers:
        # At once: who wants one document leaves the stream at that.
        reads = _reads(method, answer)
        billed.reads += reads
        is_empty &= reads == 0
        yield answer
    billed.reads += is_empty


def _reads(method: str, answer: Any) -> int:
    """The reads of one message of a stream."""
    match method:
        case "BatchGetDocuments":
            return int("found" in answer or "missing" in answer)
        case "RunQuery":
            # What an offset passes over is read.
            return int("document" in answer) + int(answer.skipped_results)
        case "RunAggregationQuery":
            counts = [field.integer_value for field in answer.result.aggregate_fields.values()]
            return math.ceil(max(counts, default=0) / _ENTRIES_PER_READ)
        case unknown:
            raise LookupError(f"how {unknown} is billed")


def _method(details: grpc.aio.ClientCallDetails) -> str:
    return method_of(details).rpartition("/")[2]


# The provider


def _counted_provider(account: Account) -> Any:
    real = httpx2.AsyncHTTPTransport.handle_async_request

    async def handle_async_request(transport: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
        if billed := account():
            billed.provider_calls[_provider_call(request)] += 1
        return await real(transport, request)

    return handle_async_request


def _provider_call(request: httpx2.Request) -> str:
    """The method and the path below `/v1`, the id of what it names left out: `GET /batches/ID`."""
    parts = request.url.path.partition("/v1/")[2].split("/")
    named = [parts[0], *("ID" if place == 0 else part for place, part in enumerate(parts[1:]))]
    return f"{request.method} /" + "/".join(parts if parts[0] == "chat" else named)


# Cloud Storage

_one_at_a_time = threading.Lock()


def _counted_storage(account: Account) -> Any:
    real = HTTPAdapter.send

    def send(adapter: HTTPAdapter, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        if billed := account():
            with _one_at_a_time:
                billed.storage_calls[_storage_call(request)] += 1
        return real(adapter, request, **options)

    return send


def _storage_call(request: requests.PreparedRequest) -> str:
    """The method, and what it is done to: `POST upload`, `GET download`, `GET list`, `GET object`.

    An upload in parts begins with a POST and is billed as one; its parts are `PUT upload`.
    """
    path = (request.path_url or "").partition("?")[0].rstrip("/")
    door = path.split("/")[1]
    kind = door if door in {"upload", "download"} else "list" if path.endswith("/o") else "object"
    return f"{request.method} {kind}"
