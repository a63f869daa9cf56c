"""The seam: every external call of the functions is counted, named and, where it is meant to be, struck.

It lies below the functions and below the client libraries, at the transports that carry the calls: gRPC channels
(Firestore, Pub/Sub), the SDK's HTTP transport (OpenAI), the HTTP adapter (Cloud Storage). So no production code
knows of it, what is counted is what goes over the wire, repetitions included, and an error goes up through the
libraries' own translation and retries.

    with seam():
        traffic = Traffic(Strike(FAULTS["dies-after"], number=31))
        status = await traffic.invoke(world.tick)       # None: its process died
        if status is None:
            world.set_env()                             # a new process
        traffic.calls       # all calls so far, in the order in which they were made
        traffic.struck      # which of them were struck, and by what
        await traffic.land()                            # what is still on its way arrives now

Only what runs inside `Traffic.invoke` is counted or struck: a context variable says to which process a call
belongs, and it goes along into tasks, interceptors and threads. The test's own calls pass untouched.

A process that died does nothing any more. Its code may still run here, `finally` clauses and background tasks
included; but each further call of it raises `ProcessDied` and reaches no service. Calls of other tasks that were
under way at that moment do take effect, as they do when a machine is lost. All invocations up to a death belong to one
process; the next invocation begins a new one.
"""

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar
from unittest.mock import patch
from weakref import WeakKeyDictionary

import aiosmtplib
import grpc
import httpx
import httpx2
import requests
from requests.adapters import HTTPAdapter

from bench.channels import intercepted, method_of
from tests.chaos.faults import Answer, Broken, Dies, Fault, Reply, Rpc, Service

Result = TypeVar("Result")
Sending = Callable[[], Awaitable[Any]]


class ProcessDied(BaseException):
    """The process that makes this call is dead. No `except Exception` may survive that."""


@dataclass(frozen=True)
class Call:
    """One external call. `method` is the RPC's name, or the HTTP method and what of the path tells calls apart."""

    number: int
    service: Service
    method: str
    # Whether it changes something at the service.
    writes: bool
    # Whether its answer is a stream of messages.
    streams: bool = False

    @property
    def name(self) -> str:
        """For example `firestore.Commit`, `openai.GET.files.ID.content`, `storage.PUT.upload`."""
        return f"{self.service}.{self.method}"

    @property
    def label(self) -> str:
        """Number and name, for example `031-firestore.Commit`."""
        return f"{self.number:03}-{self.name}"


@dataclass(frozen=True)
class Strike:
    """A fault that is to strike call `number`; or, if that call cannot have it, the next one that can."""

    fault: Fault
    number: int


@dataclass
class _Armed:
    strike: Strike
    left: int
    # Set by the first call that it struck: a fault that lasts belongs to one service.
    service: Service | None = None

    def strikes(self, call: Call) -> bool:
        due = self.left > 0 and call.number >= self.strike.number and self.strike.fault.fits(call)
        return due and self.service in {None, call.service}


class _Process:
    """A function's process: alive until a fault ends it."""

    def __init__(self, traffic: "Traffic") -> None:
        self.traffic = traffic
        self.is_dead = False

    def enter(self, service: Service, method: str, *, writes: bool, streams: bool = False) -> Fault | None:
        """Count a call; returns what strikes it. Raises ProcessDied in a dead process."""
        if self.is_dead:
            raise ProcessDied
        return self.traffic.enter(service, method, writes=writes, streams=streams)

    def error(self, answer: Answer) -> BaseException:
        """The error by which the caller learns of a fault; if it is to die, its process is dead from here on."""
        match answer:
            case Dies():
                self.is_dead = True
                return ProcessDied()
            case Rpc(code):
                status: BaseException = grpc.aio.AioRpcError(code, details=f"struck: {code.name}")
                return status
            case Broken(error):
                broken: BaseException = error("struck: the connection broke")
                return broken
            case Reply():
                raise AssertionError("a reply is no error")


class Traffic:
    """The external calls of all functions of one test, and the faults that are to strike them.

    `calls` and `struck` grow as calls are made; `deaths` counts the processes that died. With `is_weighed`, `bytes`
    counts what the calls carry in both directions; the answer of a unary RPC is left out, since it holds no document.
    """

    def __init__(self, *strikes: Strike, is_weighed: bool = False) -> None:
        self.calls: list[Call] = []
        self.is_weighed = is_weighed
        self.bytes = 0
        self.struck: list[tuple[Call, Fault]] = []
        self.deaths = 0
        self._armed: list[_Armed] = []
        self._late: list[tuple[int, Sending]] = []
        self._process = _Process(self)
        self._one_at_a_time = threading.Lock()
        self.arm(*strikes)

    def arm(self, *strikes: Strike) -> None:
        """Add faults. The next call has the number `len(traffic.calls)`."""
        self._armed.extend(_Armed(strike, strike.fault.times) for strike in strikes)

    def disarm(self) -> None:
        """Take back what has not struck yet."""
        self._armed.clear()

    async def invoke(self, invocation: Callable[[], Awaitable[Result]]) -> Result | None:
        """Run one invocation of a function, its calls counted and struck. Returns None if its process died."""
        process = self._process

        async def run() -> Result:
            _running.set(process)
            return await invocation()

        try:
            result = await asyncio.create_task(run())
        except asyncio.CancelledError:
            raise
        except BaseException:
            if not process.is_dead:
                raise
            result = None
        if process.is_dead and process is self._process:
            self.deaths += 1
            self._process = _Process(self)
        return None if process.is_dead else result

    async def land(self) -> None:
        """Let every call that is still on its way take effect."""
        await self._land(lambda _: True)

    async def land_due(self) -> None:
        """Let those calls take effect whose lag is over."""
        await self._land(lambda due: due <= len(self.calls))

    async def _land(self, is_due: Callable[[int], bool]) -> None:
        landing = [send for due, send in self._late if is_due(due)]
        self._late = [(due, send) for due, send in self._late if not is_due(due)]
        for send in landing:
            with suppress(grpc.aio.AioRpcError, httpx2.TransportError):
                await send()

    def enter(self, service: Service, method: str, *, writes: bool, streams: bool) -> Fault | None:
        """Count a call; returns what strikes it."""
        with self._one_at_a_time:
            call = Call(len(self.calls), service, method, writes, streams)
            self.calls.append(call)
            for armed in self._armed:
                if armed.strikes(call):
                    armed.left -= 1
                    armed.service = service
                    self.struck.append((call, armed.strike.fault))
                    return armed.strike.fault
        return None

    def weigh(self, size: int) -> None:
        """Count bytes that a call carries."""
        with self._one_at_a_time:
            self.bytes += size

    def delay(self, fault: Fault, send: Sending) -> None:
        """Keep a call back until so many further calls have been made."""
        self._late.append((len(self.calls) + fault.lag, send))


_running: ContextVar[_Process | None] = ContextVar("_running", default=None)


@contextmanager
def seam() -> Iterator[None]:
    """Lay the seam into the transports. Only channels that are created inside are covered."""
    with (
        intercepted(_Unary(), _Stream()),
        patch.object(httpx2.AsyncHTTPTransport, "handle_async_request", _handle_async_request),
        patch.object(HTTPAdapter, "send", _send),
        patch.object(httpx.AsyncHTTPTransport, "handle_async_request", _push),
        patch.multiple(aiosmtplib.SMTP, **{name: _smtp(name) for name in ("connect", "mail", "rcpt", "data")}),
    ):
        yield


def _weigh_bodies(traffic: Traffic, *headers: Mapping[str, Any]) -> None:
    if traffic.is_weighed:
        traffic.weigh(sum(int(one.get("content-length", 0)) for one in headers))


async def _carry_out(process: _Process, fault: Fault, send: Sending) -> None:
    """Let a struck call take effect now, later or never; what the service really answers is thrown away."""
    if fault.effect == "now":
        with suppress(grpc.aio.AioRpcError, httpx2.TransportError):
            await send()
    elif fault.effect == "late":
        process.traffic.delay(fault, send)


# What goes over gRPC: Firestore and Pub/Sub

_WRITING_RPCS = {"Commit", "BatchWrite", "Publish"}


def _rpc(details: grpc.aio.ClientCallDetails) -> tuple[Service, str]:
    package, method = method_of(details).strip("/").split("/")
    return ("pubsub" if ".pubsub." in package else "firestore"), method


class _Unary(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc] # grpc ships no types
    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        process = _running.get()
        if process is None:
            return await continuation(details, request)
        await process.traffic.land_due()
        service, method = _rpc(details)
        fault = process.enter(service, method, writes=method in _WRITING_RPCS)
        if fault is None:
            if process.traffic.is_weighed:
                process.traffic.weigh(_size(request))
            return await continuation(details, request)

        async def send() -> None:
            await (await continuation(details, request))

        await _carry_out(process, fault, send)
        raise process.error(fault.answers[service])


class _Stream(grpc.aio.UnaryStreamClientInterceptor):  # type: ignore[misc] # grpc ships no types
    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        process = _running.get()
        if process is None:
            return await continuation(details, request)
        await process.traffic.land_due()
        service, method = _rpc(details)
        fault = process.enter(service, method, writes=False, streams=True)
        if fault is None:
            messages = await continuation(details, request)
            return _weighed(messages, process.traffic) if process.traffic.is_weighed else messages
        answer = fault.answers[service]
        if isinstance(answer, Rpc) and answer.after_messages:
            return _breaking(await continuation(details, request), process, answer)

        async def send() -> None:
            async for _ in await continuation(details, request):
                pass

        await _carry_out(process, fault, send)
        raise process.error(answer)


async def _weighed(messages: AsyncIterator[Any], traffic: Traffic) -> AsyncIterator[Any]:
    """The messages of a stream, each weighed when it comes."""
    async for message in messages:
        traffic.weigh(_size(message))
        yield message


def _size(message: Any) -> int:
    """The bytes of a message; the clients wrap those of protobuf."""
    return int(getattr(message, "_pb", message).ByteSize())


async def _breaking(messages: AsyncIterator[Any], process: _Process, answer: Rpc) -> AsyncIterator[Any]:
    """The first messages of a stream, and then its error; a stream that is shorter breaks before its end."""
    number = 0
    async for message in messages:
        if number == answer.after_messages:
            break
        number += 1
        yield message
    raise process.error(answer)


# What the OpenAI SDK sends over HTTP

_VERSION = re.compile(r"/v1(?:beta)?/")
_ID = re.compile(r"(?:batch_|msgbatch_|file-)?[0-9a-f]{12,}")
_real_handle_async_request = httpx2.AsyncHTTPTransport.handle_async_request


async def _handle_async_request(transport: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
    process = _running.get()
    if process is None:
        return await _real_handle_async_request(transport, request)
    await process.traffic.land_due()
    fault = process.enter("openai", _openai_method(request), writes=request.method != "GET")
    if fault is None:
        response = await _real_handle_async_request(transport, request)
        _weigh_bodies(process.traffic, request.headers, response.headers)
        return response
    answer = fault.answers["openai"]
    if isinstance(answer, Broken) and answer.in_body:
        response = await _real_handle_async_request(transport, request)
        response.stream = _BrokenBody(response.stream, answer.error)
        return response
    # Read now: by the time a late call is sent, the file that it uploads has been closed.
    content = await request.aread() if fault.effect == "late" else b""

    async def send() -> None:
        sent = request
        if fault.effect == "late":
            sent = httpx2.Request(request.method, request.url, headers=request.headers, content=content)
        response = await _real_handle_async_request(transport, sent)
        await response.aread()
        await response.aclose()

    await _carry_out(process, fault, send)
    if isinstance(answer, Reply):
        kind = "requests" if answer.status == 429 else "server_error"
        error = {"message": answer.message, "type": kind, "param": answer.parameter, "code": answer.code}
        return httpx2.Response(answer.status, headers=dict(answer.headers), json={"error": error}, request=request)
    raise process.error(answer)


def _openai_method(request: httpx2.Request) -> str:
    """The HTTP method and the path below the API's version, with the ids of what it names left out."""
    parts = _ID.sub("ID", _VERSION.split(request.url.path, maxsplit=1)[-1]).split("/")
    return ".".join([request.method, *parts])


class _BrokenBody(httpx2.AsyncByteStream):
    """Half of a body's first chunk, and then a broken connection."""

    def __init__(self, body: Any, error: type[Exception]) -> None:
        self._body = body
        self._error = error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._body:
            yield chunk[: len(chunk) // 2]
            break
        raise self._error("struck: the connection broke")

    async def aclose(self) -> None:
        await self._body.aclose()


# What the Cloud Storage client sends over HTTP

_real_send = HTTPAdapter.send
# Whose adapter it is: the client looks up its bucket in a thread of its own, and a writer that the garbage collector
# closes would begin its upload, both outside any context. A dead process does neither.
_owners: WeakKeyDictionary[HTTPAdapter, _Process] = WeakKeyDictionary()


def _send(adapter: HTTPAdapter, request: requests.PreparedRequest, **options: Any) -> requests.Response:
    process = _running.get()
    if process is None:
        owner = _owners.get(adapter)
        if owner and owner.is_dead:
            raise ProcessDied
        return _real_send(adapter, request, **options)
    _owners[adapter] = process
    fault = process.enter("storage", _storage_method(request), writes=request.method != "GET")
    if fault is None:
        response = _real_send(adapter, request, **options)
        _weigh_bodies(process.traffic, request.headers, response.headers)
        return response
    if fault.effect == "now":
        with suppress(requests.RequestException):
            _real_send(adapter, request, **options).close()
    answer = fault.answers["storage"]
    if isinstance(answer, Reply):
        response = requests.Response()
        response.status_code = answer.status
        response.request = request
        response.url = str(request.url)
        response._content = b'{"error": {"code": %d, "message": "struck"}}' % answer.status
        return response
    raise process.error(answer)


def _storage_method(request: requests.PreparedRequest) -> str:
    """The HTTP method and which of the service's doors the path begins with: upload, download or storage."""
    return f"{request.method}.{(request.path_url or '').split('/')[1]}"


# What firebase-admin's messaging sends over HTTP

_real_push = httpx.AsyncHTTPTransport.handle_async_request


async def _push(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
    process = _running.get()
    if process is None:
        return await _real_push(transport, request)
    fault = process.enter("fcm", "POST.messages:send", writes=True)
    if fault is None:
        return await _real_push(transport, request)
    if fault.effect == "now":
        with suppress(httpx.TransportError):
            await (await _real_push(transport, request)).aclose()
    answer = fault.answers["fcm"]
    if isinstance(answer, Reply):
        return httpx.Response(answer.status, json={"error": {"code": answer.status, "message": "struck"}})
    raise process.error(answer)


# What our sender of mail says over SMTP


def _smtp(name: str) -> Any:
    """One command of the SMTP client, counted and struck."""
    real = getattr(aiosmtplib.SMTP, name)

    async def command(client: aiosmtplib.SMTP, *arguments: Any, **options: Any) -> Any:
        process = _running.get()
        if process is None:
            return await real(client, *arguments, **options)
        fault = process.enter("smtp", name.upper(), writes=name == "data")
        if fault is None:
            return await real(client, *arguments, **options)
        if fault.effect == "now":
            with suppress(aiosmtplib.SMTPException, OSError):
                await real(client, *arguments, **options)
        raise process.error(fault.answers["smtp"])

    return command
