"""The rig of the server's tests: a server on a socket, the official SDK as its client, and a check of every answer.

Every JSON answer that the SDK receives is validated against the published OpenAPI document (an extract of it lies
beside this file) before the test sees it. Refusals are validated against the error shape, which that document does not
describe.
"""

import json
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
import httpx2
import jsonschema
import pytest
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from openai.types import Batch

from local.openai_server import OpenAIServer
from tests.support.patience import PATIENCE_SECONDS

API = json.loads((Path(__file__).parent / "openai-batch-openapi.json").read_text())
KEY = "test-key"
# Made once: loading the certificates takes longer than most tests.
TLS = ssl.create_default_context()
CHAT: Literal["/v1/chat/completions"] = "/v1/chat/completions"
ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "additionalProperties": False,
            "properties": {
                "message": {"type": "string", "minLength": 1},
                "type": {"type": "string", "minLength": 1},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}


def check_schema(name: str, instance: Any) -> None:
    """Raise jsonschema.ValidationError unless `instance` is what the published schema `name` describes."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": API["components"]}
    jsonschema.Draft202012Validator(schema).validate(instance)


def check_answer(method: str, path: str, status: int, answer: Any) -> None:
    """Raise unless the answer is what the published document says of this operation."""
    if status >= 400:
        jsonschema.Draft202012Validator(ERROR_SCHEMA).validate(answer)
        return
    for template, operations in API["paths"].items():
        if re.fullmatch("/v1" + re.sub(r"{\w+}", "[^/]+", template), path):
            answers = operations[method.lower()]["responses"]["200"]["content"]["application/json"]
            check_schema(answers["schema"]["$ref"].rpartition("/")[2], answer)
            return
    raise AssertionError(f"{method} {path} is not in the published document")


async def check_response(response: httpx2.Response) -> None:
    """The SDK's hook: checks everything but downloads."""
    path = response.request.url.path
    if path.endswith("/content") and response.status_code < 400:
        return
    await response.aread()
    check_answer(response.request.method, path, response.status_code, response.json())


def request_line(custom_id: str, text: str = "What is this?", **body: Any) -> dict[str, Any]:
    """One line of a batch input."""
    chat = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": text}], **body}
    return {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": chat}


def jsonl(*requests: Any) -> bytes:
    """A file with one JSON value on each line; bytes are a line as they are."""
    return b"".join(
        (request if isinstance(request, bytes) else json.dumps(request).encode()) + b"\n" for request in requests
    )


@dataclass
class Rig:
    """A running server and its clients; `raw` is for what the SDK cannot send wrong."""

    server: OpenAIServer
    client: AsyncOpenAI
    raw: httpx.AsyncClient
    base_url: str

    async def upload(self, content: bytes, filename: str = "input.jsonl") -> str:
        """Upload a batch input and return its id."""
        return (await self.client.files.create(file=(filename, content), purpose="batch")).id

    async def submit(self, *requests: Any, **arguments: Any) -> Batch:
        """Upload an input of these lines and create its batch."""
        input_file_id = await self.upload(jsonl(*requests))
        return await self.client.batches.create(
            input_file_id=input_file_id, endpoint=CHAT, completion_window="24h", **arguments
        )

    async def settle(self, batch: Batch) -> Batch:
        """Wait until nothing moves on its own, and read the batch again."""
        await self.server.settled()
        return await self.client.batches.retrieve(batch.id)

    async def run(self, *requests: Any, **arguments: Any) -> Batch:
        """Submit and settle."""
        return await self.settle(await self.submit(*requests, **arguments))

    async def lines(self, file_id: str | None) -> list[dict[str, Any]]:
        """The JSON lines of a file, in their order."""
        assert file_id
        content = (await self.client.files.content(file_id)).content
        return [json.loads(line) for line in content.split(b"\n")[:-1]]

    async def control(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Use the control endpoint."""
        return await self.raw.request(method, self.base_url.removesuffix("/v1") + "/control" + path, json=body)


@asynccontextmanager
async def rig(server: OpenAIServer | None = None) -> AsyncIterator[Rig]:
    """Serve on a free port, with a checking client that does not retry."""
    server = server or OpenAIServer(api_key=KEY)
    hooks = {"response": [check_response]}
    async with (
        server.serve() as base_url,
        AsyncOpenAI(
            api_key=KEY,
            base_url=base_url,
            max_retries=0,
            http_client=DefaultAsyncHttpxClient(event_hooks=hooks, verify=TLS),
        ) as client,
        httpx.AsyncClient(
            base_url=base_url, headers={"authorization": f"Bearer {KEY}"}, verify=TLS, timeout=PATIENCE_SECONDS
        ) as raw,
    ):
        yield Rig(server, client, raw, base_url)


def test_the_check_refuses_an_answer_that_breaks_the_published_schema() -> None:
    """A batch without its status, or with a null where a string belongs, does not pass the rig's check."""
    batch = {
        "id": "batch_1",
        "object": "batch",
        "endpoint": CHAT,
        "input_file_id": "file-1",
        "completion_window": "24h",
        "status": "validating",
        "created_at": 1,
    }
    check_answer("GET", "/v1/batches/batch_1", 200, batch)
    with pytest.raises(jsonschema.ValidationError):
        check_answer("GET", "/v1/batches/batch_1", 200, {**batch, "status": "sleeping"})
    with pytest.raises(jsonschema.ValidationError):
        check_answer("GET", "/v1/batches/batch_1", 200, {**batch, "output_file_id": None})
    with pytest.raises(jsonschema.ValidationError):
        check_answer("GET", "/v1/batches/batch_1", 404, {"detail": "not found"})


def test_the_check_refuses_an_operation_that_is_not_published() -> None:
    """An answer from a path that the document does not have fails the test that caused it."""
    with pytest.raises(AssertionError):
        check_answer("GET", "/v1/models", 200, {})
