"""What the functions print: nothing that a client, a user or the provider wrote, and no key.

The functions run as functions-framework starts them, in processes of their own, and everything that they print is
searched for marked secrets. That they print what they should is checked too, so silence is no success.
"""

import asyncio
import base64
import json
import logging
import secrets
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from local.openai_server import BatchFault, Reply, ReplyRule, RequestFault
from local.part import ROOT, stop
from local.served_functions import ServedFunctions
from local.tokens import unsigned_token
from nightshift import log
from nightshift.entry import guarded
from nightshift.errors import TryLater
from nightshift.functions import FUNCTIONS
from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import clean_environment, deliver, function_environment
from tests.support.world import API_KEY, SOURCE, World

FIRESTORE_EVENT = "firestore.document.v1.created"
PUBSUB_EVENT = "pubsub.topic.v1.messagePublished"


@dataclass
class Secrets:
    """What must not be printed: each a word that stands nowhere else."""

    words: dict[str, str] = field(default_factory=dict)

    def __call__(self, name: str) -> str:
        """The secret of this name."""
        return self.words.setdefault(name, f"q{name}{secrets.token_hex(6)}")

    def found_in(self, printed: str) -> dict[str, str]:
        """The secrets that were printed, each with the line that gives it away."""
        return {
            name: line
            for name, word in self.words.items()
            for line in printed.splitlines()
            if word.lower() in line.lower()
        }


class Functions:
    """All functions, each in a process of its own, as the local stack serves them."""

    def __init__(self, client: httpx.AsyncClient, environment: dict[str, str], logs: Path) -> None:
        self.client = client
        self._served = ServedFunctions(FUNCTIONS, SOURCE, ("functions_framework",), lambda _: environment, logs)
        self.urls = self._served.urls

    async def start(self) -> None:
        """Start them, and wait until each answers."""
        for part in self._served.start():
            await part.ready(self.client)

    async def printed(self) -> str:
        """Stop them; returns all that they ever printed."""
        await asyncio.to_thread(stop, self._served.parts)
        return "".join([await asyncio.to_thread(part.log.read_text) for part in self._served.parts])

    async def created(self, job_id: str) -> int:
        """Deliver the event of a job's creation."""
        return await deliver(self.client, self.urls["on_ai_job_created"], FIRESTORE_EVENT, job_id)

    async def tick(self) -> int:
        """Deliver a tick."""
        return await deliver(self.client, self.urls["process_batch_jobs"], PUBSUB_EVENT)

    async def sweep(self) -> int:
        """Deliver a sweep."""
        return await deliver(self.client, self.urls["answer_instant_jobs"], PUBSUB_EVENT)

    async def work(self, call: Any) -> int:
        """Deliver a call for a worker."""
        message = {"message": {"data": base64.b64encode(json.dumps(call).encode()).decode()}}
        return (await self.event("ingest_batch_results", PUBSUB_EVENT, {}, message)).status_code

    async def event(self, target: str, kind: str, attributes: dict[str, str], body: Any) -> httpx.Response:
        """Deliver any event."""
        headers = {"ce-id": "1", "ce-specversion": "1.0", "ce-type": f"google.cloud.{kind}", "ce-source": "//test"}
        return await self.client.post(self.urls[target], headers=headers | attributes, json=body)


@asynccontextmanager
async def running(environment: dict[str, str]) -> AsyncIterator[Functions]:
    """The functions in this environment, for a while."""
    with tempfile.TemporaryDirectory(prefix="nightshift-logs-") as logs:
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client:
            functions = Functions(client, environment, Path(logs))
            try:
                await functions.start()
                yield functions
            finally:
                await functions.printed()


def events(printed: str) -> set[str]:
    """The events among what was printed."""
    return {json.loads(line)["message"] for line in printed.splitlines() if line.startswith("{")}


async def test_a_whole_night_prints_no_secret(world: World) -> None:
    """Answers, refusals, retries, webhooks and a provider that quotes what it was sent: no word of it is printed."""
    secret = Secrets({"key": API_KEY, "signing": world.provider.webhook_secret})
    alice = secret("uid")
    await world.give(alice, 40)
    await world.open_pubsub()
    photo = await world.upload(alice, f"{secret('photo')}.png")
    quote = {"error": {"message": f"cannot {secret('quote')}", "code": f"no such {secret('code')}", "type": "x"}}
    soon = {"retry-after-ms": "1"}
    wrong_key = {"error": {"message": f"Incorrect API key provided: {API_KEY}", "code": "invalid_api_key"}}
    answer = {
        **{"itemName": secret("answer"), "category": "dry", "material": secret("answer"), "confidence": 0.5},
        **{"disposalInstructions": "x", "environmentalImpact": "x", "tips": [secret("tip")], "explanation": "x"},
    }
    world.provider.faults.add(
        RequestFault("POST", "/v1/files", status=500, body=quote),
        RequestFault("POST", "/v1/files", status=401, body=wrong_key),
        RequestFault("POST", "/v1/batches", status=400, body=quote),
        RequestFault("GET", "/v1/batches", status=400, body=quote, times=2),
        RequestFault("GET", "/v1/batches/[^/]+", status=404, body=quote),
        *(
            RequestFault("POST", "/v1/chat/completions", status=status, body=quote, headers=soon)
            for status in (429, 500)
        ),
        RequestFault("POST", "/v1/chat/completions", status=401, body=wrong_key, headers=soon),
        RequestFault("POST", "/v1/chat/completions", status=400, body=quote),
        BatchFault(fail_code=f"no such {secret('code')}", fail_message=secret("quote")),
        ReplyRule(Reply(content=answer), text="good.*", times=None),
        ReplyRule(Reply.refuses(secret("refusal")), text="rude.*", times=None),
        ReplyRule(Reply(content={secret("field"): secret("wrong")}), text="bad.*", times=None),
        ReplyRule(Reply(content="{" + secret("broken")), text="half.*", times=None),
        ReplyRule(Reply.http_error(400, secret("line"), secret("line")), text="invalid.*", times=None),
    )
    inputs: dict[str, dict[str, Any]] = {
        "good": {"text": f"good {secret('text')}", "imageUri": photo},
        "web": {"text": "good", "imageUri": f"https://{secret('host')}.example.com/{secret('path')}.png"},
        "rude": {"text": f"rude {secret('text')}"},
        "bad": {"text": f"bad {secret('text')}"},
        "half": {"text": f"half {secret('text')}"},
        "invalid": {"text": f"invalid {secret('text')}"},
        "long": {"text": secret("text") * 1000},
        "extra": {secret("extra"): secret("text")},
        "theirs": {"imageUri": photo.replace(alice, secret("victim"))},
        "missing": {"imageUri": photo.replace("photo", secret("missing"))},
        "inside": {"imageUri": f"https://{secret('inside')}.internal/a.png"},
    }
    settings = {"NIGHTSHIFT_COALESCE_SECONDS": "0"}
    async with running(function_environment(world, world.base_url) | settings) as functions:
        for job_id, job_input in inputs.items():
            await world.write(alice, job_id, input=job_input)
            assert await functions.created(job_id) == 200
        for name in ("half", "good", "rude"):
            await world.write(alice, f"now-{name}", input=inputs[name], speed="instant")
            assert await functions.created(f"now-{name}") == 200
        assert await functions.sweep() == 200
        await world.write(alice, "poor", userId=secret("poor"))
        assert await functions.created("poor") == 200
        assert (
            await functions.event("on_ai_job_created", FIRESTORE_EVENT, {"ce-document": f"wallets/{alice}"}, {})
        ).status_code == 200
        for _ in range(12):
            await world.provider.settled()
            for remote_id in world.provider.batches:
                headers, body = world.provider.webhook(remote_id)
                await functions.client.post(functions.urls["openai_webhook"], headers=headers, content=body)
            for call in await world.calls_for_workers():
                await functions.work(json.loads(base64.b64decode(call["data"])))
            assert await functions.tick() == 200
            if {*await world.jobs("created", "queued", "processing")} <= {"now-half"}:
                break
        assert await functions.work(secret("call")) == 200
        assert await functions.work({"batchId": (await world.batches())[0]["id"], "shardId": None}) == 200
        for forged in ({"secret": "whsec_AAAA"}, {"body": secret("event").encode()}, {"event_id": secret("event")}):
            headers, body = world.provider.webhook(f"batch_{secret('remote')}!", **forged)
            await functions.client.post(functions.urls["openai_webhook"], headers=headers, content=body)
        for claims in ({}, {"admin": True}, {"aud": secret("claim")}):
            token = unsigned_token(world.project, alice, **claims)
            secret.words[f"token {claims}"] = token.split(".")[1]
            bearer = {"Authorization": f"Bearer {token}"}
            await functions.client.get(functions.urls["get_batch_stats"], headers=bearer, params={"t": secret("query")})
        printed = await functions.printed()

    assert not secret.found_in(printed)
    assert "Traceback" not in printed
    assert events(printed) >= {
        *(
            "job_queued",
            "job_refused",
            "job_failed",
            "batch_sealed",
            "batch_submitted",
            "batch_refused",
            "batch_closed",
        ),
        *("job_started", "job_answered", "answer_delayed", "answer_refused", "answer_failed"),
        *("left_to_the_next_tick", "listing_failed", "webhook_refused", "event_unreadable"),
    }
    codes = {job_id: job.get("errorCode") for job_id, job in (await world.jobs()).items()}
    assert codes == {
        **{"good": None, "web": None, "rude": "provider_refused", "bad": "result_invalid", "half": "result_invalid"},
        **{"invalid": "provider_rejected", "long": "invalid_input", "extra": "invalid_input"},
        **{"theirs": "forbidden_image", "missing": "invalid_input", "inside": "invalid_input"},
        # One waits to be asked for again, longer than this night lasts.
        **{"now-good": None, "now-half": None, "now-rude": "provider_refused"},
        "poor": "insufficient_tokens",
    }


async def test_an_unforeseen_error_is_printed_without_its_text(world: World) -> None:
    """The database refuses everything, and its text quotes a user: each function says 5xx, and what kind of error."""
    secret = Secrets({"key": API_KEY, "signing": world.provider.webhook_secret})
    await world.open_pubsub()
    async with (
        refusing_firestore(f"no access to {secret('uid')}: {secret('text')}") as firestore,
        running(
            function_environment(world, world.base_url)
            | {"FIRESTORE_EMULATOR_HOST": firestore, "NIGHTSHIFT_STATS_PUBLIC": "true"}
        ) as functions,
    ):
        headers, body = world.provider.webhook("batch_1")
        statuses = {
            "on_ai_job_created": await functions.created("one"),
            "answer_instant_jobs": await functions.sweep(),
            "process_batch_jobs": await functions.tick(),
            "ingest_batch_results": await functions.work({"batchId": "one"}),
            "… after an event": await functions.work({"provider": "openai", "remoteId": "one", "eventId": "two"}),
            "openai_webhook": (
                await functions.client.post(functions.urls["openai_webhook"], headers=headers, content=body)
            ).status_code,
            "get_batch_stats": (
                await functions.client.get(
                    functions.urls["get_batch_stats"], headers={"x-cloud-trace-context": f"{'a' * 32}/31;o=1"}
                )
            ).status_code,
        }
        for target, document in {
            "on_bulk_job_created": "bulk_jobs/one",
            "deliver_notification": "outbox/one.x",
        }.items():
            told = await functions.event(target, FIRESTORE_EVENT, {"ce-document": document}, {})
            statuses[target] = told.status_code
        call = base64.b64encode(b'{"bulkId": "one"}').decode()
        told = await functions.event("answer_bulk_part", PUBSUB_EVENT, {}, {"message": {"data": call}})
        statuses["answer_bulk_part"] = told.status_code
        token = unsigned_token(world.project, "alice")
        statuses["api"] = (
            await functions.client.get(f"{functions.urls['api']}/v1/me", headers={"Authorization": f"Bearer {token}"})
        ).status_code
        printed = await functions.printed()

    # A tick's duties are independent: each fails by itself, and the next tick is the redelivery. The webhook has no
    # database.
    assert statuses == dict.fromkeys(statuses, 500) | {"process_batch_jobs": 200, "openai_webhook": 200}
    assert functions.urls.keys() < statuses.keys()
    assert not secret.found_in(printed)
    assert "Traceback" not in printed
    assert events(printed) >= {"event_failed", "duty_failed", "request_failed"}
    for line in printed.splitlines():
        if line.startswith("{") and json.loads(line)["message"] in {"event_failed", "request_failed"}:
            assert json.loads(line)["error"] == "PermissionDenied"
            assert ".py:" in json.loads(line)["where"]
    # Cloud Functions has functions-framework log execution ids: no span of its own stands over the event's.
    logged = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    (of_stats,) = (event for event in logged if event.get("function") == "get_batch_stats")
    assert of_stats["logging.googleapis.com/spanId"] == f"{31:016x}"


@asynccontextmanager
async def refusing_firestore(says: str) -> AsyncIterator[str]:
    """A database that refuses every call with this text; yields its address."""

    async def refuse(_: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, says)

    class Refusing(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc ships no types
        """Every method there is."""

        def service(self, _: Any) -> Any:
            """The one answer."""
            return grpc.stream_stream_rpc_method_handler(refuse)

    server = grpc.aio.server(handlers=[Refusing()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@pytest.mark.parametrize(
    ("error", "event", "says"),
    [
        (ValueError("qsecret"), "event_failed", None),
        (ExceptionGroup("qsecret", [KeyError("qsecret")]), "event_failed", None),
        (TryLater("too many writers at once"), "left_to_redelivery", "too many writers at once"),
    ],
)
async def test_the_way_out_of_a_function_is_a_plain_500(
    capsys: pytest.CaptureFixture[str], error: Exception, event: str, says: str | None
) -> None:
    """Whatever a function raises, its caller and the log learn the kind of the error; our own troubles say more."""
    log.configure()

    async def function(_: Request) -> Response:
        raise error

    with pytest.raises(HTTPException) as raised:
        await guarded(function)(Request({"type": "http", "headers": []}))

    printed = json.loads(capsys.readouterr().out)
    assert raised.value.status_code == 500
    assert (printed["message"], printed["error"], printed.get("reason")) == (event, type(error).__name__, says)
    assert "qsecret" not in str(printed) + str(raised.value)


@pytest.mark.parametrize("logger", ["asyncio", "some.library"])
def test_a_deployed_function_prints_no_text_of_a_library(logger: str) -> None:
    """Nor does it silence one, though Cloud Functions has functions-framework configure the log after `main.py`."""
    as_served = (
        "import asyncio, logging, sys; from functions_framework import create_app\n"
        "create_app('get_batch_stats', 'functions/main.py', 'http')\n"
        "logging.getLogger(sys.argv[1]).error('broken: %s', 'qsecret')"
    )
    said = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", as_served, logger],
        env=clean_environment() | {"GOOGLE_CLOUD_PROJECT": "p", "PYTHONPATH": "functions"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = said.stdout.splitlines()
    assert (json.loads(line)["message"], json.loads(line)["logger"]) == ("library_logged", logger)
    assert "qsecret" not in said.stdout + said.stderr


def test_what_a_library_logs_is_printed_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Its place and the kind of its error are enough to find it; below a warning, nothing is printed."""
    log.configure()
    library = logging.getLogger("some.library")

    library.info("qsecret")
    library.warning("retrying %s", "qsecret")
    try:
        raise ValueError("qsecret")
    except ValueError:
        library.exception("broken: qsecret")

    captured = capsys.readouterr()
    warning, error = (json.loads(line) for line in captured.out.splitlines())
    assert (warning["severity"], warning["logger"]) == ("WARNING", "some.library")
    assert (error["severity"], error["error"]) == ("ERROR", "ValueError")
    assert "test_log_hygiene.py" in error["place"]
    assert "qsecret" not in captured.out + captured.err
