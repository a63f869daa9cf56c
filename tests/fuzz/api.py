"""Arbitrary requests to the API, made by schemathesis from docs/openapi.yaml: what it allows, and what it forbids.

Each answer is one that the page describes: its status, its content type, its body by the schema, its headers. None is a
5xx. What the page forbids is refused. The callers are a stranger, a user and an admin, and half of the ids are of
things that are there, so that handlers are reached and not only the doors before them.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Final, Literal
from urllib.parse import unquote

import requests
from google.cloud.firestore import FieldFilter
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from local.openapi import document
from local.tokens import unsigned_token
from nightshift.api.routes import ROUTES
from tests.fuzz.kind import Kind
from tests.support.world import World

_BASE: Final = "http://functions"
_CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
_TOKENS: Final = 1_000_000
_MOST_JOBS: Final = 40

Who = Literal["stranger", "user", "admin"]
CALLERS: Final[st.SearchStrategy[Who]] = st.sampled_from(["user", "user", "admin", "admin", "stranger"])


@dataclass(frozen=True)
class Request:
    """A request of the page's, its caller, and whether its id is one that is there: then which."""

    case: Case[Any]
    who: Who
    id_number: int | None
    key: str | None

    def __repr__(self) -> str:
        # What a person needs to repeat it.
        case = self.case
        sent = {"path": case.path_parameters, "query": case.query, "headers": case.headers, "body": case.body}
        return f"{case.method} {case.path} by {self.who}, id {self.id_number}, key {self.key}: {sent}"


@cache
def _cases() -> st.SearchStrategy[Case[Any]]:
    """Every operation of the page as often as any other, allowed and forbidden."""
    found = openapi.from_dict(_without_security()).get_all_operations()
    operations = [one.ok() for one in found if isinstance(one, Ok)]
    assert len(operations) == sum(1 + len(row.aliases) for row in ROUTES)
    modes = (GenerationMode.POSITIVE, GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    strategies = [
        operation.as_strategy(generation_mode=mode)
        for operation in operations
        for mode in modes
        if _has(operation, mode)
    ]
    return st.one_of(strategies)


def _without_security() -> dict[str, Any]:
    """The page, but for who may call: the token is this file's to send, or to leave out."""
    described = document()
    for path in described["paths"].values():
        for operation in path.values():
            del operation["security"]
    return described


def _has(operation: Any, mode: GenerationMode) -> bool:
    """Whether there is anything to get wrong."""
    takes = [*operation.query, *operation.body, *operation.path_parameters]
    return mode is GenerationMode.POSITIVE or bool(takes)


async def furnish(world: World) -> None:
    """What the requests' ids name: jobs, a batch, an alert, three days of history."""
    world.set_env(NIGHTSHIFT_API_REQUESTS_PER_MINUTE="0", NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.open_pubsub()
    await world.give("user", _TOKENS)
    for job_id, status in (("done-1", "completed"), ("failed-1", "failed"), ("live-1", "queued")):
        await world.write("user", job_id, status=status, lane="openai:/v1/chat/completions:gpt-5-mini", priority=5)
    await world.submit("user", "sent-1")
    alert = {"kind": "backlog", "isOpen": True, "message": "A queued job waits.", "value": 7200.0, "limit": 3600.0}
    await world.firestore.document("alerts/alert-1").set({**alert, "openedAt": world.now()})
    key = {"type": "photo_rating", "provider": "xai", "model": "grok-4.3", "mode": "batch"}
    sums = {"completed": 3, "failed": 1, "costUsd": 0.1, "realtimeCostUsd": 0.2, "waits": "12:2 40:1"}
    for days in range(3):
        day = f"{(world.now() - timedelta(days=days)).date()}"
        await world.firestore.document(f"metrics_days/{day}").set({"groups": [{**key, **sums}]})


async def _ids(world: World, path: str) -> list[str]:
    if "batch" in path:
        return [batch["id"] for batch in await world.batches()]
    if "alerts" in path:
        return ["alert-1", "not-there"]
    return ["done-1", "failed-1", "live-1", "sent-1", "not-there"]


async def _play(world: World, request: Request) -> int:
    case = request.case
    if request.id_number is not None and "id" in (case.path_parameters or {}):
        ids = await _ids(world, case.path)
        case.path_parameters["id"] = ids[request.id_number % len(ids)]
    sent = requests.Request(**_sendable(case)).prepare()
    headers = {name: text for name, text in sent.headers.items() if name.lower() not in {"authorization", "cookie"}}
    if request.key is not None:
        headers["Idempotency-Key"] = request.key
    headers |= authorization(world, request.who)
    answer = await world.call("api", str(sent.method), str(sent.path_url), headers=headers, content=sent.body or b"")
    if not is_routed(str(sent.path_url)):
        assert answer.status_code == 404
        return 1
    case.validate_response(answer, checks=[*_CHECKS, *([negative_data_rejection] if request.id_number is None else [])])
    assert answer.headers["x-content-type-options"] == "nosniff"
    if answer.status_code >= 400:
        assert answer.json()["error"]["requestId"] == answer.headers["x-request-id"]
    await delete_many_jobs(world)
    return 1


def is_routed(target: str) -> bool:
    """Whether functions-framework hands a request over: of a path with a line break before its end it does not."""
    return "\n" not in unquote(target.partition("?")[0])[:-1]


def authorization(world: World, who: Who) -> dict[str, str]:
    """The header by which a caller is known; none for a stranger."""
    claims = {"admin": True} if who == "admin" else {}
    return {} if who == "stranger" else {"Authorization": f"Bearer {unsigned_token(world.project, 'user', **claims)}"}


def _sendable(case: Case[Any]) -> dict[str, Any]:
    kwargs = case.as_transport_kwargs(base_url=_BASE)
    names = ("method", "url", "headers", "params", "data", "json", "cookies")
    return {name: kwargs[name] for name in names if name in kwargs}


async def _live(world: World) -> list[str]:
    query = (
        world.firestore.collection("ai_jobs").where(filter=FieldFilter("userId", "==", "user")).limit(_MOST_JOBS + 5)
    )
    return [snapshot.id async for snapshot in query.stream()]


async def delete_many_jobs(world: World) -> None:
    """What was created is not answered here, and would only make the lists long."""
    live = await _live(world)
    for job_id in live if len(live) > _MOST_JOBS else ():
        if job_id not in {"done-1", "failed-1", "live-1", "sent-1"}:
            await world.firestore.collection("ai_jobs").document(job_id).delete()


KIND = Kind(
    name="api-requests",
    examples=st.deferred(
        lambda: st.builds(
            Request,
            _cases(),
            CALLERS,
            st.none() | st.integers(0, 4),
            st.none() | st.none() | st.sampled_from(["a", "b"]),
        )
    ),
    play=_play,
    # All the others together, once more: ten thousand in `make chaos`.
    share=100,
    begin=furnish,
)
