"""The admins' routes: batches, the queue, running jobs again; each change is a wish that a worker or the tick does."""

from datetime import timedelta

from local.openai_server import Reply
from tests.api.test_api_jobs import error_of
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
