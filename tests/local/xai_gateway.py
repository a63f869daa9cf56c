"""xAI's gRPC service before the local REST server, so that xAI's official SDK can ask it.

The SDK speaks gRPC alone, and xAI serves the same things by REST. Each call becomes the REST request of xAI's pages;
the answer becomes the SDK's own message. A field that the message does not have, or of another type, is an error.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import grpc
import httpx
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from xai_sdk.proto import batch_pb2, batch_pb2_grpc, chat_pb2

from tests.support.patience import PATIENCE_SECONDS

_M = TypeVar("_M", bound=Message)

# What REST and gRPC call differently: "stop" and "REASON_STOP".
_REASONS = {"stop": "REASON_STOP", "length": "REASON_MAX_LEN"}
_STATUSES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
}


@asynccontextmanager
async def xai_gateway(base_url: str) -> AsyncIterator[str]:
    """Serve gRPC before the REST server at `base_url`; gives the host and port that the SDK takes."""
    server = grpc.aio.server()
    async with httpx.AsyncClient(base_url=base_url, timeout=PATIENCE_SECONDS) as rest:
        batch_pb2_grpc.add_BatchMgmtServicer_to_server(_Batches(rest), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            await server.stop(None)


class _Batches(batch_pb2_grpc.BatchMgmtServicer):  # type: ignore[misc]
    def __init__(self, rest: httpx.AsyncClient) -> None:
        self._rest = rest

    async def CreateBatch(self, asked: Any, context: Any) -> Any:  # noqa: N802 - the service's name for it
        body = {"name": asked.name, "input_file_id": asked.input_file_id}
        return _read(_batch(await self._ask(context, "POST", "/batches", json=body)), batch_pb2.Batch())

    async def GetBatch(self, asked: Any, context: Any) -> Any:  # noqa: N802
        return _read(_batch(await self._ask(context, "GET", f"/batches/{asked.batch_id}")), batch_pb2.Batch())

    async def CancelBatch(self, asked: Any, context: Any) -> Any:  # noqa: N802
        shown = await self._ask(context, "POST", f"/batches/{asked.batch_id}:cancel")
        return _read(_batch(shown), batch_pb2.Batch())

    async def ListBatches(self, asked: Any, context: Any) -> Any:  # noqa: N802
        page = await self._ask(context, "GET", "/batches", params=_paging(asked))
        batches = [_batch(batch) for batch in page["batches"]]
        return _read(page | {"batches": batches}, batch_pb2.ListBatchesResponse())

    async def ListBatchResults(self, asked: Any, context: Any) -> Any:  # noqa: N802
        page = await self._ask(context, "GET", f"/batches/{asked.batch_id}/results", params=_paging(asked))
        results = [_result(result) for result in page["results"]]
        return _read(page | {"results": results}, batch_pb2.ListBatchResultsResponse())

    async def _ask(self, context: Any, method: str, path: str, **more: Any) -> dict[str, Any]:
        key = dict(context.invocation_metadata())["authorization"]
        answered = await self._rest.request(method, path, headers={"Authorization": key}, **more)
        if answered.is_error:
            await context.abort(_STATUSES.get(answered.status_code, grpc.StatusCode.INTERNAL), answered.text)
        shown: dict[str, Any] = answered.json()
        return shown


def _read(shown: Mapping[str, Any], message: _M) -> _M:
    ParseDict(shown, message, ignore_unknown_fields=False)
    return message


def _paging(asked: Any) -> dict[str, Any]:
    token = {"pagination_token": asked.pagination_token} if asked.pagination_token else {}
    return token | ({"limit": asked.limit} if asked.limit else {})


def _batch(shown: dict[str, Any]) -> dict[str, Any]:
    """REST gives the day of a time alone."""
    days = ("create_time", "expire_time", "cancel_time")
    return shown | {name: f"{shown[name]}T00:00:00Z" for name in days if shown[name]}


def _result(shown: dict[str, Any]) -> dict[str, Any]:
    said = shown["batch_result"]
    if "error" in said:
        return {"batch_request_id": shown["batch_request_id"], "error": said["error"]}
    completion = said["response"]["chat_get_completion"]
    response = {"completion_response": _completion(completion)}
    return {"batch_request_id": shown["batch_request_id"], "response": response}


def _completion(body: Mapping[str, Any]) -> dict[str, Any]:
    usage = {name: body["usage"][name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    outputs = [
        {
            "index": choice["index"],
            "finish_reason": _REASONS[choice["finish_reason"]],
            "message": {"role": "ROLE_ASSISTANT", "content": choice["message"]["content"]},
        }
        for choice in body["choices"]
    ]
    shown = {"id": body["id"], "model": body["model"], "outputs": outputs, "usage": usage}
    _read(shown, chat_pb2.GetChatCompletionResponse())
    return shown
