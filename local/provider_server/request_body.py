"""Reading a JSON object from a request."""

import json
from typing import Any

from starlette.requests import Request

from local.provider_server.errors import ApiError, JsonObject


async def read_json(request: Request) -> Any:
    """The JSON of the request's body; 400 if the body is not JSON."""
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError):
        raise ApiError(
            400, "We could not parse the JSON body of your request: the API expects a JSON payload."
        ) from None


async def read_object(request: Request) -> JsonObject:
    """The JSON object of the request's body; 400 if it is anything else."""
    parsed = await read_json(request)
    if not isinstance(parsed, dict):
        raise ApiError(400, "The request body must be a JSON object.", code="invalid_type")
    return parsed
