"""What xAI says in its own way: https://docs.x.ai/docs/guides/batch-api.

A batch has counters and no status; its results are read from the batch itself, page by page; it is stopped by
`POST /v1/batches/{id}:cancel`. Times of batches are bare dates.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp

from local.openai_server.dialect import Dialect, Inner
from local.provider_server.arguments import refuse_unknown, require_string
from local.provider_server.batches import Batch
from local.provider_server.errors import ApiError, JsonObject
from local.provider_server.files import StoredFile
from local.provider_server.paging import read_limit

_BATCHES = "/v1/batches"
_FILES = "/v1/files"
_CANCEL = ":cancel"
_RESULTS = "/results"
_LIVES = timedelta(days=30)
_MOST = 1_000


class XaiDialect(Dialect):
    """xAI's batches, and its listing of files."""

    def __init__(self, app: ASGIApp, batches: Mapping[str, Batch], files: Mapping[str, StoredFile]) -> None:
        super().__init__(app)
        self._batches = batches
        self._files = files

    async def answer(self, request: Request, inner: Inner) -> JsonObject | None:
        path, method = request.scope["path"], request.method
        if path == _FILES and method == "GET":
            # The files that results are read from are the server's own.
            return _page(await inner.ask("GET", path, _query(request) | {"purpose": "batch"}), "data")
        if not path.startswith(_BATCHES):
            return None
        if path == _BATCHES:
            return await self._create(request, inner) if method == "POST" else await self._list(request, inner)
        if path.endswith(_CANCEL) and method == "POST":
            return self._shown(await inner.ask("POST", f"{path.removesuffix(_CANCEL)}/cancel"))
        if path.endswith(_RESULTS) and method == "GET":
            shown = await inner.ask("GET", path.removesuffix(_RESULTS))
            return self._results(request, shown)
        if method != "GET" or "/" in path.removeprefix(f"{_BATCHES}/"):
            raise ApiError(404, "Not found")
        return self._shown(await inner.ask(method, path))

    async def _create(self, request: Request, inner: Inner) -> JsonObject:
        wanted = await request.json()
        refuse_unknown(wanted, ("name", "input_file_id"))
        asked = {
            "input_file_id": require_string(wanted, "input_file_id"),
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
            "metadata": {"name": require_string(wanted, "name")},
        }
        return self._shown(await inner.ask("POST", _BATCHES, body=asked))

    async def _list(self, request: Request, inner: Inner) -> JsonObject:
        listed = await inner.ask("GET", _BATCHES, _query(request))
        page = _page(listed, "batches")
        return page | {"batches": [self._shown(batch) for batch in listed["data"]]}

    def _shown(self, shown: JsonObject) -> JsonObject:
        """A batch in xAI's form; `shown` is what one read of it says in OpenAI's."""
        counts, status = shown["request_counts"], shown["status"]
        created_at = datetime.fromtimestamp(shown["created_at"], UTC)
        done, failed = counts["completed"], counts["failed"]
        open_still = counts["total"] - done - failed
        is_over = status in {"completed", "cancelled"}
        batch = {
            "batch_id": shown["id"],
            "name": (shown["metadata"] or {}).get("name", ""),
            "create_time": _date(created_at),
            "expire_time": _date(created_at + (-timedelta(days=1) if status == "expired" else _LIVES)),
            "create_api_key_id": "local",
            "cancel_time": None,
            "cancel_by_xai_message": None,
            "input_file_id": shown["input_file_id"],
            "state": {
                "num_requests": counts["total"],
                "num_pending": 0 if is_over else open_still,
                "num_success": done,
                "num_error": failed,
                "num_cancelled": open_still if status == "cancelled" else 0,
            },
        }
        if status in {"cancelling", "cancelled"}:
            batch["cancel_time"] = _date(datetime.fromtimestamp(shown["cancelling_at"], UTC))
        if status == "failed":
            # All counters stay 0, as if nothing had begun.
            error = (shown.get("errors") or {"data": [{"message": "The batch failed."}]})["data"][0]
            batch |= {"cancel_time": batch["create_time"], "cancel_by_xai_message": error["message"]}
            batch["state"] = dict.fromkeys(batch["state"], 0)
        return batch

    def _results(self, request: Request, shown: JsonObject) -> JsonObject:
        limit, after = read_limit(request, 100, _MOST), request.query_params.get("pagination_token")
        start = int(after) if after else 0
        results = list(self._lines(shown))
        more = {"pagination_token": str(start + limit)} if len(results) > start + limit else {}
        return {"results": results[start : start + limit], **more}

    def _lines(self, shown: JsonObject) -> Iterator[JsonObject]:
        for file_id in (shown.get("output_file_id"), shown.get("error_file_id")):
            stored = self._files.get(file_id or "")
            for line in stored.path.read_bytes().splitlines() if stored else ():
                yield _result(json.loads(line))


def check_model(body: JsonObject) -> None:
    """Raise ApiError (400) for a model that xAI does not have."""
    if not str(body["model"]).startswith("grok-"):
        raise ApiError(400, f"The model {body['model']} does not exist or your team has no access to it.")


def _result(line: JsonObject) -> JsonObject:
    response, error = line.get("response"), line.get("error")
    if response and response["status_code"] == 200:
        said: JsonObject = {"response": {"chat_get_completion": response["body"]}}
    elif response:
        told = response["body"].get("error", {})
        said = {"error": {"code": response["status_code"], "message": told.get("message", "")}}
    else:
        # Of a request that was never answered.
        said = {"error": {"code": 1, "message": (error or {}).get("message", "")}}
    return {"batch_request_id": line["custom_id"], "batch_result": said}


def _query(request: Request) -> dict[str, Any]:
    token = request.query_params.get("pagination_token")
    return {"limit": read_limit(request, 20, 100)} | ({"after": token} if token else {})


def _page(listed: JsonObject, name: str) -> JsonObject:
    more = {"pagination_token": listed["last_id"]} if listed.get("has_more") else {}
    return {name: listed["data"], **more}


def _date(moment: datetime) -> str:
    return moment.date().isoformat()
