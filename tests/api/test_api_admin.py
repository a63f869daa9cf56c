"""The admins' routes: batches, the queue, running jobs again; each change is a wish that a worker or the tick does."""

from datetime import timedelta

from local.openai_server import BatchFault, Reply
from nightshift.values.lane import Lane
from tests.api.test_api_jobs import error_of
from tests.support.promises import assert_promises_kept
from tests.support.world import World


async def test_batches_are_listed_and_looked_at(world: World) -> None:
    """All the newest first, the open ones the oldest first, in pages; one by its id, with what it cost."""
    await world.give("alice", 3)
    await world.submit("alice")
    await world.finish()
    world.provider.hold("in_progress")
    for _ in range(2):
        world.pass_time(minutes=1)
        await world.submit("alice")
    done, older, newer = [batch["id"] for batch in await world.batches()]

    first = (await world.api("GET", "/batches?pageSize=2", admin=True)).json()
    rest = (await world.api("GET", f"/batches?pageSize=2&pageToken={first['nextPageToken']}", admin=True)).json()
    active = (await world.api("GET", "/batch/active", admin=True)).json()
    still_open = (await world.api("GET", "/batches?open=true", admin=True)).json()
    closed = (await world.api("GET", f"/batch/status/{done}", admin=True)).json()

    assert [batch["id"] for batch in (*first["batches"], *rest["batches"])] == [newer, older, done]
    assert [batch["id"] for batch in still_open["batches"]] == [older, newer]
    assert active == still_open
    assert closed["counts"] == {"completed": 1, "failed": 0, "retried": 0, "cancelled": 0}
    assert closed["costUsd"] < closed["realtimeCostUsd"]
    assert error_of(await world.api("GET", "/batches/none", admin=True)) == (404, "not_found")


async def test_a_batch_is_stopped_by_a_worker_that_is_called_or_by_the_tick(world: World) -> None:
    """The wish is on the batch before the answer; the provider is asked by the worker, or where none comes, a tick."""
    world.provider.hold("in_progress")
    await world.open_pubsub()
    await world.give("alice", 2)
    jobs = [await world.submit("alice"), await world.submit("alice")]
    first, second = [batch["id"] for batch in await world.batches()]

    accepted = await world.api("POST", f"/batches/{first}/cancel", admin=True)
    assert (accepted.status_code, accepted.json()) == (202, {"id": first, "stop": "cancel"})
    assert (await world.api("GET", f"/batches/{first}", admin=True)).json()["stop"] == "cancel"
    assert await world.deliver_calls() == [200]
    await world.close_pubsub()
    assert (await world.api("POST", f"/batches/{second}/retry", admin=True)).status_code == 202
    world.provider.release()
    await world.finish()

    assert [(await world.job(job_id))["status"] for job_id in jobs] == ["cancelled", "completed"]
    assert (await world.read("wallets/alice"))["balance"] == 1
    assert error_of(await world.api("POST", f"/batches/{first}/cancel", admin=True)) == (409, "already_ended")
    assert error_of(await world.api("POST", "/batches/none/cancel", admin=True)) == (404, "not_found")


async def test_failed_jobs_run_again_one_or_all_that_match(world: World) -> None:
    """One at once; all by an order, which the tick finds when its message is lost; what does not match stays failed."""
    await world.open_pubsub()
    await world.give("alice", 3)
    world.provider.script.answer = lambda *_: Reply(content="nonsense")
    ids = [await world.submit("alice") for _ in range(3)]
    other = await world.submit("bob")
    world.pass_time(hours=1)
    await world.finish(ticks=20)
    assert {(await world.job(job_id))["status"] for job_id in (*ids, other)} == {"failed"}
    world.provider.script.answer = None
    code = (await world.job(ids[0]))["errorCode"]

    one = await world.api("POST", f"/jobs/{ids[0]}/retry", admin=True)
    again = await world.api("POST", f"/jobs/{ids[0]}/retry", admin=True)
    unbounded = await world.api("POST", "/jobs/retry", admin=True, json={})
    since = (world.now() - timedelta(hours=3)).isoformat()
    ordered = await world.api("POST", "/jobs/retry", admin=True, json={"code": code, "since": since})
    await world.calls_for_workers()
    await world.finish()

    assert one.json() == {"id": ids[0], "status": "queued"}
    assert error_of(again) == (409, "cannot_retry")
    assert error_of(unbounded) == (400, "invalid_request")
    assert ordered.status_code == 202
    assert {(await world.job(job_id))["status"] for job_id in ids} == {"completed"}
    assert (await world.job(other))["status"] == "failed"
    order = await world.read(f"orders/{ordered.json()['id']}")
    assert (order["status"], order["counts"]) == ("done", {"queued": 2})
    assert error_of(await world.api("POST", "/jobs/none/retry", admin=True)) == (404, "not_found")


async def test_a_failed_batch_says_why_and_its_failed_jobs_are_counted_priced_and_sent_again(world: World) -> None:
    """The provider's reason; the failed jobs of one batch alone, what they cost, the order; a job's story tells it."""
    await world.give("alice", 3)
    world.provider.faults.add(BatchFault(fail_code="invalid_request", fail_message="Line 1 is odd."))
    await world.submit("alice")
    await world.finish()
    world.provider.script.answer = lambda *_: Reply(content="nonsense")
    ids = [await world.submit("alice")]
    await world.finish(ticks=20)
    ids.append(await world.submit("alice"))
    await world.finish(ticks=20)
    elsewhere, job_id = ids
    world.provider.script.answer = None

    failed = (await world.api("GET", "/batches?status=failed", admin=True)).json()["batches"]
    batch_id = (await world.job(job_id))["batchId"]
    jobs = (await world.api("GET", f"/batches/{batch_id}/jobs", admin=True)).json()["jobs"]
    found = (await world.api("GET", f"/failed-jobs?batch={batch_id}", admin=True)).json()
    story = (await world.api("GET", f"/jobs/{job_id}/story", admin=True)).json()
    ordered = await world.api("POST", "/jobs/retry", admin=True, json={"batch": batch_id})
    await world.finish()

    assert [batch["errorMessage"] for batch in failed] == ["Line 1 is odd."]
    assert [(job["id"], job["userId"], job["status"]) for job in jobs] == [(job_id, "alice", "failed")]
    assert (found["jobs"], found["charged"], found["isCut"]) == (1, 0, False)
    assert found["estimatedUsd"] > 0
    assert story["standing"].startswith("It failed on 20")
    assert [entry["kind"] for entry in story["ledger"]] == ["charge", "refund"]
    assert (story["batch"]["id"], story["hasNotification"], story["hasClassification"]) == (batch_id, True, False)
    assert not {"input", "result"} & story["job"].keys()
    assert ordered.status_code == 202
    assert (await world.job(job_id))["status"] == "completed"
    assert (await world.job(elsewhere))["status"] == "failed"


async def test_an_order_to_submit_passes_a_lanes_back_off_and_that_of_a_user(world: World) -> None:
    """Ticks wait as they should. An admin who knows that the trouble is over sends now: mallory's and eve's jobs last.

    Each in a batch of their own, since trouble of two users in one batch would pause the lane; parts of bulk jobs, too.
    """
    lane, until = "openai:/v1/chat/completions:gpt-5-mini", world.now() + timedelta(minutes=30)
    place = f"lanes/{Lane.parse(lane).document_id}"
    await world.firestore.document(place).set(
        {"lane": lane, "backsOffUntil": until, "usersBackOff": {"mallory": until, "eve": until}, "trouble": "locked"}
    )
    for uid in ("mallory", "alice", "eve"):
        await world.give(uid, 3)
    job_ids = [await world.submit(uid) for uid in ("mallory", "alice", "eve", "mallory")]
    bulk_ids = [await world.start_bulk(uid, items=[{"text": "a jar"}], maxTokens=1) for uid in ("alice", "mallory")]
    assert await world.tick() == 200
    assert await world.batches() == []

    (shown,) = (await world.api("GET", "/queue", admin=True)).json()["lanes"]
    assert (shown["queued"], "backsOffUntil" in shown, shown["usersWaiting"]) == (4, True, 2)
    assert (await world.api("POST", "/queue/submit", admin=True, json={"lane": lane})).status_code == 202
    assert await world.tick() == 200

    sent = (await world.api("GET", "/batches?open=true", admin=True)).json()["batches"]
    assert all(batch["estimatedUsd"] > 0 for batch in sent)
    of_batches = [
        {job["userId"] for job in (await world.jobs()).values() if job["batchId"] == one["id"]} for one in sent
    ]
    assert sorted(of_batches, key=sorted) == [set(), set(), {"alice"}, {"eve"}, {"mallory"}], "two are parts"
    assert (await world.read(place))["backsOffUntil"] == until, "what is not ordered waits on"
    await world.provider.settled()
    assert await world.tick() == 200
    assert {(await world.job(job_id))["status"] for job_id in job_ids} == {"completed"}
    assert [(await world.bulk(bulk_id))["counts"]["completed"] for bulk_id in bulk_ids] == [1, 1]
    world.pass_time(minutes=31)
    await world.finish()
    await assert_promises_kept(world)


async def test_an_admin_finds_the_jobs_of_any_user_and_no_user_those_of_another(world: World) -> None:
    """By the uid, the newest first, by status; a stranger's id, an odd filter and a user's own token find nothing."""
    await world.give("alice", 2)
    first = await world.submit("alice")
    await world.finish()
    world.pass_time(minutes=1)
    second = await world.submit("alice")

    every = (await world.api("GET", "/users/alice/jobs", "root", admin=True)).json()["jobs"]
    done = (await world.api("GET", "/users/alice/jobs?status=completed", "root", admin=True)).json()["jobs"]

    assert [job["id"] for job in every] == [second, first]
    assert [job["id"] for job in done] == [first]
    assert (await world.api("GET", "/users/nobody/jobs", admin=True)).json() == {"jobs": []}
    for path in ("/users/alice/jobs", f"/jobs/{first}/story", "/failed-jobs?code=x", "/batches/x/jobs"):
        assert error_of(await world.api("GET", path)) == (403, "permission_denied")
    assert error_of(await world.api("GET", "/jobs/none/story", admin=True)) == (404, "not_found")
    assert error_of(await world.api("GET", "/failed-jobs", admin=True)) == (400, "invalid_request")
    assert error_of(await world.api("GET", "/batches?open=true&status=failed", admin=True)) == (400, "invalid_request")


async def test_an_admin_moves_a_batch_where_the_settings_name_another_lane(world: World) -> None:
    """Without one it is refused; with one the wish is on the batch, also where the API has no provider's key."""
    world.provider.hold("in_progress")
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    (batch,) = await world.batches()

    assert error_of(await world.api("POST", f"/batches/{batch['id']}/move", admin=True)) == (409, "no_fallback")
    world.set_env(NIGHTSHIFT_FALLBACK_MODEL="gpt-5-nano")
    moved = await world.api("POST", f"/batches/{batch['id']}/move", admin=True)
    world.provider.release()
    await world.finish()

    assert (moved.status_code, moved.json()) == (202, {"id": batch["id"], "stop": "move"})
    assert (await world.job(job_id))["status"] == "completed"
    assert error_of(await world.api("POST", "/batches/none/move", admin=True)) == (404, "not_found")
