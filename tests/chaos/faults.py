"""What can go wrong with one external call, as data: what becomes of the call, and what its caller gets.

The two are independent, and that is the whole difficulty. A call may never be carried out, be carried out, or be
carried out some calls later; and whatever became of it, the caller may hear an error, or may not live to hear
anything. Each error is one that the service really gives, in the form in which it comes off the wire, so the
client libraries' own translation and retries run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import aiosmtplib
import grpc
import httpx
import httpx2
import requests

if TYPE_CHECKING:
    from tests.chaos.calls import Call

Service = Literal["firestore", "pubsub", "openai", "storage", "smtp", "fcm"]


@dataclass(frozen=True)
class Dies:
    """The caller's process is dead: this answer does not reach it, and no later call of it reaches a service."""


@dataclass(frozen=True)
class Rpc:
    """A gRPC status instead of the answer; of a stream, after that many of its messages."""

    code: grpc.StatusCode
    after_messages: int = 0


@dataclass(frozen=True)
class Reply:
    """An HTTP response with the service's error body, instead of the answer."""

    status: int
    code: str | None
    headers: Mapping[str, str]
    message: str = "struck"
    parameter: str | None = None


@dataclass(frozen=True)
class Broken:
    """A connection that breaks: instead of the answer, or in the middle of its body."""

    error: (
        type[httpx2.TransportError]
        | type[httpx.TransportError]
        | type[requests.RequestException]
        | type[aiosmtplib.SMTPException]
    )
    in_body: bool = False


Answer = Dies | Rpc | Reply | Broken


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way in which a call goes wrong. `name` is part of a case's name; `does` says it in a sentence."""

    name: str
    does: str
    # What becomes of the call: it is never carried out; it is; or it is when so many further calls have been made.
    effect: Literal["never", "now", "late"]
    lag: int = 0
    # What the caller gets, by service. A service that is not named here never has this fault.
    answers: Mapping[Service, Answer]
    # The calls that it can strike: all, those that change something, or those whose answer is a stream.
    only: Literal["writes", "streams"] | None = None
    # The one call that it can strike, by its name.
    at: str | None = None
    # So many calls in a row of the service that it strikes first.
    times: int = 1

    def fits(self, call: "Call") -> bool:
        """Whether this call can have this fault."""
        if call.service not in self.answers or self.at not in {None, call.name}:
            return False
        return self.only is None or (call.writes if self.only == "writes" else call.streams)


_DIES: Final[Mapping[Service, Answer]] = {
    "firestore": Dies(),
    "pubsub": Dies(),
    "openai": Dies(),
    "storage": Dies(),
    "smtp": Dies(),
    "fcm": Dies(),
}
_LOST: Final[Mapping[Service, Answer]] = {
    "firestore": Rpc(grpc.StatusCode.UNAVAILABLE),
    "pubsub": Rpc(grpc.StatusCode.UNAVAILABLE),
    "openai": Broken(httpx2.ReadError),
    "storage": Broken(requests.ConnectionError),
    "smtp": Broken(aiosmtplib.SMTPServerDisconnected),
    "fcm": Broken(httpx.ReadError),
}
_TIMED_OUT: Final[Mapping[Service, Answer]] = {
    "firestore": Rpc(grpc.StatusCode.DEADLINE_EXCEEDED),
    "pubsub": Rpc(grpc.StatusCode.DEADLINE_EXCEEDED),
    "openai": Broken(httpx2.ReadTimeout),
    "storage": Broken(requests.ReadTimeout),
    "smtp": Broken(aiosmtplib.SMTPReadTimeoutError),
    "fcm": Broken(httpx.ReadTimeout),
}
# Those of Cloud Storage and SMTP are never late here: their clients send the next call only after an answer.
_LATE: Final[Mapping[Service, Answer]] = {
    service: answer for service, answer in _TIMED_OUT.items() if service not in {"storage", "smtp", "fcm"}
}


def _rpc(code: grpc.StatusCode, after_messages: int = 0) -> Mapping[Service, Answer]:
    answer = Rpc(code, after_messages)
    return {"firestore": answer} if after_messages else {"firestore": answer, "pubsub": answer}


def _reply(status: int, code: str) -> Mapping[Service, Answer]:
    return {service: Reply(status, code, {}) for service in ("openai", "storage", "fcm")}


def _openai(
    status: int, code: str | None, message: str = "struck", parameter: str | None = None
) -> Mapping[Service, Answer]:
    return {"openai": Reply(status, code, {}, message, parameter)}


_ALL: Final = (
    Fault(name="dies-before", does="the process dies before the call", effect="never", answers=_DIES),
    Fault(name="dies-after", does="the process dies after the call took effect", effect="now", answers=_DIES),
    Fault(
        name="lost", does="it takes effect, and the connection breaks before its answer", effect="now", answers=_LOST
    ),
    Fault(name="lost-timeout", does="it takes effect, and its answer comes too late", effect="now", answers=_TIMED_OUT),
    Fault(
        name="late-2",
        does="the caller gets a time-out, and the call takes effect two calls later",
        effect="late",
        lag=2,
        answers=_LATE,
        only="writes",
    ),
    Fault(
        name="late-5",
        does="the caller gets a time-out, and the call takes effect five calls later",
        effect="late",
        lag=5,
        answers=_LATE,
        only="writes",
    ),
    Fault(
        name="late-12",
        does="the caller gets a time-out, and the call takes effect after the next tick has looked for it",
        effect="late",
        lag=12,
        answers=_LATE,
        only="writes",
    ),
    Fault(name="aborted", does="ABORTED", effect="never", answers=_rpc(grpc.StatusCode.ABORTED)),
    Fault(name="unavailable", does="UNAVAILABLE", effect="never", answers=_rpc(grpc.StatusCode.UNAVAILABLE)),
    Fault(name="deadline", does="DEADLINE_EXCEEDED", effect="never", answers=_rpc(grpc.StatusCode.DEADLINE_EXCEEDED)),
    Fault(
        name="breaks-off",
        does="the stream breaks after its first message",
        effect="now",
        answers=_rpc(grpc.StatusCode.UNAVAILABLE, after_messages=1),
        only="streams",
    ),
    Fault(name="429", does="too many requests", effect="never", answers=_reply(429, "rate_limit_exceeded")),
    Fault(
        name="429-after-1s",
        does="too many requests, come back in a second",
        effect="never",
        answers={"openai": Reply(429, "rate_limit_exceeded", {"Retry-After": "1"})},
    ),
    Fault(name="500", does="internal server error", effect="never", answers=_reply(500, "server_error")),
    Fault(name="503", does="overloaded", effect="never", answers=_reply(503, "overloaded")),
    Fault(
        name="503-thrice",
        does="overloaded, three calls long: more than the SDK's own retries bear",
        effect="never",
        answers={"openai": Reply(503, "overloaded", {})},
        times=3,
    ),
    # The account's trouble, and what a provider says that is not so. It passes.
    Fault(name="402", does="no credit is left", effect="never", answers=_openai(402, "billing_hard_limit_reached")),
    Fault(name="404-model", does="the model is not there", effect="never", answers=_openai(404, "model_not_found")),
    Fault(name="499", does="a proxy's client was gone", effect="never", answers=_openai(499, None)),
    Fault(name="400-new", does="a code that is new", effect="never", answers=_openai(400, "new"), only="writes"),
    Fault(
        name="storage-full",
        does="the account's storage is full",
        effect="never",
        answers=_openai(400, None, "You have exceeded your file storage quota."),
        at="openai.POST.files",
    ),
    Fault(
        name="file-not-found",
        does="the file that was just uploaded is not found",
        effect="never",
        answers=_openai(400, None, "Cannot find file file-x, or project p does not have access to it.", "file_id"),
        at="openai.POST.batches",
    ),
    Fault(
        name="image-not-fetched",
        does="the image could not be downloaded in time",
        effect="never",
        answers=_openai(400, "invalid_image_url", "Timeout while downloading the image."),
        at="openai.POST.chat.completions",
    ),
    Fault(
        name="reset",
        does="the connection is reset before anything was sent",
        effect="never",
        answers={
            "openai": Broken(httpx2.ConnectError),
            "storage": Broken(requests.ConnectionError),
            "fcm": Broken(httpx.ConnectError),
        },
    ),
    Fault(
        name="reset-mid-body",
        does="the connection is reset in the middle of the answer",
        effect="now",
        answers={"openai": Broken(httpx2.ReadError, in_body=True)},
    ),
)

FAULTS: Final[Mapping[str, Fault]] = {fault.name: fault for fault in _ALL}
