"""`job`: where a job is, and all that is known of it, for each place in which it can be."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from google.cloud.firestore import DELETE_FIELD

from local.openai_server import BatchFault, Reply, ReplyRule, RequestFault
from nightshift.admission.admit import rescue_one
from nightshift.jobs import created
from nightshift.values.told import dollars
from tests.instant.test_instant import CHAT
from tests.support.auditing import spend_a_night
from tests.support.operating import operate
from tests.support.pause import pause_provider
from tests.support.world import World


async def _story(world: World, capsys: pytest.CaptureFixture[str], job_id: str, **changes: Any) -> dict[str, Any]:
    """What the command tells programs, by kind; of several of a kind a list."""
    code, output, complaints = await operate(world, capsys, "job", job_id, "--json", **changes)
    assert (code, complaints) == (0, "")
    told: dict[str, Any] = {"ledgerEntry": [], "step": []}
    for line in output.splitlines():
        ((kind, fields),) = json.loads(line).items()
        if kind in {"ledgerEntry", "step"}:
            told[kind].append(fields)
        else:
            told[kind] = fields
    return told


async def test_a_completed_job_is_shown_with_all_that_belongs_to_it(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its document without content, its steps, its charge, its batch here and at the provider, and its notification."""
    await spend_a_night(world)

    told = await _story(world, capsys, "answered")

    assert told["standing"].startswith("It was completed on ")
    assert told["standing"].endswith(" 1 token charged.")
    assert (told["job"]["status"], told["hidden"]) == ("completed", ["input", "result"])
    assert not {"input", "result"} & told["job"].keys()
    assert [step["step"] for step in told["step"]] == ["created", "queued", "submitted", "ended"]
    assert all(step["after"] >= 0 for step in told["step"][1:])
    assert [(entry["entryId"], entry["amount"]) for entry in told["ledgerEntry"]] == [("answered.charge", -1)]
    assert told["wallet"] == {"balance": 7}
    assert (told["batch"]["status"], told["batch"]["counts"]["completed"]) == ("completed", 1)
    assert told["provider"]["remoteId"] == told["batch"]["remoteId"]
    assert (told["provider"]["status"], told["provider"]["answered"]) == ("completed", 1)
    assert told["toldToTheUser"] == {"classification": True, "notification": True, "read": False}


async def test_content_is_shown_only_when_asked_for(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --content the terminal never has what the user wrote or got, in either form."""
    await world.give("alice", 1)
    job_id = await world.submit("alice", "secretive", input={"text": "my secret"})
    await world.finish()
    result = (await world.job(job_id))["result"]

    for form in ([], ["--json"]):
        _, output, _ = await operate(world, capsys, "job", job_id, *form)
        assert "my secret" not in output
        assert str(result["itemName"]) not in output
        assert "hidden" in output
    _, output, _ = await operate(world, capsys, "job", job_id, "--content")
    assert "my secret" in output
    assert str(result["itemName"]) in output


@pytest.mark.parametrize(
    ("job_id", "standing", "entries"),
    [
        ("declined", "1 token charged and given back.", ["declined.charge", "declined.refund"]),
        (
            "refused",
            "with insufficient_tokens: You have too few tokens. The price is 1, and you have 0. Nothing was charged.",
            [],
        ),
    ],
)
async def test_a_failed_job_is_shown_with_its_reason_and_its_money(
    world: World, capsys: pytest.CaptureFixture[str], job_id: str, standing: str, entries: list[str]
) -> None:
    """Refunded, or never charged."""
    await spend_a_night(world)

    told = await _story(world, capsys, job_id)

    assert told["standing"].startswith("It failed on ")
    assert told["standing"].endswith(standing)
    assert [entry["entryId"] for entry in told["ledgerEntry"]] == entries


async def test_what_is_missing_is_said_with_the_command_that_mends_it(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """A refund, a notification, a classification."""
    await spend_a_night(world)
    for path in ("notifications/answered", "classifications/answered", "wallets/alice/ledger/declined.refund"):
        await world.firestore.document(path).delete()

    answered = (await _story(world, capsys, "answered"))["standing"]
    declined = (await _story(world, capsys, "declined"))["standing"]

    assert "Its user has no notification: `audit --repair` writes" in answered
    assert "Its classification is missing" in answered
    assert declined.endswith("1 token charged, and not given back: `audit --repair` does.")


async def test_a_job_that_is_not_admitted_yet(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Its event may be on its way; after two ticks something else is wrong."""
    job_id = await world.write("alice")

    told = await _story(world, capsys, job_id)
    assert "Its event admits it, or, 2 min after its creation, the next tick." in told["standing"]
    assert (told["wallet"], told["ledgerEntry"]) == ({"balance": None}, [])

    world.pass_time(minutes=21)
    assert "longer than two ticks" in (await _story(world, capsys, job_id))["standing"]


async def test_a_queued_job_waits_for_the_tick(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """In which lane, since when; of a budget what is left; after two ticks where to look; whether its user waits."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 2)
    await world.submit("alice", "first")
    await world.submit("alice", "second")

    standing = (await _story(world, capsys, "second"))["standing"]
    assert "in lane openai:/v1/chat/completions:gpt-5-mini. The next tick submits it." in standing
    standing = (await _story(world, capsys, "second", daily_budget_usd=2.0))["standing"]
    assert "of today's US$ 2.00 are spent" in standing

    world.pass_time(minutes=21)
    standing = (await _story(world, capsys, "second"))["standing"]
    assert "(21 min ago)" in standing
    assert "That is longer than two ticks: do they run?" in standing

    lane = world.firestore.document("lanes/openai:%2Fv1%2Fchat%2Fcompletions:gpt-5-mini")
    await lane.update({"usersBackOff": {"alice": world.now() + timedelta(minutes=20, seconds=30)}})
    standing = (await _story(world, capsys, "second"))["standing"]
    assert "Its user's requests troubled the provider again and again: they wait until" in standing
    assert "(in 20 min)" in standing


async def test_a_queued_job_whose_lane_backs_off(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The provider's queue was full: until when, and that no attempt is lost."""
    world.provider.faults.add(BatchFault(fail_code="token_limit_exceeded"))
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    await world.provider.settled()
    assert await world.tick() == 200

    standing = (await _story(world, capsys, job_id))["standing"]

    assert "The provider's queue was full: the lane backs off until" in standing
    assert "(in 29 min)" in standing or "(in 30 min)" in standing


async def test_a_job_that_was_tried_before_says_so(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Queued again after an answer that was not valid."""
    world.provider.faults.add(ReplyRule(Reply(content="no JSON")))
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    await world.provider.settled()
    await world.firestore.document("lanes/openai:%2Fv1%2Fchat%2Fcompletions:gpt-5-mini").set(
        {"backsOffUntil": world.now().replace(year=2100)}
    )
    assert await world.tick() == 200

    assert "It was submitted 1 of 3 times before." in (await _story(world, capsys, job_id))["standing"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "The provider has 24 hours for it"),
        ({"status": "sealed"}, "not known to be at the provider"),
        ({"status": "completed"}, "The batch is closed (completed), and it was left behind: the tick recovers it."),
        (None, "There is no such batch (any more): the tick recovers it."),
    ],
)
async def test_a_job_in_a_batch_says_how_far_that_is(
    world: World, capsys: pytest.CaptureFixture[str], changes: dict[str, str] | None, expected: str
) -> None:
    """At the provider, on its way there, or left behind."""
    world.provider.hold("in_progress")
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    batch = world.firestore.document(f"ai_batches/{(await world.job(job_id))['batchId']}")
    if changes is None:
        await batch.delete()
    elif changes:
        await batch.update(changes)

    told = await _story(world, capsys, job_id)

    assert expected in told["standing"]
    assert told["batch"]["batchId"] == batch.id
    assert ("provider" in told) == (changes is not None)


async def test_a_job_that_is_being_answered_in_real_time(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which attempt, and from when a sweep may take it; after that time, that its instance has died."""
    pause = pause_provider(monkeypatch, "POST", CHAT, "before")
    await world.give("alice", 5)
    job_id = await world.write("alice", speed="instant")
    trigger = asyncio.create_task(world.trigger(job_id))
    await pause.begun()

    told = await _story(world, capsys, job_id)
    assert told["standing"].startswith("It is answered in real time, since ")
    assert " Attempt 1 is under way; should its instance die, a sweep takes it from " in told["standing"]
    assert (told["batch"], "deadline" in told["standing"]) == ({}, False)
    world.pass_time(minutes=3)
    standing = (await _story(world, capsys, job_id))["standing"]
    assert (
        " The instance of attempt 1 has died. The next sweep asks for it. Without an answer it fails from" in standing
    )

    pause.end()
    assert await trigger == 200


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (RequestFault("POST", CHAT, status=429, headers={"Retry-After": "60"}), "the provider was asked too often."),
        (RequestFault("POST", CHAT, status=503, headers={"Retry-After": "60"}), "the provider had trouble."),
        (
            RequestFault("POST", CHAT, status=401, headers={"Retry-After": "60"}),
            "the provider does not answer without an operator: look at the key and the credit.",
        ),
    ],
    ids=["a limit", "trouble", "a wrong key"],
)
async def test_a_job_in_real_time_that_waits_says_for_what_and_until_when(
    world: World, capsys: pytest.CaptureFixture[str], fault: RequestFault, expected: str
) -> None:
    """Then that a sweep asks; and when no sweep did for long, where to look."""
    world.provider.faults.add(fault)
    await world.give("alice", 5)
    job_id = await world.submit("alice", speed="instant")

    standing = (await _story(world, capsys, job_id))["standing"]
    assert f"It waits since attempt 1: {expected} The next attempt comes from " in standing
    assert standing.endswith("(in 5 h).") or standing.endswith("(in 6 h).")

    world.pass_time(minutes=3)
    assert " The next sweep asks for it." in (await _story(world, capsys, job_id))["standing"]
    world.pass_time(minutes=30)
    assert (
        "do the sweeps run? Look into the log of answerInstantJobs."
        in ((await _story(world, capsys, job_id))["standing"])
    )


async def test_a_job_in_real_time_says_if_it_waits_for_the_budget_or_was_rescued(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Above the daily budget; and when a tick admitted it and no sweep has taken it yet."""
    world.bound(longest_pause_seconds=0)
    await world.give("alice", 15)
    await world.submit("alice", speed="instant")
    world.set_env(NIGHTSHIFT_DAILY_BUDGET_USD="0.00000001")
    job_id = await world.submit("alice", speed="instant")

    assert "It waits since attempt 1: the day's budget is spent." in (await _story(world, capsys, job_id))["standing"]

    rescued = await world.write("alice", speed="instant")
    written = await created.read(world.operators_runtime(), rescued)
    assert written
    await rescue_one(world.operators_runtime(), written)
    standing = (await _story(world, capsys, rescued))["standing"]
    assert "It waits since attempt 0: a tick admitted it, since its event was lost. The next sweep asks" in standing


async def test_a_job_says_if_it_waits_since_its_users_share_is_spent(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the queue and in real time; another user's queued job says nothing of a share."""
    world.bound(longest_pause_seconds=0)
    world.set_env(NIGHTSHIFT_DAILY_BUDGET_USD="1")
    await world.give("alice", 15)
    await world.give("bob", 1)
    first = await world.job(await world.submit("alice", speed="instant"))
    world.set_env(NIGHTSHIFT_DAILY_BUDGET_USD=str(3 * first["costUsd"]), NIGHTSHIFT_COALESCE_SECONDS="3600")

    now = await world.submit("alice", speed="instant")
    queued, bobs = await world.submit("alice"), await world.submit("bob")

    assert "its user's share of the day's budget is spent." in (await _story(world, capsys, now))["standing"]
    standing = (await _story(world, capsys, queued))["standing"]
    taken = f"Its user has taken {dollars(first['costUsd'])} of today's budget, and a user's share of it is "
    assert f"{taken}{dollars(0.75 * first['costUsd'])}: it waits for the next day in UTC." in standing
    assert "share" not in (await _story(world, capsys, bobs))["standing"]


async def test_a_job_that_was_taken_out_for_its_deadline_says_so(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before that it is a job in a batch like any other."""
    world.provider.hold("in_progress")
    world.provider.faults.add(RequestFault("POST", CHAT, status=429, headers={"Retry-After": "60"}))
    await world.give("alice", 5)
    job_id = await world.submit("alice", deadline=world.now() + timedelta(seconds=90))
    assert "It has been in batch " in (await _story(world, capsys, job_id))["standing"]

    assert await world.sweep() == 200

    standing = (await _story(world, capsys, job_id))["standing"]
    assert " It was taken out of the batch lane for its deadline, " in standing
    assert " It waits since attempt 2: the provider was asked too often." in standing


async def test_a_batch_that_the_provider_does_not_take_says_what_to_ask(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Out of credit for more than two ticks."""
    world.provider.faults.add(RequestFault("POST", "/v1/batches", status=429, times=None))
    await world.give("alice", 1)
    job_id = await world.submit("alice")

    assert "out of credit" not in (await _story(world, capsys, job_id))["standing"]
    world.pass_time(minutes=21)
    assert await world.tick() == 200

    assert (await _story(world, capsys, job_id))["standing"].endswith(
        "processBatchJobs. Is the provider down, or out of credit?"
    )


async def test_a_provider_that_cannot_be_asked_is_named_and_the_rest_is_shown(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a key, with a wrong one, unreachable, or without such a batch: exit code 0, and a word."""
    await world.give("alice", 1)
    job_id = await world.submit("alice")

    async def status(**changes: Any) -> str:
        told = await _story(world, capsys, job_id, **changes)
        assert told["toldToTheUser"]["notification"] is False
        said: str = told["provider"]["status"]
        return said

    assert await status(openai_api_key=None) == "not asked: OPENAI_API_KEY is not set"
    assert (await status(openai_base_url="http://127.0.0.1:9/v1")).startswith("it does not say: ")
    world.provider.faults.add(RequestFault("GET", "/v1/batches/.*", status=401, times=1))
    assert (await status()).startswith("it does not say: ")
    batch = (await world.batches())[0]
    await world.firestore.document(f"ai_batches/{batch['id']}").update({"remoteId": "batch_unheard_of"})
    assert await status() == "the provider has no such batch"


@pytest.mark.parametrize(
    "damage",
    [
        {"userId": 7, "batchId": ["x"], "createdAt": "yesterday", "attempts": "many"},
        {"userId": "a/b", "batchId": "__x__", "lane": 3, "status": "queued"},
        {"status": {"is": "odd"}, "completedAt": None},
        {"status": DELETE_FIELD, "type": "\x1b[31mred"},
    ],
)
async def test_a_damaged_document_is_shown_as_far_as_it_can_be_read(
    world: World, capsys: pytest.CaptureFixture[str], damage: dict[str, Any]
) -> None:
    """Whatever a client wrote into it; and no terminal sequence of the client's gets through."""
    await spend_a_night(world)
    await world.firestore.document("ai_jobs/answered").update(damage)

    assert (await _story(world, capsys, "answered"))["job"]["jobId"] == "answered"
    code, output, complaints = await operate(world, capsys, "job", "answered")
    assert (code, complaints) == (0, "")
    assert "\x1b" not in output


async def test_a_job_that_there_is_not_is_not_found(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 and a sentence; an id that no document can have is wrong usage."""
    code, output, complaints = await operate(world, capsys, "job", "unknown")
    assert (code, output, complaints) == (1, "", f"There is no job unknown in {world.project}.\n")

    with pytest.raises(SystemExit) as exited:
        await operate(world, capsys, "job", "a/b")
    assert exited.value.code == 2
