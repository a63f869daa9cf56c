"""Whose fault it is that a job has no answer: one classification for lines, answers in real time, batches and calls."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.erasure.documents import forget_in_lanes
from local.openai_server import BatchFault, Reply, ReplyRule, RequestFault
from nightshift.batches.lanes import user_backing_off
from nightshift.batches.queue import MOST_LEFT_OUT
from nightshift.batches.tally import Tally, most_spared
from nightshift.database.commits import Commit
from nightshift.jobs.answer import no_answer
from nightshift.jobs.job import Job
from nightshift.jobs.settlement import MOST_SPARED, Failed, LaneHealth, Requeued, retry_or_failure
from nightshift.providers.openai import codes
from nightshift.providers.openai.codes import (
    Complaint,
    misses_a_file,
    trouble_of_answer,
    trouble_of_batch,
    trouble_of_call,
)
from nightshift.values.lane import Lane
from nightshift.values.trouble import Trouble
from tests.support.events import logged, of
from tests.support.promises import assert_promises_kept
from tests.support.world import World

CHAT = "/v1/chat/completions"
LANE = Lane(provider="openai", endpoint=CHAT, model="gpt-5-mini")
STORAGE_FULL = "You have exceeded your file storage quota. Organizations are limited to 100 GB of files."
NO_FILE = "Cannot find file file-7tEGC12rDDyQxYWmUx4r1e, or project proj_849B does not have access to it."
# What a line said in public bug reports, and what is wrong then.
LINES = {
    "a download timed out": (Reply.http_error(400, "invalid_image_url", "Timeout while downloading."), "image"),
    "a status of 0 and no body": (Reply.nothing(), "provider"),
    "a model that is not there now": (Reply.http_error(404, "model_not_found"), "operator"),
    "no credit": (Reply.http_error(402), "operator"),
    "a proxy whose client was gone": (Reply.http_error(499), "provider"),
    "too many requests": (Reply.http_error(429, "rate_limit_exceeded"), "rate_limit"),
    "an outage": (Reply.http_error(500), "provider"),
    "an image, says a server in trouble": (Reply.http_error(500, "invalid_image"), "provider"),
}


def told(code: str | None = None, message: str = "", param: str | None = None) -> Complaint:
    """What OpenAI says."""
    return Complaint.read({"code": code, "message": message, "param": param, "type": "invalid_request_error"})


def test_the_words_of_public_reports_are_understood() -> None:
    """As they were printed there: https://github.com/bespokelabsai/curator/issues/189 and 116, and others."""
    assert trouble_of_call(400, told(message=STORAGE_FULL)) is Trouble.STORAGE_FULL
    assert trouble_of_batch(told(message=STORAGE_FULL)) is Trouble.STORAGE_FULL
    assert misses_a_file(told(message=NO_FILE, param="file_id"))
    assert not misses_a_file(told(message="Invalid purpose", param="file_id"))
    assert trouble_of_batch(told("billing_hard_limit_reached")) is Trouble.LOCKED
    assert trouble_of_call(429, told("insufficient_quota")) is Trouble.LOCKED
    assert trouble_of_batch(told("token_limit_exceeded")) is Trouble.QUEUE_FULL
    assert trouble_of_answer(400, told("invalid_image", "Timeout while fetching it.")) is Trouble.IMAGE_NOT_FETCHED
    assert trouble_of_answer(400, told("invalid_image", "It is broken.")) is Trouble.IMAGE_UNREADABLE
    assert trouble_of_answer(403, told("content_policy_violation")) is Trouble.POLICY


@given(st.integers() | st.none() | st.text() | st.lists(st.integers()), st.text(), st.text(), st.text())
def test_what_is_not_known_may_pass(status: Any, code: str, message: str, param: str) -> None:
    """Whatever a provider says with a new code, no job fails for it at once."""
    complaint = told(f"new_{code}", message, param)

    for trouble in (trouble_of_answer(status, complaint), trouble_of_batch(complaint)):
        assert not trouble.is_final


def test_no_code_of_a_single_request_is_final_for_a_whole_batch_or_call() -> None:
    """Nor is any code final when a server in trouble says it."""
    for code in codes._BY_CODE:
        assert not trouble_of_batch(told(code)).is_final
        assert not trouble_of_call(400, told(code)).is_final
        assert not trouble_of_answer(503, told(code)).is_final


@pytest.mark.parametrize("trouble", Trouble)
def test_a_trouble_spends_only_what_is_its_own(trouble: Trouble) -> None:
    """A job that meets it again and again ends, and its attempts are spent last; unless the account's is waited for."""
    job = _job()
    rounds = 0
    while rounds < 100:
        settled = retry_or_failure(_job(attempts=job.attempts + 1, spared=job.spared), no_answer(trouble), 3)
        if isinstance(settled, Failed):
            break
        assert isinstance(settled, Requeued)
        job = _job(attempts=settled.attempts, spared=settled.spared)
        rounds += 1
        if not trouble.spends_attempt and rounds <= MOST_SPARED:
            assert job.attempts == 0

    own = 0 if trouble.is_final else 2
    spared = 0 if trouble.is_final or trouble.spends_attempt else MOST_SPARED
    assert rounds == (100 if trouble.is_waited_for else own + spared)


def alerts(events: list[Any]) -> list[tuple[str, str]]:
    """How severe, and why, lanes backed off."""
    return [(event["log_level"], event["error"]) for event in of(events, "lane_backs_off")]


@pytest.mark.parametrize("name", ["line", "batch"])
async def test_an_outage_of_a_lane_spends_no_attempt_however_long(world: World, name: str) -> None:
    """Two jobs of two users, for eighteen hours: every line, or every batch, fails; then both are answered."""
    of_batches = BatchFault(fail_code="server_error", times=None)
    outage = ReplyRule(Reply.http_error(503), times=None) if name == "line" else of_batches
    world.provider.faults.add(outage)
    for uid in ("alice", "bob"):
        await world.give(uid, 1)
        await world.submit(uid, uid)
    # Where the lane pauses, every second tick finds it closed.
    for number in range(3 * MOST_SPARED + 4):
        if number == 3 * MOST_SPARED:
            assert {job["spared"] for job in (await world.jobs()).values()} == {MOST_SPARED}
            world.provider.faults.clear()
        await world.provider.settled()
        assert await world.tick() == 200
        world.pass_time(minutes=31)

    assert {(job["status"], job["attempts"]) for job in (await world.jobs()).values()} == {("completed", 1)}
    await assert_promises_kept(world)


async def test_a_request_that_troubles_the_provider_ends_where_its_lane_answers_others(world: World) -> None:
    """One other job was answered in the meantime, long ago: so it is no outage, and its attempts are spent."""
    world.provider.faults.add(ReplyRule(Reply.http_error(503), text="trouble", times=None))
    await world.give("alice", 1)
    await world.give("bob", 1)
    job_id = await world.submit("alice", input={"text": "trouble"})
    for number in range(3 * MOST_SPARED):
        await world.provider.settled()
        assert await world.tick() == 200
        world.pass_time(minutes=31)
        if number == 2:
            await world.submit("bob", "bob")

    job = await world.job(job_id)
    assert (job["status"], job["attempts"], job["spared"]) == ("failed", 3, MOST_SPARED)
    assert (await world.job("bob"))["status"] == "completed"
    assert (await world.read("wallets/alice"))["balance"] == 1
    await assert_promises_kept(world)


async def test_only_the_user_whose_requests_trouble_the_provider_waits(world: World) -> None:
    """Alone in its batch, mallory's job backs mallory off and not the lane: bob's is sent and answered meanwhile."""
    world.provider.faults.add(ReplyRule(Reply.http_error(503), text="trouble", times=None))
    for uid in ("mallory", "bob"):
        await world.give(uid, 1)
    mallorys = await world.submit("mallory", input={"text": "trouble"})
    lane = f"lanes/{LANE.document_id}"
    while "usersBackOff" not in await world.read(lane):
        await world.provider.settled()
        assert await world.tick() == 200

    assert (await world.job(mallorys))["spared"] == 3
    await world.submit("bob", "bob")
    assert (await world.job("bob"))["status"] == "processing", "the lane is open to others"
    await world.provider.settled()
    assert await world.tick() == 200
    assert (await world.job("bob"))["status"] == "completed"
    assert (await world.job(mallorys))["status"] == "queued"
    document = await world.read(lane)
    assert (document.keys() & {"backsOffUntil", "trouble"}, document["usersBackOff"].keys()) == (set(), {"mallory"})
    assert not any("spared" in batch for batch in await world.batches()), "a closed batch names no user"

    world.pass_time(minutes=6)
    assert await world.tick() == 200
    assert (await world.job(mallorys))["status"] == "processing"
    await forget_in_lanes(world.operators_runtime(), "mallory")
    assert not (await world.read(lane))["usersBackOff"]


async def test_as_many_users_wait_in_a_lane_as_a_query_leaves_out(world: World) -> None:
    """Those who wait longest; one whose wait is over is forgotten."""
    runtime, ref = world.operators_runtime(), world.firestore.document(f"lanes/{LANE.document_id}")
    await ref.set({"usersBackOff": {"over": world.now(), **{f"user{n}": _in(world, 1 + n) for n in range(12)}}})

    commit = Commit(runtime)
    (await user_backing_off(runtime, LANE, "mallory", _in(world, 5)))(commit)
    await commit.send()

    users = (await ref.get()).get("usersBackOff")
    assert users.keys() == {"mallory", *(f"user{n}" for n in range(3, 12))}
    assert len(users) == MOST_LEFT_OUT


def test_of_all_who_met_a_trouble_the_two_who_met_it_most_are_known() -> None:
    """However the shards of a batch are cut: what two users met is no single user's."""
    met = [("a", 1), ("b", 2), ("a", 3), ("c", 2), ("b", 4), ("d", 1)]
    for cut in range(len(met) + 1):
        one, other = Tally(spared=most_spared(met[:cut])), Tally(spared=most_spared(met[cut:]))
        assert Tally.read((one + other).fields()).spared == {"b": 4, "a": 3}


def _in(world: World, minutes: int) -> datetime:
    return world.now() + timedelta(minutes=minutes)


def test_a_lone_request_is_not_waited_for_without_end() -> None:
    """Nothing tells it from an outage; three days outlast every outage that there was."""
    since = datetime(2026, 1, 1, tzinfo=UTC)
    job = replace(_job(attempts=1, spared=MOST_SPARED), spared_since=since)
    for days, answered_at, attempts in (
        *((2.9, None, 0), (2.9, since - timedelta(minutes=1), 0), (3, None, 1)),
        *((1, since + timedelta(minutes=1), 1),),
    ):
        health = LaneHealth(now=since + timedelta(days=days), answered_at=answered_at)
        settled = retry_or_failure(job, no_answer(Trouble.PROVIDER), 3, health=health)
        assert isinstance(settled, Requeued)
        assert (settled.attempts, settled.spared) == (attempts, MOST_SPARED)
        for trouble in (Trouble.IMAGE_NOT_FETCHED, Trouble.UNKNOWN):
            settled = retry_or_failure(job, no_answer(trouble), 3, health=health)
            assert isinstance(settled, Requeued)
            assert settled.attempts == 1, "no sign of an outage"


def _job(attempts: int = 0, spared: int = 0) -> Job:
    return Job(
        job_id="a",
        user_id="alice",
        type="waste_classification",
        input={},
        status="processing",
        lane="openai:/v1/chat/completions:gpt-5-mini",
        batch_id="b",
        attempts=attempts,
        former_batch_ids=(),
        update_time=datetime(2026, 1, 1, tzinfo=UTC),
        spared=spared,
    )


async def test_no_trouble_of_a_line_that_is_not_its_jobs_own_spends_an_attempt(world: World) -> None:
    """All of them in one batch, each once: all jobs are answered by the next one, and no job lost an attempt."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", len(LINES) + 2)
    await world.submit("alice", "first")
    await world.submit("alice", "fine")
    for number, (reply, _) in enumerate(LINES.values()):
        world.provider.faults.add(ReplyRule(reply, custom_id=f"job-{number}"))
        await world.submit("alice", str(number))
    await world.finish()
    assert not world.provider.faults.pending

    jobs = await world.jobs()
    assert {(job["status"], job["attempts"]) for job in jobs.values()} == {("completed", 1)}
    assert {job.get("spared", 0) for job_id, job in jobs.items() if job_id.isdigit()} == {1}
    assert (await world.read("wallets/alice"))["balance"] == 0
    await assert_promises_kept(world)


@pytest.mark.parametrize("name", [name for name, (reply, _) in LINES.items() if reply.status_code])
async def test_in_real_time_the_same_trouble_is_waited_out(world: World, name: str) -> None:
    """The job is put off for a reason, and answered a moment later."""
    reply, waits_for = LINES[name]
    world.set_env(NIGHTSHIFT_LEASE_SECONDS="1")
    world.provider.faults.add(ReplyRule(reply))
    await world.give("alice", 5)

    job_id = await world.submit("alice", speed="instant")
    assert (await world.job(job_id))["waitsFor"] == waits_for
    world.set_env(NIGHTSHIFT_LEASE_SECONDS="120")
    world.pass_time(minutes=3)
    assert await world.sweep() == 200

    job = await world.job(job_id)
    assert (job["status"], job.get("invalidAnswers", 0)) == ("completed", 0)
    await assert_promises_kept(world)


async def test_a_full_storage_backs_the_lane_off_and_alerts_the_operator(world: World) -> None:
    """No attempt is spent, nothing else is uploaded meanwhile, and once there is room the lane goes on at once."""
    full = {"error": {"message": STORAGE_FULL, "type": "invalid_request_error", "param": None, "code": None}}
    world.provider.faults.add(RequestFault("POST", "/v1/files", status=400, body=full, times=3))
    await world.give("alice", 3)

    with logged() as events:
        for job_id in ("a", "b", "c"):
            await world.submit("alice", job_id)
        for _ in range(2):
            assert await world.tick() == 200
            world.pass_time(minutes=10)

    jobs = await world.jobs()
    assert {job_id: job["status"] for job_id, job in jobs.items()} == {"a": "processing", "b": "queued", "c": "queued"}
    assert alerts(events) == [("error", "storage_full")] * 3
    await world.finish()
    assert {(job["status"], job["attempts"]) for job in (await world.jobs()).values()} == {("completed", 1)}
    await assert_promises_kept(world)


async def test_a_file_that_is_not_found_right_after_its_upload_is_waited_for(world: World) -> None:
    """Also where a 400 says so; it is not uploaded again."""
    not_found = {"error": {"message": NO_FILE, "type": "invalid_request_error", "param": "file_id", "code": None}}
    world.provider.faults.add(RequestFault("POST", "/v1/batches", status=400, body=not_found, times=2))
    await world.give("alice", 1)

    job_id = await world.submit("alice")

    assert len(world.provider.batches) == 1
    assert len([call for call in world.provider.calls if (call.method, call.path) == ("POST", "/v1/files")]) == 1
    await world.finish()
    job = await world.job(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 1)


@pytest.mark.parametrize("code", ["billing_hard_limit_reached", "insufficient_quota"])
async def test_an_empty_account_costs_no_job_an_attempt(world: World, code: str) -> None:
    """However often batches fail for it: the lane backs off each time, and the operator is alerted."""
    world.set_env(NIGHTSHIFT_MAX_ATTEMPTS="1")
    world.provider.faults.add(BatchFault(fail_code=code, times=5))
    await world.give("alice", 1)
    job_id = await world.submit("alice")

    with logged() as events:
        for _ in range(5):
            await world.provider.settled()
            for _ in range(3):
                assert await world.tick() == 200
                job = await world.job(job_id)
                assert (job["status"], job["attempts"]) == ("queued", 0)
            world.pass_time(minutes=31)
            assert await world.tick() == 200

    await world.finish()
    job = await world.job(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 1)
    assert alerts(events) == [("error", "locked")] * 5
    await assert_promises_kept(world)
