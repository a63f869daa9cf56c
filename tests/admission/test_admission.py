"""Admission: which jobs are accepted, which are refused with which code, and that no job is charged twice."""

import asyncio
from typing import Any

import pytest

from nightshift.admission.admit import admit
from tests.support.promises import assert_promises_kept
from tests.support.world import World


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("unknown_job_type", {"type": "palm_reading"}),
        ("invalid_input", {"input": {}}),
        ("invalid_input", {"input": {"text": "   "}}),
        ("invalid_input", {"input": {"text": 7}}),
        ("invalid_input", {"input": {"text": "x" * 8_001}}),
        ("invalid_input", {"input": {"text": "a bottle", "system": "obey"}}),
        ("invalid_input", {"input": "a bottle"}),
        ("invalid_input", {"input": None}),
        ("invalid_input", {"type": "photo_rating", "input": {"text": "no photo"}}),
        ("invalid_input", {"input": {"imageUri": "ftp://example.com/photo.png"}}),
        ("invalid_input", {"input": {"imageUri": "http://example.com/photo.png"}}),
        ("invalid_input", {"speed": "yesterday"}),
        ("invalid_input", {"speed": None}),
        ("invalid_input", {"priority": 11}),
        ("invalid_input", {"priority": "high"}),
        ("invalid_input", {"type": None}),
        ("insufficient_tokens", {"userId": "bob"}),
    ],
)
async def test_a_wrong_job_fails_with_its_code_and_costs_nothing(
    world: World, code: str, fields: dict[str, Any]
) -> None:
    """A refused job says why, in a code and a sentence. Its user gets a notification, and no token moves."""
    await world.give("alice", 3)

    job_id = await world.submit("alice", **fields)

    job = await world.job(job_id)
    assert (job["status"], job["errorCode"]) == ("failed", code)
    assert job["errorMessage"].endswith(".")
    assert job["tokensSpent"] == 0
    assert (await world.read("wallets/alice"))["balance"] == 3
    notification = await world.read(f"notifications/{job_id}")
    assert notification["type"] == "job_failed"
    assert "Nothing was charged" in notification["message"]
    await assert_promises_kept(world)


async def test_a_job_whose_provider_has_no_key_is_refused_and_costs_nothing(world: World) -> None:
    """It would wait for ever; nothing is asked of its image, and its user learns at once."""
    await world.give("alice", 3)
    job_id = await world.write("alice")

    await admit(world.operators_runtime(openai_api_key=None, target="on_ai_job_created"), job_id)

    job = await world.job(job_id)
    assert (job["status"], job["errorCode"], job["tokensSpent"]) == ("failed", "unknown_job_type", 0)
    assert (await world.read("wallets/alice"))["balance"] == 3
    await assert_promises_kept(world)


@pytest.mark.parametrize(
    "uri",
    [
        "gs://{bucket}/users/bob/photo.png",
        "gs://{bucket}/users/alice/../bob/photo.png",
        "gs://{bucket}/users/alice%2F..%2Fbob/photo.png",
        "gs://{bucket}/users/alice/%2e%2e/bob/photo.png",
        "gs://{bucket}/users/alice",
        "gs://{bucket}/users/alice/",
        "gs://{bucket}/users/alicex/photo.png",
        "gs://{bucket}//users/alice/photo.png",
        "gs://other-bucket/users/alice/photo.png",
        "gs://{bucket}.evil/users/alice/photo.png",
    ],
)
async def test_an_image_that_is_not_the_users_own_is_forbidden(world: World, uri: str) -> None:
    """Whatever a path looks like, the functions read the user's own folder only."""
    await world.give("alice", 3)
    await world.upload("bob")

    job_id = await world.submit("alice", input={"imageUri": uri.format(bucket=f"{world.project}.firebasestorage.app")})

    job = await world.job(job_id)
    assert (job["status"], job["errorCode"]) == ("failed", "forbidden_image")
    assert (await world.read("wallets/alice"))["balance"] == 3


async def test_an_image_that_was_never_uploaded_is_invalid_input(world: World) -> None:
    """The app learns at once that it forgot the upload, and pays nothing."""
    await world.give("alice", 3)
    uri = f"gs://{world.project}.firebasestorage.app/users/alice/nothing.png"

    job_id = await world.submit("alice", input={"imageUri": uri})

    job = await world.job(job_id)
    assert (job["errorCode"], job["tokensSpent"]) == ("invalid_input", 0)
    assert "was not found" in job["errorMessage"]


async def test_an_image_is_not_looked_at_for_those_who_cannot_pay_for_it(world: World) -> None:
    """Without tokens, or after the day's jobs, the wallet has the first word: Cloud Storage is not asked."""
    uri = f"gs://{world.project}.firebasestorage.app/users/{{}}/nothing.png"
    await world.give("alice", 3)
    world.set_env(NIGHTSHIFT_MAX_JOBS_PER_DAY="1")

    poor = await world.job(await world.submit("bob", input={"imageUri": uri.format("bob")}))
    allowed = await world.job(await world.submit("alice", input={"imageUri": uri.format("alice")}))
    await world.submit("alice")
    too_many = await world.job(await world.submit("alice", input={"imageUri": uri.format("alice")}))

    assert [job["errorCode"] for job in (poor, allowed, too_many)] == [
        "insufficient_tokens",
        "invalid_input",
        "daily_limit",
    ]
    assert "was not found" in allowed["errorMessage"]


async def test_an_id_that_no_provider_takes_is_refused(world: World) -> None:
    """A job id must fit into a custom_id; one that does not fails by itself, also when only the tick finds it."""
    await world.give("alice", 3)
    job_id = await world.write("alice", "ein.Jöb")
    world.pass_time(seconds=121)

    assert await world.tick() == 200

    assert (await world.job(job_id))["errorCode"] == "invalid_input"
    assert (await world.read("wallets/alice"))["balance"] == 3


async def test_an_event_delivered_many_times_at_once_charges_once(world: World) -> None:
    """Ten deliveries of one event make one charge, one batch, one answer."""
    await world.give("alice", 5)
    job_id = await world.write("alice")

    codes = await asyncio.gather(*(world.trigger(job_id) for _ in range(10)))

    assert set(codes) == {200}
    assert (await world.read("wallets/alice"))["balance"] == 4
    await world.finish()
    assert len(world.provider.batches) == 1
    await assert_promises_kept(world)


async def test_an_event_that_comes_after_the_answer_changes_nothing(world: World) -> None:
    """A late duplicate finds the job completed and leaves it so."""
    await world.give("alice", 5)
    job_id = await world.submit("alice")
    await world.finish()
    before = await world.job(job_id)

    assert await world.trigger(job_id) == 200

    assert await world.job(job_id) == before
    await assert_promises_kept(world)


async def test_a_job_whose_event_is_lost_is_rescued_by_the_tick(world: World) -> None:
    """A job still `created` after the rescue time is admitted by the tick; a younger one is left to its event."""
    await world.give("alice", 5)
    job_id = await world.write("alice")

    assert await world.tick() == 200
    assert (await world.job(job_id))["status"] == "created"

    world.pass_time(seconds=121)
    await world.finish()

    assert (await world.job(job_id))["status"] == "completed"
    await assert_promises_kept(world)


async def test_of_ten_jobs_at_once_as_many_are_paid_as_there_are_tokens(world: World) -> None:
    """A wallet with three tokens pays three of ten simultaneous jobs, and is never negative."""
    await world.give("alice", 3)
    job_ids = [await world.write("alice") for _ in range(10)]

    assert set(await asyncio.gather(*(world.trigger(job_id) for job_id in job_ids))) == {200}

    refused = await world.jobs("failed")
    assert len(refused) == 7
    assert {job["errorCode"] for job in refused.values()} == {"insufficient_tokens"}
    assert (await world.read("wallets/alice"))["balance"] == 0
    await world.finish()
    assert len(await world.jobs("completed")) == 3
    await assert_promises_kept(world)


async def test_an_id_that_was_paid_before_is_not_paid_again(world: World) -> None:
    """A job document that is deleted and written anew under the same id is refused: its charge exists."""
    await world.give("alice", 5)
    job_id = await world.submit("alice")
    await world.finish()
    await world.firestore.collection("ai_jobs").document(job_id).delete()

    await world.submit("alice", job_id)

    assert (await world.job(job_id))["errorCode"] == "invalid_input"
    assert (await world.read("wallets/alice"))["balance"] == 4


@pytest.mark.parametrize(
    "document", ["wallets/alice", "ai_jobs", "ai_jobs/", "ai_jobs/a/b/c", "ai_jobs/__x__", "ai_jobs/..", ""]
)
async def test_an_event_that_names_no_job_is_dealt_with(world: World, document: str) -> None:
    """No redelivery could mend such an event, so it is answered 200 and changes nothing."""
    kind = "google.cloud.firestore.document.v1.created"

    assert await world.event("on_ai_job_created", kind, {"ce-document": document}) == 200

    assert not await world.jobs()


async def test_an_event_of_a_deleted_job_is_dealt_with(world: World) -> None:
    """There is nothing to do for a job that is gone."""
    assert await world.trigger("gone") == 200

    assert not await world.documents("notifications")
