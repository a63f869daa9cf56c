"""Documents that a client made as large as Firestore takes them: refused for good, and no other user notices."""

import base64
import json
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api_core.exceptions import InvalidArgument

from nightshift.admission import admit
from nightshift.database.commits import Commit, Undecided
from nightshift.errors import NeverLands
from nightshift.jobs import created
from tests.support.events import logged, of
from tests.support.operating import operate
from tests.support.promises import assert_promises_kept
from tests.support.world import World

# What Firestore just takes: with a kilobyte more the document is over a megabyte.
FULL = {"text": "x", "pad": "a" * 1_048_200}
MANY = {"text": "x", "pad": [datetime(2025, 6, 19, tzinfo=UTC)] * 120_000}


@pytest.mark.parametrize("job_input", [FULL, MANY, {"text": "x", "pad": {"a": {"b": [True] * 200_000}}}])
async def test_a_job_as_large_as_it_can_be_is_refused_once_and_for_all(world: World, job_input: dict[str, Any]) -> None:
    """The first event deals with it, in little time; what is large is gone, and another event changes nothing."""
    await world.give("mallory", 5)
    job_id = await world.write("mallory", input=job_input)
    await world.trigger("warmed-up")

    began = time.process_time()
    assert await world.trigger(job_id) == 200
    # As values of Python, 120,000 timestamps take 1.3 s.
    assert time.process_time() - began < 0.7

    job = await world.job(job_id)
    assert (job["status"], job["errorCode"], job["tokensSpent"]) == ("failed", "invalid_input", 0)
    assert job["errorMessage"] == "The request is too large. Send a shorter text, or a smaller photo."
    assert "input" not in job
    assert {"userId", "type", "speed", "createdAt", "completedAt", "expireAt"} <= job.keys()
    assert await world.trigger(job_id) == 200
    assert await world.job(job_id) == job
    await assert_promises_kept(world)


async def test_a_small_input_that_is_refused_is_kept_for_a_retry(world: World) -> None:
    """Only what is large goes: a job that was not paid for can run again as it is."""
    text = {"text": "\N{PILE OF POO}" * 8_000}
    job = await world.job(await world.submit("alice", input=text))
    assert (job["errorCode"], job["input"]) == ("insufficient_tokens", text)


async def test_large_jobs_of_one_user_hold_no_tick_up_and_fill_no_memory(world: World) -> None:
    """Their events are lost: one tick refuses them all, and admits, submits and ingests for the others as ever."""
    await world.give("alice", 5)
    waiting = await world.submit("alice")
    await world.provider.settled()
    for number in range(40):
        await world.write("mallory", f"a-large-{number}", input=FULL)
    lost = await world.write("alice", "z-lost")
    world.pass_time(seconds=121)

    tracemalloc.start()
    try:
        assert await world.tick() == 200
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    # Read whole, the page of them has 40 MB of text alone.
    assert peak < 25_000_000
    assert (await world.job(waiting))["status"] == "completed"
    assert (await world.job(lost))["status"] == "processing"
    refused = {job_id: job for job_id, job in (await world.jobs("failed")).items() if job["userId"] == "mallory"}
    assert len(refused) == 40
    await world.finish()
    await assert_promises_kept(world)


async def test_the_rescue_takes_the_users_in_turn(world: World) -> None:
    """However many jobs one user leaves lying, and however it names them, another's is among the first."""
    for number in range(30):
        await world.write("mallory", f"a-{number:02}")
    await world.write("alice", "z-1")
    world.pass_time(seconds=1)

    found = await created.created_before(world.operators_runtime(), world.now() + timedelta(seconds=60))

    assert len(found) == 31
    assert "z-1" in found[:2]


async def test_such_a_users_jobs_are_cancelled_and_the_user_is_erased(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """An operator needs no other tool."""
    first, *others = [await world.write("mallory", input=each) for each in (FULL, MANY, FULL)]

    for form in ([], ["--json"]):
        code, told, _ = await operate(world, capsys, "job", first, *form)
        assert (code, "mallory" in told, "aaaa" in told) == (0, True, False)
    code, _, _ = await operate(world, capsys, "cancel", "job", first, "--yes")
    assert (code, (await world.job(first))["status"]) == (0, "cancelled")

    code, _, _ = await operate(world, capsys, "erase", "mallory", "--keep-account", "--yes")
    assert code == 0
    assert not await world.jobs()
    assert not await world.documents("notifications")
    assert len(others) == 2


async def test_a_document_that_was_filled_up_later_gets_its_end_all_the_same(world: World) -> None:
    """It was filled up while it was processed; it keeps the contract's fields, and its batch is closed."""
    await world.give("alice", 5)
    job_ids = [await world.submit("alice") for _ in range(3)]
    for job_id in job_ids:
        await _fill(world, f"ai_jobs/{job_id}")

    await world.finish()

    jobs = await world.jobs("completed")
    assert jobs.keys() == set(job_ids)
    assert not [job_id for job_id, job in jobs.items() if "note" in job]
    await assert_promises_kept(world)


async def test_one_job_that_cannot_be_charged_keeps_no_other_from_it(world: World) -> None:
    """Jobs of a user that come at once share a commit: where it can never land, the cause alone is refused."""
    world.bound(read_field_bytes=2**20, read_bytes=2**20)
    await world.give("alice", 10)
    job_ids = [await world.write("alice") for _ in range(6)]
    await _fill(world, f"ai_jobs/{job_ids[3]}")
    world.pass_time(seconds=121)

    assert await world.tick() == 200

    refused = await world.jobs("failed")
    assert refused.keys() == {job_ids[3]}
    assert refused[job_ids[3]]["errorCode"] == "invalid_input"
    assert (await world.read("wallets/alice"))["balance"] == 5
    await world.finish()
    await assert_promises_kept(world)


async def test_an_event_whose_write_can_never_land_is_dealt_with_and_logged_once(world: World) -> None:
    """A batch's document without any room: neither its worker nor the tick nor the webhook comes again for it."""
    await world.give("alice", 5)
    await world.submit("alice")
    await world.provider.settled()
    (batch,) = await world.batches()
    await _fill(world, f"ai_batches/{batch['id']}")

    with logged() as events:
        call = {"data": _base64({"batchId": batch["id"]}), "attributes": {}}
        assert await world.work(call) == 200
        assert await world.tick() == 200
        assert (await world.webhook(batch["remoteId"])).status_code == 200

    assert len(of(events, "write_impossible")) == 3
    assert not of(events, "event_failed") + of(events, "duty_failed") + of(events, "request_failed")


@pytest.mark.parametrize(
    ("said", "raised"),
    [("The referenced transaction is invalid or closed", Undecided), ("exceeds the maximum allowed size", NeverLands)],
)
async def test_what_firestore_calls_invalid_is_sorted_by_its_text(
    world: World, monkeypatch: pytest.MonkeyPatch, said: str, raised: type[Exception]
) -> None:
    """A commit that had landed before is read again; one that never will is not sent again, and its text not kept."""
    runtime = world.operators_runtime()
    commit = Commit(runtime)

    async def refuse(*_: Any) -> None:
        raise InvalidArgument(said)

    monkeypatch.setattr(runtime.instance.firestore_calls, "commit", refuse)
    with pytest.raises(raised) as told:
        await commit.send()
    assert said not in str(told.value)


async def test_no_duty_of_a_tick_takes_the_time_of_those_after_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rescue without end is over when its share is: what is queued is submitted by the same tick."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 5)
    await world.submit("alice")
    queued = await world.submit("alice")
    assert (await world.job(queued))["status"] == "queued"

    async def endless(_: Any, time_limit: Any) -> int:
        while not time_limit.is_over:
            world.pass_time(seconds=1)
        return 0

    monkeypatch.setattr(admit, "rescue", endless)
    assert await world.tick() == 200
    assert (await world.job(queued))["status"] == "processing"


async def _fill(world: World, path: str) -> None:
    """Add a note to a document that is as long as Firestore just takes."""
    fits, too_long = 1_000_000, 1_048_576
    while too_long - fits > 8:
        tried = (fits + too_long) // 2
        try:
            await world.firestore.document(path).update({"note": "a" * tried})
            fits = tried
        except InvalidArgument:
            too_long = tried


def _base64(body: dict[str, Any]) -> str:
    return base64.b64encode(json.dumps(body).encode()).decode()
