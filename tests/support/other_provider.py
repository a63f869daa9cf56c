"""An OpenAI-compatible server that shares nothing with ours, and is as sloppy as many are.

It states no file sizes, knows no ranges, lists batches the oldest first and ignores the cursor, gives no usage
and no error file, leaves `error` out of its lines, and answers them in reverse.
"""

import json
import time
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


class OtherProvider:
    """Files and batches in two dictionaries."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[str, bytes]] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self._made = 0
        self.app = Starlette(
            routes=[
                Route("/v1/files", self._upload, methods=["POST"]),
                Route("/v1/files", self._list_files, methods=["GET"]),
                Route("/v1/files/{id}", self._file, methods=["GET", "DELETE"]),
                Route("/v1/files/{id}/content", self._content, methods=["GET"]),
                Route("/v1/batches", self._create, methods=["POST"]),
                Route("/v1/batches", self._list_batches, methods=["GET"]),
                Route("/v1/batches/{id}", self._batch, methods=["GET"]),
                Route("/v1/chat/completions", self._complete, methods=["POST"]),
            ]
        )

    def _id(self, kind: str) -> str:
        self._made += 1
        return f"{kind}-{self._made}"

    async def _upload(self, request: Request) -> Response:
        async with request.form() as form:
            upload = form["file"]
            assert not isinstance(upload, str)
            file_id = self._id("file")
            self.files[file_id] = (upload.filename or "", await upload.read())
        return JSONResponse(self._described(file_id))

    def _described(self, file_id: str) -> dict[str, Any]:
        return {"id": file_id, "object": "file", "filename": self.files[file_id][0], "purpose": "batch"}

    async def _list_files(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [self._described(file_id) for file_id in self.files]})

    async def _file(self, request: Request) -> Response:
        file_id = request.path_params["id"]
        if file_id not in self.files:
            return Response("no such file", 404)
        described = self._described(file_id)
        if request.method == "DELETE":
            del self.files[file_id]
        return JSONResponse(described)

    async def _content(self, request: Request) -> Response:
        return StreamingResponse(iter([self.files[request.path_params["id"]][1]]))

    async def _create(self, request: Request) -> Response:
        wanted = await request.json()
        batch_id = self._id("batch")
        self.batches[batch_id] = {
            "id": batch_id,
            "object": "batch",
            "status": "in_progress",
            "created_at": int(time.time()),
            **wanted,
        }
        return JSONResponse(self.batches[batch_id])

    async def _list_batches(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": list(self.batches.values()), "has_more": False})

    async def _batch(self, request: Request) -> Response:
        batch = self.batches.get(request.path_params["id"])
        return JSONResponse(batch) if batch else Response("no such batch", 404)

    async def _complete(self, _: Request) -> Response:
        return JSONResponse(_completion())

    def finish(self) -> None:
        """Answer every batch."""
        for batch in self.batches.values():
            if batch["status"] == "in_progress":
                lines = self.files[batch["input_file_id"]][1].splitlines()
                output_id = self._id("file")
                self.files[output_id] = ("out.jsonl", b"\n".join(_answer(line) for line in reversed(lines)))
                batch.update(status="completed", output_file_id=output_id, completed_at=int(time.time()))


def _answer(line: bytes) -> bytes:
    response = {"status_code": 200, "body": _completion()}
    return json.dumps({"custom_id": json.loads(line)["custom_id"], "response": response}).encode()


def _completion() -> dict[str, Any]:
    content = {
        "itemName": "bottle",
        "category": "dry",
        "material": "glass",
        "confidence": 1,
        "disposalInstructions": "Rinse it.",
        "environmentalImpact": "Little.",
        "tips": [],
        "explanation": "Glass is dry waste.",
    }
    return {"choices": [{"message": {"role": "assistant", "content": json.dumps(content)}}]}
