"""`openaiWebhook`: whose events are believed, and that a worker, called by them, hurries a batch on and no more.

`World.webhook` delivers the event, and then the call for a worker that it brings.
"""

import asyncio
import base64
import json
import time
from typing import Any

import httpx
import pytest

from local.openai_server import BatchFault, Reply, ReplyRule, RequestFault
from local.ports import free_ports
from tests.batches.test_crashes import create_at_provider
from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import answers, function_environment, start_function
from tests.support.promises import assert_promises_kept
from tests.support.world import World

ANOTHER_SECRET = "whsec_YW5vdGhlciBzZWNyZXQ="


async def ended(world: World, jobs: int = 1) -> str:
    """A batch that has ended at the provider, which sent no event for it yet; returns its id there."""
    await world.give("alice", jobs)
    for _ in range(jobs):
        await world.submit("alice")
    await world.provider.settled()
    return str((await world.batches())[0]["remoteId"])


def calls(world: World, method: str, ending: str) -> int:
    """How many requests of this kind the provider has had."""
    return sum(call.method == method and call.path.endswith(ending) for call in world.provider.calls)


async def test_an_event_finishes_its_batch_without_any_tick(world: World) -> None:
    """The answer is there as soon as the provider has said so, and the event is on record for three days."""
    remote_id = await ended(world)

    answer = await world.webhook(remote_id, event_id="wh_one")

    assert answer.status_code == 200
    assert (await world.batches())[0]["status"] == "completed"
    recorded = await world.read("webhooks/wh_one")
    assert abs((recorded["expireAt"] - recorded["receivedAt"]).total_seconds() - 72 * 3600) < 60
    await assert_promises_kept(world)


@pytest.mark.parametrize("kind", ["failed", "expired", "cancelled"])
async def test_an_event_of_any_end_takes_the_batch_up(world: World, kind: str) -> None:
    """A batch that ended without answers is settled at once, too, and its job is sent again without any tick."""
    world.provider.hold("validating")
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    remote_id = (await world.batches())[0]["remoteId"]
    if kind == "failed":
        await world.provider.fail(remote_id, "scripted")
    elif kind == "expired":
        await world.provider.expire(remote_id)
    else:
        await world.cancel_at_provider(remote_id)
    world.provider.release()
    await world.provider.settled()

    assert (await world.webhook(remote_id, f"batch.{kind}")).status_code == 200

    first, again = await world.batches()
    assert first["status"] == world.provider.batches[remote_id].status
    job = await world.job(job_id)
    assert (job["status"], job["batchId"], again["status"]) == ("processing", again["id"], "submitted")
    await world.finish()
    await assert_promises_kept(world)


async def test_trouble_with_jobs_that_a_worker_sends_again_is_left_to_the_tick(world: World) -> None:
    """The batch is closed and the event dealt with: neither comes again for what the next tick does anyway."""
    world.provider.faults.add(ReplyRule(Reply(content="In prose."), times=1))
    remote_id = await ended(world)
    world.provider.faults.add(RequestFault("POST", "/v1/files", status=503, times=None))
    await world.open_pubsub()
    assert (await world.announce(remote_id)).status_code == 200

    assert await world.deliver_calls() == [200]

    assert len(await world.documents("webhooks")) == 1
    world.provider.faults.clear()
    await world.finish()
    assert {job["status"] for job in (await world.jobs()).values()} == {"completed"}
    await assert_promises_kept(world)


async def test_jobs_that_a_worker_queued_again_wait_where_their_lane_was_submitted_just_now(world: World) -> None:
    """However many batches end at a time, they make no batch each: the next tick takes all their jobs together."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    world.provider.faults.add(ReplyRule(Reply(content="In prose."), times=1))
    remote_id = await ended(world)

    assert (await world.webhook(remote_id)).status_code == 200

    assert [job["status"] for job in (await world.jobs()).values()] == ["queued"]
    assert [batch["status"] for batch in await world.batches()] == ["completed"]
    await world.finish()
    await assert_promises_kept(world)


def is_refused(answer: httpx.Response, status: int, code: str) -> bool:
    """Whether the answer is this error, in the one form."""
    return answer.status_code == status and answer.json()["error"].keys() == {"code", "message"} and code in answer.text


@pytest.mark.parametrize(
    ("age_seconds", "forged"),
    [
        (0, {"secret": ANOTHER_SECRET}),
        (0, {"secret": ANOTHER_SECRET, "body": b"nonsense"}),
        (0, {"secret": ANOTHER_SECRET, "body": b"\xff\xfe"}),
        (0, {"body": b"\xff\xfe"}),
        (310, {}),
        (3600, {}),
        (-3600, {}),
    ],
)
async def test_an_event_that_is_not_proven_changes_nothing(
    world: World, age_seconds: float, forged: dict[str, Any]
) -> None:
    """401, whatever it holds: nothing is written, and the provider is not asked."""
    remote_id = await ended(world)
    before = len(world.provider.calls)

    answer = await world.webhook(remote_id, sent_at=time.time() - age_seconds, **forged)

    assert is_refused(answer, 401, "unauthenticated")
    assert len(world.provider.calls) == before
    assert (await world.batches())[0]["status"] == "submitted"
    assert not await world.documents("webhooks")


@pytest.mark.parametrize(
    ("header", "forged"),
    [
        ("webhook-signature", None),
        ("webhook-timestamp", None),
        ("webhook-id", None),
        ("webhook-signature", "v1,AAAA"),
        ("webhook-signature", ""),
        ("webhook-signature", "v1,ü".encode("latin-1")),
        ("webhook-timestamp", "soon"),
        ("webhook-id", "wh_another"),
    ],
)
async def test_an_event_with_a_missing_or_changed_header_is_refused(
    world: World, header: str, forged: str | bytes | None
) -> None:
    """Without any of the three nothing is proven, and the signature covers the id as well."""
    remote_id = await ended(world)
    signed, body = world.provider.webhook(remote_id)
    headers: dict[str, Any] = {name: given for name, given in signed.items() if name != header}

    answer = await world.call(
        "openai_webhook", headers=headers | ({header: forged} if forged is not None else {}), content=body
    )

    assert is_refused(answer, 401, "unauthenticated")
    assert (await world.batches())[0]["status"] == "submitted"


async def test_an_old_event_cannot_be_made_young(world: World) -> None:
    """The signature covers the time."""
    remote_id = await ended(world)
    headers, body = world.provider.webhook(remote_id, sent_at=time.time() - 3600)
    headers["webhook-timestamp"] = str(int(time.time()))

    answer = await world.call("openai_webhook", headers=headers, content=body)

    assert is_refused(answer, 401, "unauthenticated")


async def test_a_changed_body_is_refused(world: World) -> None:
    """Another batch's id under a true signature proves nothing."""
    remote_id = await ended(world)
    headers, body = world.provider.webhook("batch_another")

    answer = await world.call(
        "openai_webhook", headers=headers, content=body.replace(b"batch_another", remote_id.encode())
    )

    assert is_refused(answer, 401, "unauthenticated")


async def test_one_of_several_signatures_is_enough(world: World) -> None:
    """While a secret is changed, the provider signs with the old one and the new one."""
    remote_id = await ended(world)
    headers, body = world.provider.webhook(remote_id)
    headers["webhook-signature"] = f"v1,AAAA {headers['webhook-signature']}"

    await world.open_pubsub()
    assert (await world.call("openai_webhook", headers=headers, content=body)).status_code == 200
    assert await world.deliver_calls() == [200]
    await assert_promises_kept(world)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
async def test_another_method_is_refused(world: World, method: str) -> None:
    """405 and the method that is allowed; the dashboard's browser has no business here either."""
    world.set_env(NIGHTSHIFT_DASHBOARD_ORIGIN="https://dashboard.example.com")

    answer = await world.call("openai_webhook", method, headers={"Origin": "https://dashboard.example.com"})

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert "access-control-allow-origin" not in answer.headers


async def test_a_body_that_is_too_large_is_refused_before_it_is_read_whole(world: World) -> None:
    """413 above 64 KiB, whatever length is announced; exactly 64 KiB is read; of what proves nothing, no byte."""
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while sent < 10 * 1024 * 1024:
            sent += 1024
            yield b" " * 1024

    signed = await world.webhook("batch_any", body=b" " * (64 * 1024 + 1))
    headers, _ = world.provider.webhook("batch_any")
    streamed = await world.call("openai_webhook", headers=headers, content=endless())
    largest = await world.webhook("batch_any", body=b" " * (64 * 1024))

    assert is_refused(signed, 413, "too_large")
    assert is_refused(streamed, 413, "too_large")
    assert is_refused(await world.call("openai_webhook", content=endless()), 401, "unauthenticated")
    assert is_refused(largest, 400, "invalid_event")


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[" * 30_000, b'{"type": "batch.completed"'])
async def test_a_signed_body_that_is_no_json_is_refused(world: World, body: bytes) -> None:
    """400 in the one form: no redelivery could mend it."""
    assert is_refused(await world.webhook("batch_any", body=body), 400, "invalid_event")


@pytest.mark.parametrize("event_id", ["a/b", "..", "__x__", "", "x" * 1501])
async def test_an_event_whose_id_cannot_be_recorded_is_refused(world: World, event_id: str) -> None:
    """An id from outside is no trusted document id."""
    remote_id = await ended(world)

    assert (await world.webhook(remote_id, event_id=event_id)).status_code == 400
    assert (await world.batches())[0]["status"] == "submitted"


@pytest.mark.parametrize(
    "body",
    [
        b'{"type": "response.completed", "data": {"id": "REMOTE"}}',
        b'{"type": "batch.invented", "data": {"id": "REMOTE"}}',
        b'{"data": {"id": "REMOTE"}}',
        b'{"type": ["batch.completed"], "data": {"id": "REMOTE"}}',
        b'{"type": "batch.completed"}',
        b'{"type": "batch.completed", "data": "REMOTE"}',
        b'{"type": "batch.completed", "data": {"id": ["REMOTE"]}}',
        b'{"type": "batch.completed", "data": {"id": "../REMOTE"}}',
        b'{"type": "batch.completed", "data": {"id": "\\ud800"}}',
        b'["batch.completed"]',
        b'"batch.completed"',
        b"null",
        b"7",
    ],
)
async def test_an_event_of_another_kind_or_form_is_taken_and_ignored(world: World, body: bytes) -> None:
    """200, so that it is not sent again; nothing is asked of the provider."""
    remote_id = await ended(world)
    before = len(world.provider.calls)

    answer = await world.webhook(remote_id, body=body.replace(b"REMOTE", remote_id.encode()))

    assert answer.status_code == 200
    assert len(world.provider.calls) == before
    assert (await world.batches())[0]["status"] == "submitted"


async def test_an_event_about_an_unknown_batch_is_dealt_with(world: World) -> None:
    """Neither we nor the provider have it: there is nothing to do, now or later."""
    assert (await world.webhook("batch_unknown", event_id="wh_one")).status_code == 200
    assert set(await world.documents("webhooks")) == {"wh_one"}
    assert not await world.documents("ai_batches")


@pytest.mark.parametrize(
    "stamps",
    [
        {},
        {"nightshift_batch": "OURS", "nightshift_project": "another-project"},
        {"nightshift_batch": "ns-" + "x" * 20},
        {"nightshift_batch": "a/b"},
        {"nightshift_batch": "OURS"},
    ],
    ids=["none", "another project's", "of a batch that is gone", "no batch id", "a double"],
)
async def test_an_event_about_a_batch_that_is_not_ours_touches_none_of_ours(
    world: World, stamps: dict[str, str]
) -> None:
    """Other projects of the same account get their events here, too; and a double is not the batch on record."""
    world.provider.hold("in_progress")
    await world.give("alice", 1)
    await world.submit("alice")
    world.provider.release()
    world.provider.hold("validating")
    ours = (await world.batches())[0]["id"]
    stray = await create_at_provider(world, {key: stamp.replace("OURS", ours) for key, stamp in stamps.items()})
    world.provider.release()
    await world.provider.settled()

    assert (await world.webhook(stray)).status_code == 200

    assert (await world.batches())[0]["status"] == "submitted"
    assert stray not in {batch["remoteId"] for batch in await world.batches()}


async def test_a_repeated_event_is_answered_without_asking_the_provider(world: World) -> None:
    """The second delivery finds the first one's record."""
    world.provider.hold("in_progress")
    remote_id = await ended(world)
    assert (await world.webhook(remote_id, event_id="wh_one")).status_code == 200
    assert (await world.batches())[0]["status"] == "submitted"
    world.provider.release()
    await world.provider.settled()
    before = len(world.provider.calls)

    again = await world.webhook(remote_id, event_id="wh_one")

    assert again.status_code == 200
    assert len(world.provider.calls) == before
    assert (await world.batches())[0]["status"] == "submitted"
    assert (await world.webhook(remote_id, event_id="wh_two")).status_code == 200
    await assert_promises_kept(world)


async def test_an_event_that_contradicts_the_provider_changes_nothing(world: World) -> None:
    """A batch is not completed because an event says so, and one that is completed does not fail any more."""
    world.provider.hold("in_progress")
    remote_id = await ended(world)

    for kind in ("batch.completed", "batch.failed", "batch.expired", "batch.cancelled"):
        assert (await world.webhook(remote_id, kind)).status_code == 200
    assert (await world.batches())[0]["status"] == "submitted"
    assert {job["status"] for job in (await world.jobs()).values()} == {"processing"}

    world.provider.release()
    await world.provider.settled()
    assert (await world.webhook(remote_id, "batch.failed")).status_code == 200
    settled = await world.batches()
    before = len(world.provider.calls)
    assert settled[0]["status"] == "completed"

    for kind in ("batch.failed", "batch.completed", "batch.cancelled"):
        assert (await world.webhook(remote_id, kind)).status_code == 200
    assert await world.batches() == settled
    assert len(world.provider.calls) == before
    await assert_promises_kept(world)


@pytest.mark.parametrize("hidden_listings", [0, 1000])
async def test_a_batch_whose_create_was_lost_is_adopted_by_its_event(world: World, hidden_listings: int) -> None:
    """Its stamp at the provider names the document that lacks the id: no second batch, even if no listing shows it."""
    world.provider.faults.add(
        BatchFault(hidden_listings=hidden_listings), RequestFault("POST", "/v1/batches", when="after", reset=True)
    )
    await world.give("alice", 1)
    await world.submit("alice")
    assert (await world.batches())[0]["status"] == "sealed"
    await world.provider.settled()
    [remote_id] = world.provider.batches

    assert (await world.webhook(remote_id)).status_code == 200

    [batch] = await world.batches()
    assert (batch["status"], batch["remoteId"]) == ("completed", remote_id)
    assert len(world.provider.batches) == 1
    await assert_promises_kept(world)


@pytest.mark.parametrize("again_by", ["call", "webhook", "tick"])
@pytest.mark.parametrize("path", [r"/v1/batches/[^/]+", r"/v1/files/[^/]+/content", r"/v1/files/[^/]+"])
async def test_while_the_provider_is_down_the_worker_is_called_again(world: World, path: str, again_by: str) -> None:
    """The worker refuses the call and records no event: the call, the event or a tick finishes what was begun."""
    remote_id = await ended(world)
    world.provider.faults.add(RequestFault("*", path, status=503, headers={"x-should-retry": "false"}, times=None))

    assert (await world.webhook(remote_id, event_id="wh_one")).status_code == 200

    assert not await world.documents("webhooks")
    assert (await world.batches())[0]["status"] != "completed"
    world.provider.faults.clear()
    if again_by == "call":
        assert await world.deliver_calls() == [200]
    elif again_by == "webhook":
        assert (await world.webhook(remote_id, event_id="wh_one")).status_code == 200
    else:
        assert await world.tick() == 200
    assert (await world.batches())[0]["status"] == "completed"
    await assert_promises_kept(world)


async def test_while_no_worker_can_be_called_the_event_is_wanted_again(world: World) -> None:
    """503 without the topic, and nothing is done; sent again, the event finishes its batch."""
    remote_id = await ended(world)

    assert is_refused(await world.announce(remote_id, event_id="wh_one"), 503, "unavailable")

    assert (await world.batches())[0]["status"] == "submitted"
    assert (await world.webhook(remote_id, event_id="wh_one")).status_code == 200
    assert (await world.batches())[0]["status"] == "completed"
    await assert_promises_kept(world)


async def test_two_events_and_two_ticks_at_once_settle_once(world: World) -> None:
    """One of them holds the lease; the results are read once, and each file is deleted once."""
    remote_id = await ended(world)

    answers = await asyncio.gather(
        world.webhook(remote_id, event_id="wh_one"),
        world.tick(),
        world.webhook(remote_id, event_id="wh_two"),
        world.tick(),
    )

    assert [getattr(answer, "status_code", answer) for answer in answers] == [200, 200, 200, 200]
    assert (await world.batches())[0]["counts"] == {"completed": 1, "failed": 0, "retried": 0, "cancelled": 0}
    assert calls(world, "GET", "/content") == 1
    await assert_promises_kept(world)


async def test_an_event_about_a_batch_whose_lease_is_held_comes_again(world: World) -> None:
    """The holder may have looked a moment too early: a worker is called until the lease is free, without a tick."""
    remote_id = await ended(world)
    [batch] = await world.batches()
    lease = {"owner": "another", "expiresAt": world.now().replace(year=world.now().year + 1), "writes": 0}
    await world.firestore.document(f"ai_batches/{batch['id']}").update({"lease": lease})

    assert (await world.webhook(remote_id)).status_code == 200

    assert (await world.batches())[0]["status"] == "submitted"
    assert await world.deliver_calls() == [500]
    world.pass_time(days=366)
    assert await world.deliver_calls() == [200]
    assert (await world.batches())[0]["status"] == "completed"
    await assert_promises_kept(world)


async def test_the_function_has_no_key_and_reaches_neither_firestore_nor_a_bucket(world: World) -> None:
    """In a process with the signing secret and Pub/Sub alone: it starts, and publishes the call and no more."""
    await world.open_pubsub()
    environment = function_environment(world, world.base_url)
    del environment["OPENAI_API_KEY"], environment["OPENAI_BASE_URL"]
    nowhere = dict.fromkeys(("FIRESTORE_EMULATOR_HOST", "STORAGE_EMULATOR_HOST"), "127.0.0.1:1")
    [port] = free_ports(1)
    function = await start_function("openai_webhook", port, environment | nowhere)
    headers, body = world.provider.webhook("batch_1", event_id="wh_one")
    _, unsigned = world.provider.webhook("batch_2")
    try:
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
            url = f"http://127.0.0.1:{port}"
            await answers(client, url)
            statuses = [
                (await client.post(url, headers=headers, content=content)).status_code for content in (body, unsigned)
            ]
    finally:
        function.terminate()
        await function.communicate()

    assert statuses == [200, 401]
    published = [json.loads(base64.b64decode(call["data"])) for call in await world.calls_for_workers()]
    assert published == [{"provider": "openai", "remoteId": "batch_1", "eventId": "wh_one"}]


@pytest.mark.parametrize(
    "call",
    [
        {"provider": "openai", "remoteId": "batch_1"},
        {"remoteId": "batch_1", "eventId": "wh_one"},
        {"provider": "openai", "remoteId": "../files", "eventId": "wh_one"},
        {"provider": "openai", "remoteId": "batch_1", "eventId": "a/b"},
        {"provider": ["openai"], "remoteId": "batch_1", "eventId": "wh_one"},
        {"provider": "openai", "remoteId": 7, "eventId": "wh_one"},
    ],
)
async def test_a_call_that_no_webhook_publishes_is_dealt_with_and_changes_nothing(
    world: World, call: dict[str, Any]
) -> None:
    """The worker trusts the public function no further than its message: each id is checked again."""
    before = len(world.provider.calls)

    assert await world.work({"data": base64.b64encode(json.dumps(call).encode()).decode()}) == 200

    assert len(world.provider.calls) == before
    assert not await world.documents("webhooks")
