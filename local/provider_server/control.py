"""The faults and holds over HTTP, for a server that runs in a process of its own.

Outside the API, so no client of the API meets it by accident, and without a key: never serve this to a network.

    POST   /control/faults                 one fault, or an array of them -> 201 {"pending": 1}
           {"kind": "request", "method": "POST", "path": "/v1/batches", "when": "after", "reset": true}
           {"kind": "reply", "custom_id": "job-7", "reply": {"refusal": "no"}, "times": 2}
           {"kind": "batch", "fail_code": "token_limit_exceeded"}
           {"kind": "file", "hidden_reads": 2}
    GET    /control/faults                 -> {"pending": 1}
    DELETE /control/faults                 disarms all and releases all holds -> 204
    POST   /control/hold                   {"status": "in_progress", "answered": 2} -> 204
    POST   /control/release                {} or {"status": "in_progress"} -> 204
    POST   /control/batches/ID/expire      {} or {"answered": 2} -> the batch
    POST   /control/batches/ID/fail        {"code": "token_limit_exceeded", "message": "..."} -> the batch
    GET    /control/calls                  -> {"calls": [{"method", "path", "query", "status"}]}

The fields are those of the dataclasses in `faults.py` and `reply.py`; an unknown or malformed one is a 400.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.provider_server.arguments import refuse_unknown, require_choice, require_string
from local.provider_server.batch_run import HOLDABLE, BatchRuns
from local.provider_server.batches import Batch, Status
from local.provider_server.errors import ApiError, JsonObject
from local.provider_server.fault_layer import Call
from local.provider_server.faults import BatchFault, Fault, Faults, FileFault, ReplyRule, RequestFault
from local.provider_server.request_body import read_json, read_object

KINDS: dict[str, TypeAdapter[Any]] = {
    "request": TypeAdapter(RequestFault),
    "reply": TypeAdapter(ReplyRule),
    "batch": TypeAdapter(BatchFault),
    "file": TypeAdapter(FileFault),
}
STATUS: TypeAdapter[Status] = TypeAdapter(Status)


@dataclass(frozen=True, kw_only=True)
class ControlRoutes:
    """The control endpoints of one server, over the same parts that a test in the process uses."""

    faults: Faults
    runs: BatchRuns
    calls: Callable[[], list[Call]]
    shown: Callable[[Batch], JsonObject]
    expire: Callable[[str, int], Awaitable[Batch]]
    fail: Callable[[str, str, str], Awaitable[Batch]]

    def routes(self) -> list[Route]:
        """The routes, relative to `/control`."""
        return [
            Route("/faults", self._add, methods=["POST"]),
            Route("/faults", self._count, methods=["GET"]),
            Route("/faults", self._clear, methods=["DELETE"]),
            Route("/hold", self._hold, methods=["POST"]),
            Route("/release", self._release, methods=["POST"]),
            Route("/batches/{batch_id}/expire", self._expire, methods=["POST"]),
            Route("/batches/{batch_id}/fail", self._fail, methods=["POST"]),
            Route("/calls", self._calls, methods=["GET"]),
        ]

    async def _add(self, request: Request) -> Response:
        posted = await read_json(request)
        self.faults.add(*[_parse_fault(fault) for fault in (posted if isinstance(posted, list) else [posted])])
        return JSONResponse({"pending": len(self.faults.pending)}, 201)

    async def _count(self, request: Request) -> Response:
        return JSONResponse({"pending": len(self.faults.pending)})

    async def _clear(self, request: Request) -> Response:
        self.faults.clear()
        self.runs.release()
        return Response(status_code=204)

    async def _hold(self, request: Request) -> Response:
        wanted = await read_object(request)
        refuse_unknown(wanted, ("status", "answered"))
        status = STATUS.validate_python(require_choice(wanted, "status", HOLDABLE))
        self.runs.hold(status, _count_of(wanted.get("answered", 0)))
        return Response(status_code=204)

    async def _release(self, request: Request) -> Response:
        wanted = await read_object(request)
        refuse_unknown(wanted, ("status",))
        status = require_choice(wanted, "status", HOLDABLE) if "status" in wanted else None
        self.runs.release(None if status is None else STATUS.validate_python(status))
        return Response(status_code=204)

    async def _expire(self, request: Request) -> Response:
        wanted = await read_object(request)
        refuse_unknown(wanted, ("answered",))
        batch = await self.expire(request.path_params["batch_id"], _count_of(wanted.get("answered", 0)))
        return JSONResponse(self.shown(batch))

    async def _fail(self, request: Request) -> Response:
        wanted = await read_object(request)
        refuse_unknown(wanted, ("code", "message"))
        message = wanted.get("message", "This failure was scripted.")
        batch = await self.fail(request.path_params["batch_id"], require_string(wanted, "code"), str(message))
        return JSONResponse(self.shown(batch))

    async def _calls(self, request: Request) -> Response:
        return JSONResponse({"calls": [asdict(call) for call in self.calls()]})


def _parse_fault(posted: Any) -> Fault:
    if not isinstance(posted, dict):
        raise ApiError(400, "A fault must be a JSON object.")
    fields = dict(posted)
    kind = require_choice(fields, "kind", KINDS)
    del fields["kind"]
    try:
        fault: Fault = KINDS[kind].validate_json(json.dumps(fields), strict=True)
    except ValidationError as wrong:
        raise ApiError(400, f"Invalid fault: {wrong}") from None
    return fault


def _count_of(answered: Any) -> int:
    if not isinstance(answered, int) or isinstance(answered, bool) or answered < 0:
        raise ApiError(400, "Invalid 'answered': must be a number of lines.", param="answered")
    return answered
