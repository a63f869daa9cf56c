"""A route of the REST API: one row says all that its serving, its test and docs/openapi.yaml need to know.

How a route is added: write its handler in a file of `routes/`. The models of its body and answer are in the file of the
same name in `shapes/`. Add its `ApiRoute` to that file's `ROUTES`; a new file is named in `routes/__init__.py`. Then
`make openapi` writes the page, and docs/API.md gets a line. The handler's docstring is its description there.

A handler gets an `ApiCall` when caller, limits, query and body were checked. It returns the answer's model, or a
Response where the answer is not JSON; it raises HttpError. It never waits for a provider: what needs one is recorded as
a wish, and a worker is called for it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pydantic import BaseModel
from starlette.responses import Response

from nightshift.api.authentication import Caller
from nightshift.api.shapes.common import ApiModel
from nightshift.errors import HttpError
from nightshift.runtime import Runtime

BASE: Final = "/v1"
# A body of one job has two texts of 8,000 characters at most; as JSON each may take six bytes.
ONE_JOB_BYTES: Final = 128 * 1024

Method = Literal["GET", "POST", "PUT", "DELETE"]
Who = Literal["public", "user", "admin"]


@dataclass(frozen=True, kw_only=True)
class ApiCall:
    """One request, once it was checked. `query` and `body` are of the models that the route names."""

    runtime: Runtime
    # None where the route is public and the request has no token.
    caller: Caller | None
    path: Mapping[str, str]
    query: Any
    body: Any
    # What the header Idempotency-Key holds.
    key: str | None

    @property
    def user_id(self) -> str:
        """The uid of the caller. Only routes of users and admins ask."""
        if self.caller is None:
            raise HttpError(401, "unauthenticated", "Send a valid Firebase ID token as a bearer token.")
        return self.caller.user_id


Handler = Callable[[ApiCall], Awaitable[BaseModel | Response]]


@dataclass(frozen=True, kw_only=True)
class ApiRoute:
    """One method of one path."""

    method: Method
    # Below BASE, as `/jobs/{id}`.
    path: str
    who: Who
    handler: Handler
    # What an answer of the status holds; None = it has no JSON.
    answer: type[BaseModel] | None
    status: int = 200
    body: type[ApiModel] | None = None
    most_bytes: int = 16 * 1024
    query: type[ApiModel] | None = None
    # Whether it creates something, and so takes an Idempotency-Key.
    creates: bool = False
    # Whether its answer has an ETag, and an unchanged one is answered 304.
    is_polled: bool = False
    # Of an admin's route: other users get as far as the handler, which answers the owner of what is asked for.
    admits_owner: bool = False
    # Whether an HTML form, or a mail program, posts a body that says nothing.
    passes_over_form: bool = False
    # Further statuses that are its own, each with what it means.
    errors: Mapping[int, str] = field(default_factory=dict)
    # The media type of an answer that is no JSON.
    media_type: str = "application/json"
    # Those that the handler answers instead where it is asked to.
    other_media_types: tuple[str, ...] = ()
    # The same under paths of an older service.
    aliases: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As logs and pages name it: `GET /jobs/{id}`."""
        return f"{self.method} {self.path}"
