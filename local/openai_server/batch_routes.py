"""`/v1/batches`: create, retrieve, list and cancel."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from local.openai_server.api import CHAT, EMBEDDINGS
from local.openai_server.batch_object import shown
from local.provider_server.arguments import (
    check_expiry,
    check_metadata,
    refuse_unknown,
    require_choice,
    require_string,
)
from local.provider_server.batch_run import BatchRuns
from local.provider_server.batches import Batch, BatchStore
from local.provider_server.errors import ApiError, JsonObject
from local.provider_server.faults import Faults
from local.provider_server.files import FileStore
from local.provider_server.paging import page, read_limit
from local.provider_server.request_body import read_object

# The API also has /v1/responses and others.
ENDPOINTS = (CHAT, EMBEDDINGS)
ARGUMENTS = ("input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after")
DEFAULT_LIMIT = 20
MAX_LIMIT = 100


class BatchRoutes:
    """The batch endpoints of one server."""

    def __init__(self, batches: BatchStore, files: FileStore, runs: BatchRuns, faults: Faults) -> None:
        self._batches = batches
        self._files = files
        self._runs = runs
        self._faults = faults

    async def create(self, request: Request) -> Response:
        """Check the arguments, store the batch and let it run."""
        arguments = await read_object(request)
        refuse_unknown(arguments, ARGUMENTS)
        input_file_id = require_string(arguments, "input_file_id")
        endpoint = require_choice(arguments, "endpoint", ENDPOINTS)
        window = require_choice(arguments, "completion_window", ("24h",))
        metadata = check_metadata(arguments.get("metadata"))
        expires_after = check_expiry(arguments.get("output_expires_after"), "output_expires_after")
        input_file = self._files.get(input_file_id)
        if input_file.purpose != "batch":
            raise ApiError(
                400,
                f"Invalid file '{input_file_id}': its purpose is '{input_file.purpose}', expected 'batch'.",
                param="input_file_id",
                code="invalid_value",
            )
        batch = self._batches.create(
            input_file_id=input_file_id,
            endpoint=endpoint,
            completion_window=window,
            metadata=metadata,
            output_expires_after_seconds=expires_after,
            fault=self._faults.take_batch(),
        )
        self._runs.start(batch)
        return JSONResponse(_shown(batch))

    async def retrieve(self, request: Request) -> Response:
        """One batch."""
        return JSONResponse(_shown(self._batches.get(request.path_params["batch_id"])))

    async def listing(self, request: Request) -> Response:
        """Batches, newest first."""
        limit = read_limit(request, DEFAULT_LIMIT, MAX_LIMIT)
        found, has_more = page(self._batches.listing(), request.query_params.get("after"), limit)
        answer = {
            "object": "list",
            "data": [_shown(batch) for batch in found],
            "has_more": has_more,
        }
        if found:
            answer |= {"first_id": found[0].id, "last_id": found[-1].id}
        return JSONResponse(answer)

    async def cancel(self, request: Request) -> Response:
        """Cancel a batch that is not yet terminal: 409 if it is."""
        batch = self._batches.get(request.path_params["batch_id"])
        self._runs.cancel(batch)
        return JSONResponse(_shown(batch))


def _shown(batch: Batch) -> JsonObject:
    return shown(batch, batch.see())
