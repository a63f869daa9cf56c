"""The world of one test: a project in the emulators, the functions as functions-framework serves them, and a provider.

Nothing of ours is replaced. The functions read their settings from the environment, speak to Google's emulators
and to the OpenAI-compatible server over the network, and are called with CloudEvents over HTTP. Only their
clock can be moved.
"""

import asyncio
import base64
import functools
import json
import os
import secrets
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import httpx
import pytest
from functions_framework.aio import create_asgi_app
from google.cloud.firestore import SERVER_TIMESTAMP, AsyncClient

from local.anthropic_server import AnthropicServer
from local.gemini_server import GeminiServer
from local.groq_server import GroqServer
from local.openai_server import OpenAIServer
from local.openai_server.webhooks import new_secret
from local.tokens import unsigned_token
from local.xai_server import XaiServer
from nightshift import settings
from nightshift.runtime import Runtime
from tests.support.patience import PATIENCE_SECONDS

SOURCE = Path(__file__).parents[2] / "functions" / "main.py"
API_KEY = "test-key"
MODEL = "gpt-5-mini"
# Every HTTP client reads all the certificates of the world when it is built; nothing here speaks TLS.
_certificates_read_once = functools.cache(ssl.create_default_context)
INGEST_TOPIC = "nightshift-ingest"
# Objects up to this size stay in Cloud Storage when a test is over.
_SMALL_BYTES = 100_000
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cfc0000003010100c9fe92ef"
    "0000000049454e44ae426082"
)


# The providers, each with its server and a model of its own.
SERVERS: Mapping[str, tuple[type[Any], str]] = {
    "openai": (OpenAIServer, MODEL),
    "anthropic": (AnthropicServer, "claude-haiku-4-5"),
    "gemini": (GeminiServer, "gemini-2.5-flash"),
    "groq": (GroqServer, "openai/gpt-oss-20b"),
    "xai": (XaiServer, "grok-4.3"),
}


def access(provider: str, base_url: str) -> dict[str, str]:
    """The variables that open a provider's server."""
    return {f"{provider.upper()}_API_KEY": API_KEY, f"{provider.upper()}_BASE_URL": base_url}


@functools.lru_cache(maxsize=1)
def _settings(_environment: frozenset[tuple[str, str]]) -> settings.Settings:
    """The settings of an environment: a journey asks for them at each of its steps, and loading them takes long."""
    return settings.load()


class World:
    """Everything that a test touches."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, provider: str = "openai") -> None:
        """A world whose model is this provider's."""
        self.project = f"test-{secrets.token_hex(6)}"
        server, self._model = SERVERS[provider]
        self._provider_name = provider
        self.provider = server(api_key=API_KEY, now=lambda: self.now().timestamp())
        self.base_url = ""
        self.firestore: AsyncClient
        self._buckets = (f"{self.project}-nightshift", f"{self.project}.firebasestorage.app")
        self._storage = ""
        self._topics: set[str] = set()
        self._opening_pubsub = asyncio.Lock()
        self._http: httpx.AsyncClient
        self._env = monkeypatch
        self._functions: dict[str, httpx.AsyncClient] = {}
        self._runtimes: list[Any] = []
        self._clock_offset = timedelta()
        self._bounds: dict[str, Any] = {}
        self._parts = AsyncExitStack()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["World"]:
        """The world, from its first process to its last connection."""
        with patch.object(ssl, "create_default_context", _certificates_read_once):
            async with self._parts:
                await self._begin()
                try:
                    yield self
                finally:
                    await self._end()

    async def _begin(self) -> None:
        self._storage = os.environ["STORAGE_EMULATOR_HOST"]
        self._http = await self._parts.enter_async_context(httpx.AsyncClient(timeout=PATIENCE_SECONDS))
        self.base_url = await self._parts.enter_async_context(self.provider.serve())
        for name in [name for name in os.environ if name.startswith("NIGHTSHIFT_")]:
            self._env.delenv(name)
        if self._provider_name != "openai":
            self.set_env(NIGHTSHIFT_MODEL=f"{self._provider_name}:{self._model}")
        self.set_env(
            GOOGLE_CLOUD_PROJECT=self.project,
            **access(self._provider_name, self.base_url),
            OPENAI_WEBHOOK_SECRET=getattr(self.provider, "webhook_secret", new_secret()),
            FIREBASE_AUTH_EMULATOR_HOST="127.0.0.1:1",
            NIGHTSHIFT_COALESCE_SECONDS="0",
            # A test need not wait an hour for a deadline to be near.
            NIGHTSHIFT_MIN_DEADLINE_SECONDS="0",
        )
        self.firestore = AsyncClient(project=self.project)
        await self._create_buckets()

    async def _end(self) -> None:
        for runtime in self._runtimes:
            if "firestore" in vars(runtime):
                runtime.firestore.close()
            if "publisher" in vars(runtime):
                await runtime.publisher.transport.close()
            for provider in runtime.providers.opened.values():
                await provider._client.close()
        await self._delete_large_objects()
        self.firestore.close()

    def set_env(self, **variables: str) -> None:
        """Set variables for the functions that start from now on; those that run are stopped."""
        for name, setting in variables.items():
            self._env.setenv(name, setting)
        self._functions.clear()

    def bound(self, **bounds: float | tuple[float, ...]) -> None:
        """Bound the work of the instances that start from now on; those that run are stopped."""
        self._bounds |= bounds
        self._functions.clear()

    def operators_runtime(self, **changes: Any) -> Runtime:
        """Settings (some changed) and clients as an operator's command has them, with the functions' clock."""
        loaded = _settings(frozenset(os.environ.items()))
        runtime = Runtime(loaded.model_copy(update={"target": None, **changes}), now=self.now)
        # The world's own connection: a new one takes longer than what it is asked.
        runtime.firestore = self.firestore
        self._keep(runtime)
        return runtime

    def _keep(self, runtime: Runtime) -> None:
        runtime.instance.bounds = replace(runtime.instance.bounds, **self._bounds)
        self._runtimes.append(runtime)

    # Calls from outside

    async def call(self, target: str, method: str = "POST", path: str = "/", **request: Any) -> httpx.Response:
        """Call a function; it is started by functions-framework when it is first called."""
        if target not in self._functions:
            app = create_asgi_app(target, str(SOURCE))
            runtime = sys.modules["main"].runtime
            runtime.now = self.now
            self._keep(runtime)
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url="http://functions", timeout=PATIENCE_SECONDS)
            self._functions[target] = await self._parts.enter_async_context(client)
        return await self._functions[target].request(method, path, **request)

    async def trigger(self, job_id: str) -> int:
        """Deliver the event of a job's creation; returns the function's status code."""
        return await self.event(
            "on_ai_job_created", "google.cloud.firestore.document.v1.created", {"ce-document": f"ai_jobs/{job_id}"}
        )

    async def tick(self) -> int:
        """Deliver a tick; returns the function's status code."""
        message = {"message": {"data": "e30=", "attributes": {}}, "subscription": "tick"}
        return await self.event("process_batch_jobs", "google.cloud.pubsub.topic.v1.messagePublished", {}, message)

    async def sweep(self) -> int:
        """Deliver a sweep; returns the function's status code."""
        message = {"message": {"data": "e30=", "attributes": {}}, "subscription": "instant"}
        return await self.event("answer_instant_jobs", "google.cloud.pubsub.topic.v1.messagePublished", {}, message)

    async def calls_for_workers(self, topic: str = INGEST_TOPIC) -> list[dict[str, Any]]:
        """The messages published on a topic since the last time, as Pub/Sub would push them."""
        messages = await self._pull(topic)
        if messages:
            await self._acknowledge(topic, *(message["ackId"] for message in messages))
        return [message["message"] for message in messages]

    async def deliver_calls(self) -> list[int]:
        """Push each waiting call to a worker once, and those that its work brings; a refused one waits on.

        Returns the worker's status codes.
        """
        statuses: list[int] = []
        refused: list[str] = []
        while pulled := await self._pull(INGEST_TOPIC):
            for received in pulled:
                statuses.append(await self.work(received["message"]))
                if statuses[-1] == 200:
                    await self._acknowledge(INGEST_TOPIC, received["ackId"])
                else:
                    refused.append(received["ackId"])
        if refused:
            at_once = {"ackIds": refused, "ackDeadlineSeconds": 0}
            await self._pubsub("POST", f"subscriptions/{INGEST_TOPIC}:modifyAckDeadline", at_once)
        return statuses

    async def work(self, message: dict[str, Any]) -> int:
        """Deliver a call for a worker; returns the function's status code."""
        body = {"message": message, "subscription": INGEST_TOPIC}
        return await self.event("ingest_batch_results", "google.cloud.pubsub.topic.v1.messagePublished", {}, body)

    async def webhook(self, remote_id: str, kind: str = "batch.completed", **forged: Any) -> httpx.Response:
        """Deliver the provider's event about a batch, and then the calls for workers; returns the webhook's answer."""
        await self.open_pubsub()
        answer = await self.announce(remote_id, kind, **forged)
        await self.deliver_calls()
        return answer

    async def announce(self, remote_id: str, kind: str = "batch.completed", **forged: Any) -> httpx.Response:
        """Deliver the provider's event about a batch, true or not; `forged` is what `OpenAIServer.webhook` takes.

        The call for a worker that it publishes waits.
        """
        headers, body = self.provider.webhook(remote_id, kind, **forged)
        return await self.call("openai_webhook", headers=headers, content=body)

    async def event(self, target: str, kind: str, attributes: dict[str, str], body: Any = None) -> int:
        """Deliver a CloudEvent in binary mode."""
        headers = {"ce-id": secrets.token_hex(8), "ce-source": "//test", "ce-specversion": "1.0", "ce-type": kind}
        answer = await self.call(target, headers=headers | attributes, json=body or {})
        return answer.status_code

    async def stats(self, params: dict[str, str] | None = None, **claims: Any) -> httpx.Response:
        """Ask for the statistics with an ID token of these claims."""
        token = unsigned_token(self.project, "alice", **claims)
        headers = {"Authorization": f"Bearer {token}"}
        return await self.call("get_batch_stats", "GET", headers=headers, params=params)

    async def api(
        self,
        method: str,
        path: str,
        uid: str | None = "alice",
        *,
        admin: bool = False,
        claims: Mapping[str, Any] | None = None,
        **request: Any,
    ) -> httpx.Response:
        """Call the API below /v1 with an ID token of this user and these claims; without a user, as a stranger."""
        headers = dict(request.pop("headers", {}))
        if uid is not None:
            # By the functions' clock, which a test may have moved.
            expires_at = int(self.now().timestamp()) + 3600
            held = {**({"admin": True} if admin else {}), "exp": expires_at, **(claims or {})}
            headers.setdefault("Authorization", f"Bearer {unsigned_token(self.project, uid, **held)}")
        return await self.call("api", method, f"/v1{path}", headers=headers, **request)

    async def write_bulk(self, uid: str = "alice", bulk_id: str | None = None, **fields: Any) -> str:
        """Write a bulk job as the app does, without its trigger; returns its id. A field set to None is left out."""
        bulk_id = bulk_id or f"bulk{secrets.token_hex(6)}"
        bulk = {
            "userId": uid,
            "type": "waste_classification",
            "status": "created",
            "createdAt": SERVER_TIMESTAMP,
        } | fields
        document = {name: content for name, content in bulk.items() if content is not None}
        await self.firestore.collection("bulk_jobs").document(bulk_id).set(document)
        return bulk_id

    async def start_bulk(self, uid: str = "alice", bulk_id: str | None = None, **fields: Any) -> str:
        """Write a bulk job and deliver its event once; returns its id."""
        bulk_id = await self.write_bulk(uid, bulk_id, **fields)
        assert await self.trigger_bulk(bulk_id) == 200
        return bulk_id

    async def trigger_bulk(self, bulk_id: str) -> int:
        """Deliver the event of a bulk job's creation; returns the function's status code."""
        kind, attributes = "google.cloud.firestore.document.v1.created", {"ce-document": f"bulk_jobs/{bulk_id}"}
        return await self.event("on_bulk_job_created", kind, attributes)

    async def work_bulk(self, bulk_id: str, part: int | None = None) -> int:
        """Deliver a call for a worker of a bulk job; returns the function's status code."""
        call = {"bulkId": bulk_id} | ({} if part is None else {"part": part})
        data = base64.b64encode(json.dumps(call).encode()).decode()
        return await self.work_bulk_call({"data": data, "attributes": {}})

    async def work_bulk_call(self, message: dict[str, Any]) -> int:
        """Deliver a call for a worker of a bulk job as it was published; returns the function's status code."""
        message = {"message": message, "subscription": "bulk"}
        return await self.event("answer_bulk_part", "google.cloud.pubsub.topic.v1.messagePublished", {}, message)

    async def bulk(self, bulk_id: str) -> dict[str, Any]:
        """A bulk job's fields."""
        return await self.read(f"bulk_jobs/{bulk_id}")

    async def parts(self, bulk_id: str) -> list[dict[str, Any]]:
        """A bulk job's parts, in their order."""
        every = await self.documents(f"bulk_jobs/{bulk_id}/parts")
        return sorted(every.values(), key=lambda part: part["part"])

    # The clock

    def now(self) -> datetime:
        """The functions' time, and the provider's."""
        return datetime.now(UTC) + self._clock_offset

    def pass_time(self, **duration: float) -> None:
        """Move the clock of the functions and the provider forward."""
        self._clock_offset += timedelta(**duration)

    # What users do

    async def give(self, uid: str, tokens: int) -> None:
        """Open a wallet with tokens in it."""
        wallet = self.firestore.collection("wallets").document(uid)
        entry = {"amount": tokens, "kind": "grant", "createdAt": SERVER_TIMESTAMP}
        await wallet.collection("ledger").document("welcome").set(entry)
        fields = {"balance": tokens, "totalEarned": tokens, "totalSpent": 0, "updatedAt": SERVER_TIMESTAMP}
        await wallet.set(fields)

    async def upload(self, uid: str, name: str = "photo.png", content: bytes = PNG) -> str:
        """Upload an image into the user's folder; returns its imageUri."""
        bucket, path = f"{self.project}.firebasestorage.app", f"users/{uid}/{name}"
        answer = await self._http.post(
            f"{self._storage}/upload/storage/v1/b/{bucket}/o",
            params={"uploadType": "media", "name": path},
            content=content,
            headers={"Content-Type": "image/png"},
        )
        answer.raise_for_status()
        return f"gs://{bucket}/{path}"

    async def write(self, uid: str = "alice", job_id: str | None = None, **fields: Any) -> str:
        """Write a job as the app does, without its trigger; returns its id. A field set to None is left out."""
        job_id = job_id or f"job{secrets.token_hex(8)}"
        job = {
            "userId": uid,
            "type": "waste_classification",
            "speed": "batch",
            "input": {"text": "an empty glass bottle"},
            "status": "created",
            "createdAt": SERVER_TIMESTAMP,
        } | fields
        document = {name: content for name, content in job.items() if content is not None}
        await self.firestore.collection("ai_jobs").document(job_id).set(document)
        return job_id

    async def submit(self, uid: str = "alice", job_id: str | None = None, **fields: Any) -> str:
        """Write a job and deliver its event once; returns its id."""
        job_id = await self.write(uid, job_id, **fields)
        assert await self.trigger(job_id) == 200
        return job_id

    async def finish(self, ticks: int = 10) -> None:
        """Let the provider and the ticks work until nothing is under way."""
        for _ in range(ticks):
            await self.provider.settled()
            assert await self.tick() == 200
            if not await self.jobs("created", "queued", "processing") and not await self.open_batches():
                return
        raise AssertionError(f"still under way after {ticks} ticks")

    async def delete_upload(self, uri: str) -> None:
        """Delete an uploaded image."""
        bucket, _, path = uri.removeprefix("gs://").partition("/")
        address = f"{self._storage}/storage/v1/b/{bucket}/o/{quote(path, safe='')}"
        (await self._http.delete(address)).raise_for_status()

    async def cancel_at_provider(self, remote_id: str) -> None:
        """Cancel a batch as a person does in the provider's console."""
        address = f"{self.base_url}/batches/{remote_id}/cancel"
        (await self._http.post(address, headers={"Authorization": f"Bearer {API_KEY}"})).raise_for_status()

    async def open_pubsub(self, *topics: str) -> None:
        """Create topics of calls for workers, those that are not there; without its topic no worker can be called."""
        async with self._opening_pubsub:
            for topic in topics or (INGEST_TOPIC,):
                if topic not in self._topics:
                    await self._pubsub("PUT", f"topics/{topic}", {})
                    named = f"projects/{self.project}/topics/{topic}"
                    await self._pubsub("PUT", f"subscriptions/{topic}", {"topic": named})
                    self._topics.add(topic)

    async def close_pubsub(self) -> None:
        """Delete the topic of the calls for workers."""
        await self._pubsub("DELETE", f"topics/{INGEST_TOPIC}", {})

    # What is there

    async def read(self, path: str) -> dict[str, Any]:
        """A document's fields; empty if it does not exist."""
        return (await self.firestore.document(path).get()).to_dict() or {}

    async def job(self, job_id: str) -> dict[str, Any]:
        """A job's fields."""
        return await self.read(f"ai_jobs/{job_id}")

    async def jobs(self, *statuses: str) -> dict[str, dict[str, Any]]:
        """The jobs in these statuses, or all of them, by id."""
        every = await self.documents("ai_jobs")
        return {job_id: job for job_id, job in every.items() if not statuses or job["status"] in statuses}

    async def documents(self, collection: str) -> dict[str, dict[str, Any]]:
        """A collection's documents by id."""
        return {
            snapshot.id: snapshot.to_dict() or {} async for snapshot in self.firestore.collection(collection).stream()
        }

    async def batches(self) -> list[dict[str, Any]]:
        """The batches, the oldest first, with their ids."""
        every = await self.documents("ai_batches")
        return sorted(({"id": key, **batch} for key, batch in every.items()), key=lambda batch: batch["createdAt"])

    async def open_batches(self) -> list[dict[str, Any]]:
        """The batches that are not closed."""
        closed = {"completed", "failed", "expired", "cancelled"}
        return [batch for batch in await self.batches() if batch["status"] not in closed]

    async def artifact(self, batch_id: str, name: str) -> bytes:
        """A batch's file in Cloud Storage."""
        path = f"batches%2F{batch_id}%2F{name}"
        answer = await self._http.get(f"{self._storage}/download/storage/v1/b/{self.project}-nightshift/o/{path}")
        answer.raise_for_status()
        return answer.content

    async def result(self, bulk_id: str, name: str) -> bytes:
        """A bulk job's file in Cloud Storage."""
        path = quote(f"bulk/{bulk_id}/{name}", safe="")
        answer = await self._http.get(f"{self._storage}/download/storage/v1/b/{self.project}-nightshift/o/{path}")
        answer.raise_for_status()
        return answer.content

    async def write_artifact(self, batch_id: str, name: str, content: bytes) -> None:
        """Write a batch's file in Cloud Storage."""
        answer = await self._http.post(
            f"{self._storage}/upload/storage/v1/b/{self.project}-nightshift/o",
            params={"uploadType": "media", "name": f"batches/{batch_id}/{name}"},
            content=content,
        )
        answer.raise_for_status()

    async def _pull(self, topic: str) -> list[dict[str, Any]]:
        """The waiting calls for workers, each with the id by which it is acknowledged."""
        path = f"subscriptions/{topic}:pull"
        pulled = (await self._pubsub("POST", path, {"maxMessages": 1000, "returnImmediately": True})).json()
        received: list[dict[str, Any]] = pulled.get("receivedMessages", [])
        return received

    async def _acknowledge(self, topic: str, *ack_ids: str) -> None:
        await self._pubsub("POST", f"subscriptions/{topic}:acknowledge", {"ackIds": ack_ids})

    async def _pubsub(self, method: str, path: str, body: dict[str, Any]) -> httpx.Response:
        address = f"http://{os.environ['PUBSUB_EMULATOR_HOST']}/v1/projects/{self.project}/{path}"
        answer = await self._http.request(method, address, json=body)
        return answer.raise_for_status()

    async def _delete_large_objects(self) -> None:
        """What stays in the storage emulator costs its memory alone; to delete small objects, too, takes longer."""
        for bucket in self._buckets:
            url = f"{self._storage}/storage/v1/b/{bucket}"
            stored = (await self._http.get(f"{url}/o")).json().get("items", [])
            if large := [each["name"] for each in stored if int(each["size"]) > _SMALL_BYTES]:
                # What is deleted softly stays in memory.
                await self._http.patch(url, json={"softDeletePolicy": {"retentionDurationSeconds": 0}})
                for name in large:
                    await self._http.delete(f"{url}/o/{quote(name, safe='')}")

    async def _create_buckets(self) -> None:
        for bucket in self._buckets:
            answer = await self._http.post(
                f"{self._storage}/storage/v1/b",
                params={"project": self.project},
                json={"name": bucket},
            )
            answer.raise_for_status()
