"""What Groq says in its own way: https://console.groq.com/docs/batch.

Its listing of batches goes on by `cursor` and `paging.next_cursor`, and knows no `after`. A batch's `errors` are an
array, which stands on a batch that has completed, too.
"""

from starlette.requests import Request

from local.openai_server.dialect import Dialect, Inner
from local.provider_server.errors import ApiError, JsonObject

STRICT_MODELS = frozenset({"openai/gpt-oss-20b", "openai/gpt-oss-120b"})
_BATCHES = "/v1/batches"
_PAGE = 20


class GroqDialect(Dialect):
    """Groq's batches."""

    async def answer(self, request: Request, inner: Inner) -> JsonObject | None:
        path = request.scope["path"]
        if not path.startswith(_BATCHES):
            return None
        if path == _BATCHES and request.method == "GET":
            cursor = request.query_params.get("cursor")
            query = {"limit": _PAGE} | ({"after": cursor} if cursor else {})
            listed = await inner.ask("GET", path, query)
            batches = [_shown(batch) for batch in listed["data"]]
            paging = {"next_cursor": listed["last_id"]} if listed["has_more"] else {}
            return {"object": "list", "data": batches, "paging": paging}
        body = await request.json() if request.method == "POST" and await request.body() else None
        return _shown(await inner.ask(request.method, path, body=body))


def _shown(batch: JsonObject) -> JsonObject:
    return batch | {"errors": batch.get("errors", {}).get("data", [])}


def check_strictness(body: JsonObject) -> None:
    """Raise ApiError (400) for strict mode with a model that does not have it."""
    wanted = body.get("response_format") or {}
    is_strict = wanted.get("type") == "json_schema" and wanted["json_schema"].get("strict")
    if is_strict and body["model"] not in STRICT_MODELS:
        message = f"The model '{body['model']}' does not support response format json_schema with strict: true."
        raise ApiError(400, message, param="response_format")
