"""What the provider answers, and what becomes of it: results, retries, failures, refunds."""

import json

import pytest

from local.openai_server import BatchFault, Reply, ReplyRule
from local.provider_server.batches import Batch
from tests.support.promises import assert_promises_kept
from tests.support.world import World

WRONG_ANSWER = {"itemName": "bottle", "category": "glass"}
RIGHT_ANSWER = {
    **{"itemName": "bottle", "category": "dry", "material": "glass", "confidence": 0.9, "tips": ["rinse it"]},
    **{"disposalInstructions": "To the glass.", "environmentalImpact": "None.", "explanation": "It is glass."},
}


async def test_photos_and_texts_of_two_job_types_share_a_batch(world: World) -> None:
    """Both job types are answered, a photo travels as a data URL, and one provider batch carries all."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="15")
    await world.give("alice", 9)
    photo = await world.upload("alice")
    first = await world.submit("alice")
    rated = await world.submit("alice", type="photo_rating", input={"imageUri": photo})
    both = await world.submit("alice", input={"imageUri": photo, "text": "found in the garden"})
    world.pass_time(seconds=16)

    await world.finish()

    assert set((await world.job(rated))["result"]) == {"starRating", "colorLabel", "title", "description", "tags"}
    assert (await world.job(both))["status"] == "completed"
    assert [batch["jobCount"] for batch in await world.batches()] == [1, 2]
    line = (await world.artifact((await world.job(rated))["batchId"], "input.jsonl")).splitlines()[0]
    content = json.loads(line)["body"]["messages"][1]["content"]
    assert content[-1]["image_url"]["url"].startswith("data:image/png;base64,")
    assert (await world.job(first))["status"] == "completed"
    await assert_promises_kept(world)


async def test_a_web_image_is_passed_on_and_never_fetched(world: World) -> None:
    """An https address goes to the provider as it stands."""
    await world.give("alice", 1)

    job_id = await world.submit("alice", input={"imageUri": "https://example.com/bottle.jpg"})

    line = json.loads(await world.artifact((await world.job(job_id))["batchId"], "input.jsonl"))
    assert line["custom_id"] == f"job-{job_id}"
    assert line["body"]["messages"][1]["content"] == [
        {"type": "image_url", "image_url": {"url": "https://example.com/bottle.jpg"}}
    ]


@pytest.mark.parametrize("speed", ["batch", "instant"])
async def test_a_persons_screen_obeys_no_answer(world: World, speed: str) -> None:
    """An answer in a fence is stored, and shown, without controls and turned directions; emoji stay whole."""
    hostile = "👩\u200d🔬 bottle\u202e\x1b[31m\x00\u2067"
    answer = {name: hostile if isinstance(value, str) else value for name, value in RIGHT_ANSWER.items()}
    answer |= {"category": "dry", "tips": [hostile]}
    world.provider.faults.add(ReplyRule(Reply(content=f"```json\n{json.dumps(answer)}\n```"), times=None))
    await world.give("alice", 5)

    job_id = await world.submit("alice", speed=speed)
    await world.finish()

    job, note = await world.job(job_id), await world.read(f"notifications/{job_id}")
    clean = "👩\u200d🔬 bottle[31m"
    assert job["status"] == "completed"
    assert job["result"]["itemName"] == job["result"]["explanation"] == job["result"]["tips"][0] == clean
    assert (await world.read(f"classifications/{job_id}"))["result"] == job["result"]
    assert note["message"] == f"{clean}: dry"
    await assert_promises_kept(world)


async def test_an_answer_of_five_megabytes_is_invalid_and_delays_no_other_job(world: World) -> None:
    """It is what was asked for but for its size; no commit is tried with it, and its neighbour has its answer."""
    world.provider.faults.add(
        ReplyRule(Reply(content=RIGHT_ANSWER | {"explanation": "x" * 5_000_000}), text="huge", times=None),
        ReplyRule(Reply(content=RIGHT_ANSWER), times=None),
    )
    world.set_env(NIGHTSHIFT_MAX_ATTEMPTS="1", NIGHTSHIFT_COALESCE_SECONDS="60")
    await world.give("alice", 3)
    await world.submit("alice")
    huge = await world.submit("alice", input={"text": "huge"})
    neighbour = await world.submit("alice")

    await world.finish()

    job = await world.job(huge)
    assert (job["status"], job["errorCode"]) == ("failed", "result_invalid")
    assert len(job["errorMessage"]) < 500
    assert (await world.job(neighbour))["status"] == "completed"
    assert (await world.read("wallets/alice"))["balance"] == 1
    await assert_promises_kept(world)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply.refuses("I cannot help with that."), "provider_refused"),
        (Reply(content="", finish_reason="content_filter"), "provider_refused"),
        (Reply.http_error(400, "context_length_exceeded"), "provider_rejected"),
        (Reply.http_error(400, "invalid_image"), "invalid_input"),
        (Reply.http_error(400, "invalid_prompt"), "provider_refused"),
    ],
)
async def test_what_no_repetition_mends_fails_at_once_and_is_refunded(world: World, reply: Reply, code: str) -> None:
    """A refusal, or a request that the provider calls wrong, is not sent again."""
    world.provider.faults.add(ReplyRule(reply, times=None))
    await world.give("alice", 2)

    job_id = await world.submit("alice")
    await world.finish()

    job = await world.job(job_id)
    assert (job["status"], job["errorCode"], job["attempts"], job["tokensSpent"]) == ("failed", code, 1, 0)
    assert (await world.read("wallets/alice"))["balance"] == 2
    assert (await world.read(f"wallets/alice/ledger/{job_id}.refund"))["amount"] == 1
    assert "returned" in (await world.read(f"notifications/{job_id}"))["message"]
    await assert_promises_kept(world)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(content="this is no JSON"), "result_invalid"),
        (Reply(content=WRONG_ANSWER), "result_invalid"),
        (Reply(content='{"itemName": "bo', finish_reason="length"), "result_invalid"),
        (Reply.http_error(400, "a code that no set knows"), "provider_rejected"),
        (Reply.left_out(), "result_missing"),
    ],
)
async def test_what_may_pass_is_tried_again_until_the_attempts_are_spent(world: World, reply: Reply, code: str) -> None:
    """A passing failure is sent again, three times in all; then the job fails with its code and costs nothing."""
    world.provider.faults.add(ReplyRule(reply, times=None))
    await world.give("alice", 2)

    job_id = await world.submit("alice")
    await world.finish()

    job = await world.job(job_id)
    assert (job["status"], job["errorCode"], job["attempts"]) == ("failed", code, 3)
    assert len(world.provider.batches) == 3
    assert [batch["counts"]["retried"] for batch in await world.batches()] == [1, 1, 0]
    assert (await world.batches())[-1]["counts"]["failed"] == 1
    assert (await world.read("wallets/alice"))["balance"] == 2
    await assert_promises_kept(world)


async def test_a_retry_that_succeeds_costs_what_one_answer_costs(world: World) -> None:
    """The user never sees the first, failed attempt: processing, then completed, one token."""
    world.provider.faults.add(ReplyRule(Reply.left_out()), ReplyRule(Reply(content=WRONG_ANSWER)))
    await world.give("alice", 2)

    job_id = await world.submit("alice")
    await world.finish()

    job = await world.job(job_id)
    assert (job["status"], job["attempts"], job["tokensSpent"]) == ("completed", 3, 1)
    assert (await world.read("wallets/alice"))["balance"] == 1
    await assert_promises_kept(world)


async def test_the_attempts_limit_is_a_setting(world: World) -> None:
    """With one attempt, the first failure is the last."""
    world.set_env(NIGHTSHIFT_MAX_ATTEMPTS="1")
    world.provider.faults.add(ReplyRule(Reply.left_out(), times=None))
    await world.give("alice", 2)

    job_id = await world.submit("alice")
    await world.finish()

    job = await world.job(job_id)
    assert (job["errorCode"], job["attempts"]) == ("result_missing", 1)
    await assert_promises_kept(world)


async def test_an_expired_batch_keeps_the_answers_that_it_has(world: World) -> None:
    """What was answered before the expiry was paid for and is delivered; the rest is sent again."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="15")
    world.provider.hold("in_progress")
    await world.give("alice", 9)
    await world.submit("alice", "warm-up")
    job_ids = [await world.submit("alice") for _ in range(6)]
    world.pass_time(seconds=16)
    assert await world.tick() == 200
    second = (await world.batches())[1]

    await world.provider.expire(second["remoteId"], answered=2)
    assert await world.tick() == 200

    assert len([job_id for job_id in job_ids if (await world.job(job_id))["status"] == "completed"]) == 2
    expired = (await world.batches())[1]
    assert (expired["status"], expired["counts"]["completed"], expired["counts"]["retried"]) == ("expired", 2, 4)
    world.provider.release()
    await world.finish()
    assert len(await world.jobs("completed")) == 7
    await assert_promises_kept(world)


async def test_batches_that_expire_again_and_again_end_in_a_refund(world: World) -> None:
    """When the attempts are spent, an expired job fails as such."""
    world.set_env(NIGHTSHIFT_MAX_ATTEMPTS="2")
    world.provider.hold("in_progress")
    await world.give("alice", 1)
    job_id = await world.submit("alice")

    for _ in range(2):
        await world.provider.settled()
        await world.provider.expire((await world.open_batches())[0]["remoteId"])
        assert await world.tick() == 200

    job = await world.job(job_id)
    assert (job["status"], job["errorCode"]) == ("failed", "batch_expired")
    await assert_promises_kept(world)


async def test_a_completed_batch_without_an_output_file_fails_by_its_error_file(world: World) -> None:
    """Every request failed: `output_file_id` is null, and the error file tells each job's fate."""
    world.provider.faults.add(ReplyRule(Reply.http_error(400, "context_length_exceeded"), times=None))
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="15")
    await world.give("alice", 3)
    for _ in range(3):
        await world.submit("alice")
    world.pass_time(seconds=16)

    await world.finish()

    assert {job["errorCode"] for job in (await world.jobs()).values()} == {"provider_rejected"}
    assert all(batch["outputFileId"] is None for batch in await world.batches())
    await assert_promises_kept(world)


@pytest.mark.parametrize("hours", [0, 6])
async def test_an_output_file_that_is_named_late_is_waited_for(world: World, hours: int) -> None:
    """`completed` without its output id is not yet the end, however late we look; an empty string is no error file."""
    world.provider.faults.add(BatchFault(output_id_late_reads=2, empty_error_file_id=True))
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    await world.provider.settled()
    world.pass_time(hours=hours)

    assert await world.tick() == 200
    assert (await world.job(job_id))["status"] == "processing"
    await world.finish()

    assert (await world.job(job_id))["status"] == "completed"
    assert (await world.job(job_id))["attempts"] == 1
    await assert_promises_kept(world)


async def test_unknown_duplicate_and_malformed_lines_are_counted_and_harm_no_job(world: World) -> None:
    """Strange lines neither fail the batch nor touch a job of another batch; the true lines count."""

    def spoil(_: Batch, lines: list[bytes]) -> list[bytes]:
        stranger = lines[0].replace(b'"job-', b'"job-unknown')
        foreign = lines[0].replace(b'"custom_id":', b'"custom_id": 7, "was":')
        answer = json.loads(lines[0])
        answer["custom_id"] = "job-elsewhere"
        conflicting = lines[0].replace(b'"status_code"', b'"status"')
        garbage = [b"{", b"[]", b"null", b"\xff\xfe", b"not json", b'{"custom_id": "job-../../x"}']
        return [*garbage, stranger, foreign, json.dumps(answer).encode(), *lines, *lines, conflicting]

    await world.give("alice", 5)
    world.provider.hold("in_progress")
    elsewhere = await world.submit("alice", "elsewhere")
    job_id = await world.submit("alice")
    world.provider.script.edit_output = spoil
    world.provider.release()
    await world.provider.settled()

    await world.finish()

    assert (await world.job(job_id))["status"] == "completed"
    assert (await world.job(elsewhere))["status"] == "completed"
    batch = await world.read(f"ai_batches/{(await world.job(job_id))['batchId']}")
    assert batch["counts"] == {"completed": 1, "failed": 0, "retried": 0, "cancelled": 0}
    assert batch["malformedLines"] == 7
    assert batch["unknownLines"] == 2
    await assert_promises_kept(world)


async def test_separators_that_are_no_newlines_do_not_cut_a_line(world: World) -> None:
    """U+2028, U+0085 and emoji travel there and back; in the result, a line ends as everywhere."""
    await world.give("alice", 1)
    odd = "one\u2028two\u0085three \U0001f37e"

    def answer(_: str | None, body: dict[str, object]) -> Reply:
        assert odd in json.dumps(body, ensure_ascii=False)
        fields = {"material": odd, "disposalInstructions": odd, "environmentalImpact": odd, "explanation": odd}
        return Reply(content={"itemName": odd, "category": "dry", "confidence": 1, "tips": [odd], **fields})

    world.provider.script.answer = answer
    world.provider.script.edit_output = lambda _, lines: [
        json.dumps(json.loads(line), ensure_ascii=False).encode() for line in lines
    ]

    job_id = await world.submit("alice", input={"text": odd})
    await world.finish()

    assert (await world.job(job_id))["result"]["itemName"] == "one\ntwo\nthree \U0001f37e"


async def test_a_batch_that_the_provider_fails_is_sent_again_then_refunded(world: World) -> None:
    """A batch that fails validation costs an attempt; with the attempts spent, its jobs fail as `batch_failed`."""
    world.provider.faults.add(BatchFault(fail_code="invalid_json_line", times=3))
    await world.give("alice", 1)

    job_id = await world.submit("alice")
    await world.finish()

    job = await world.job(job_id)
    assert (job["errorCode"], job["attempts"]) == ("batch_failed", 3)
    assert [batch["errorCode"] for batch in await world.batches()] == ["invalid_json_line"] * 3
    await assert_promises_kept(world)


async def test_a_full_queue_at_the_provider_backs_the_lane_off_and_costs_no_attempt(world: World) -> None:
    """`token_limit_exceeded` is not a job's fault: the jobs wait half an hour and go again."""
    world.provider.faults.add(BatchFault(fail_code="token_limit_exceeded"))
    await world.give("alice", 2)
    job_id = await world.submit("alice")
    await world.provider.settled()

    assert await world.tick() == 200
    job = await world.job(job_id)
    assert (job["status"], job["attempts"]) == ("queued", 0)
    await world.submit("alice")
    assert len(world.provider.batches) == 1, "the lane backs off"

    world.pass_time(minutes=31)
    await world.finish()
    assert (await world.job(job_id))["attempts"] == 1
    await assert_promises_kept(world)


async def test_a_backlog_larger_than_the_providers_queue_goes_out_in_smaller_batches(world: World) -> None:
    """Each refusal halves the lane's batches until they fit; then they grow again, and every job is answered."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    world.provider.hold("validating")
    await world.give("alice", 13)
    for _ in range(13):
        await world.submit("alice")
    sizes = []
    for _ in range(12):
        for batch in await world.open_batches():
            sizes.append(batch["jobCount"])
            if batch["jobCount"] > 4:
                await world.provider.fail(batch["remoteId"], "token_limit_exceeded")
        world.provider.release()
        await world.provider.settled()
        world.provider.hold("validating")
        assert await world.tick() == 200
        world.pass_time(minutes=31)
    world.provider.release()
    await world.finish()

    assert max(sizes) == 12
    assert len(await world.jobs("completed")) == 13
    assert {job["attempts"] for job in (await world.jobs()).values()} == {1}


async def test_a_batch_that_a_person_cancels_keeps_what_is_done_and_sends_the_rest_again(world: World) -> None:
    """A cancel at the provider's console loses nothing."""
    world.provider.hold("in_progress")
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    await world.provider.settled()

    await world.cancel_at_provider((await world.batches())[0]["remoteId"])
    world.provider.release()
    await world.finish()

    assert (await world.batches())[0]["status"] == "cancelled"
    assert (await world.job(job_id))["status"] == "completed"
    await assert_promises_kept(world)


async def test_a_status_that_moves_backwards_does_not_move_the_batch(world: World) -> None:
    """Once the outcome is on record, the provider is not asked again."""
    world.provider.faults.add(BatchFault(regressed_reads=3))
    await world.give("alice", 1)
    job_id = await world.submit("alice")

    await world.finish()

    assert (await world.job(job_id))["status"] == "completed"
    await assert_promises_kept(world)


async def test_an_image_that_vanishes_before_the_submission_fails_only_its_own_job(world: World) -> None:
    """The job was paid when its image was there; without it, it is refunded, and the others go on."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="15")
    await world.give("alice", 5)
    photo = await world.upload("alice")
    await world.submit("alice")
    orphaned = await world.submit("alice", type="photo_rating", input={"imageUri": photo})
    other = await world.submit("alice")
    await world.delete_upload(photo)
    world.pass_time(seconds=16)

    await world.finish()

    job = await world.job(orphaned)
    assert (job["status"], job["errorCode"]) == ("failed", "invalid_input")
    assert (await world.job(other))["status"] == "completed"
    await assert_promises_kept(world)


async def test_a_batch_is_priced_by_what_the_provider_counted(world: World) -> None:
    """The batch document carries usage, cost, and what the same would have cost in real time: the double."""
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    await world.finish()

    batch = (await world.batches())[0]

    assert batch["usage"] == (await world.job(job_id))["usage"]
    assert batch["realtimeCostUsd"] == pytest.approx(2 * batch["costUsd"])
    assert (await world.job(job_id))["costUsd"] == pytest.approx(batch["costUsd"])
    assert batch["lane"] == f"{batch['provider']}:{batch['endpoint']}:{batch['model']}"
    assert batch["createdAt"] <= batch["submittedAt"] <= batch["completedAt"]
