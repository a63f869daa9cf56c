"""The API's jobs: written as a client writes them, once under one key, and each user sees the own ones."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from nightshift import job_types
from tests.chaos.calls import Strike, Traffic, seam
from tests.chaos.faults import FAULTS
from tests.support.world import World

BOTTLE = {"type": "waste_classification", "input": {"text": "an empty glass bottle"}}


def error_of(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code of an error in the one form."""
    error = answer.json()["error"]
    assert error.keys() - {"details"} == {"code", "message", "requestId"}
    assert error["requestId"] == answer.headers["x-request-id"]
    return answer.status_code, error["code"]


async def test_a_job_of_the_api_is_a_clients_and_is_answered(world: World) -> None:
    """The document has a client's fields and no other; its event brings it home, and the caller sees the result."""
    await world.give("alice", 1)

    created = await world.api("POST", "/jobs", json=BOTTLE)

    assert created.status_code == 201
    job_id = created.json()["id"]
    document = await world.job(job_id)
    assert document.keys() == {"userId", "type", "speed", "input", "priority", "status", "createdAt"}
    assert await world.trigger(job_id) == 200
    await world.finish()
    seen = (await world.api("GET", f"/jobs/{job_id}")).json()
    assert seen.items() >= {"id": job_id, "status": "completed", "tokensSpent": 1, "input": BOTTLE["input"]}.items()
    assert seen["result"] == (await world.job(job_id))["result"]


async def test_a_key_gives_the_same_answer_and_creates_once(world: World) -> None:
    """Repeated, side by side, and after the job moved on; with another body 409; another user's key is another one."""
    await world.give("alice", 3)
    await world.give("bob", 3)
    key = {"Idempotency-Key": "a-key"}
    deadline = {**BOTTLE, "deadline": (world.now() + timedelta(hours=2)).isoformat()}

    first, second = await asyncio.gather(*(world.api("POST", "/jobs", json=deadline, headers=key) for _ in range(2)))
    await world.trigger(first.json()["id"])
    world.pass_time(hours=3)
    third = await world.api("POST", "/jobs", json=deadline, headers=key)
    other_body = await world.api("POST", "/jobs", json={**BOTTLE, "priority": 9}, headers=key)
    other_user = await world.api("POST", "/jobs", "bob", json=BOTTLE, headers=key)

    assert (first.status_code, first.content) == (201, second.content)
    assert (third.status_code, third.content) == (201, first.content)
    assert error_of(other_body) == (409, "idempotency_mismatch")
    assert other_user.json()["id"] != first.json()["id"]
    assert len(await world.jobs()) == 2


@pytest.mark.parametrize(("key", "calls_before"), [({}, 1), ({"Idempotency-Key": "k"}, 2)])
async def test_a_lost_answer_of_the_commit_creates_no_second_job(
    world: World, key: dict[str, str], calls_before: int
) -> None:
    """The commit landed and said nothing: the answer is the one that it would have given, also without a key."""
    await world.give("alice", 3)
    with seam():
        # The wallet is read before, and with a key what it has made.
        traffic = Traffic(Strike(FAULTS["lost"], calls_before))
        answer = await traffic.invoke(lambda: world.api("POST", "/jobs", json=BOTTLE, headers=key))
    assert [call.name for call, _ in traffic.struck] == ["firestore.Commit"]
    assert answer
    assert answer.status_code == 201
    assert list(await world.jobs()) == [answer.json()["id"]]


async def test_many_jobs_are_created_together_or_not_at_all(world: World) -> None:
    """One that is not valid is named and stops them all; a key knows one job fewer, and one more."""
    await world.give("alice", 250)
    key = {"Idempotency-Key": "night"}
    jobs = [{**BOTTLE, "input": {"text": f"bottle {number}"}} for number in range(250)]
    broken: list[dict[str, Any]] = [*jobs[:2], {**BOTTLE, "input": {"text": ""}}]

    refused = await world.api("POST", "/jobs/bulk", json={"jobs": broken}, headers=key)
    too_many = await world.api("POST", "/jobs/bulk", json={"jobs": [*jobs, BOTTLE]}, headers=key)
    first = await world.api("POST", "/jobs/bulk", json={"jobs": jobs[:249]}, headers=key)
    again = await world.api("POST", "/jobs/bulk", json={"jobs": jobs[:249]}, headers=key)
    fewer = await world.api("POST", "/jobs/bulk", json={"jobs": jobs[:248]}, headers=key)
    more = await world.api("POST", "/jobs/bulk", json={"jobs": jobs}, headers=key)

    assert error_of(refused) == (400, "invalid_input")
    assert refused.json()["error"]["details"][0]["field"] == "jobs.2"
    assert error_of(too_many) == (400, "invalid_request")
    assert first.status_code == 201
    assert first.content == again.content
    assert [error_of(other) for other in (fewer, more)] == [(409, "idempotency_mismatch")] * 2
    assert {job["input"]["text"] for job in (await world.jobs()).values()} == {f"bottle {n}" for n in range(249)}


async def test_what_admission_would_refuse_writes_no_document(world: World) -> None:
    """An unknown type, an odd input, a near deadline, an empty wallet, a field of its own: told at once."""
    world.set_env(NIGHTSHIFT_MIN_DEADLINE_SECONDS="3600")
    soon = (world.now() + timedelta(minutes=5)).isoformat()
    expected: list[tuple[dict[str, Any], tuple[int, str]]] = [
        ({**BOTTLE, "type": "astrology"}, (400, "unknown_job_type")),
        ({**BOTTLE, "input": {"text": "x" * 8_001}}, (400, "invalid_input")),
        ({**BOTTLE, "input": {"audio": "x"}}, (400, "invalid_input")),
        ({**BOTTLE, "deadline": soon}, (400, "invalid_input")),
        ({**BOTTLE, "deadline": soon, "speed": "instant"}, (400, "invalid_input")),
        ({**BOTTLE, "priority": 11}, (400, "invalid_request")),
        ({**BOTTLE, "userId": "bob"}, (400, "invalid_request")),
        ({**BOTTLE, "status": "completed"}, (400, "invalid_request")),
        (BOTTLE, (402, "insufficient_tokens")),
    ]

    for body, refusal in expected:
        assert error_of(await world.api("POST", "/jobs", json=body)) == refusal
    assert error_of(await world.api("POST", "/jobs", content=b"[" * 100_000)) == (400, "invalid_request")
    assert not await world.jobs()


@pytest.mark.parametrize(("path", "job_type"), [("creative-scoring", "creative_scoring"), ("embeddings", "embedding")])
async def test_a_path_of_an_older_service_creates_a_job_of_its_type(world: World, path: str, job_type: str) -> None:
    """The path names the type, so the body does not; a body that names one is refused. The job is answered."""
    await world.give("alice", 5)
    body = {"input": {"text": "Buy one bottle, get one free."}}
    refused = await world.api("POST", f"/batch/integrate/{path}", json={**body, "type": job_type})
    created = await world.api("POST", f"/batch/integrate/{path}", json=body)
    job_id = created.json()["id"]
    assert await world.trigger(job_id) == 200
    await world.finish()

    job = await world.job(job_id)
    assert (error_of(refused), created.status_code) == ((400, "invalid_request"), 201)
    assert (job["type"], job["status"]) == (job_type, "completed")


async def test_a_user_sees_and_cancels_the_own_jobs_only(world: World) -> None:
    """Another user's job is as one that does not exist; a cancelled one is refunded once, however often asked."""
    await world.give("alice", 1)
    job_id = await world.submit("alice")

    for method, path in (("GET", f"/jobs/{job_id}"), ("POST", f"/jobs/{job_id}/cancel"), ("GET", "/jobs/none")):
        assert error_of(await world.api(method, path, "bob")) == (404, "not_found")
    cancelled = [await world.api("POST", f"/jobs/{job_id}/cancel") for _ in range(2)]

    assert [answer.json() for answer in cancelled] == [{"id": job_id, "status": "cancelled"}] * 2
    assert (await world.read("wallets/alice"))["balance"] == 1
    await world.give("alice", 1)
    done = await world.submit("alice")
    await world.finish()
    assert error_of(await world.api("POST", f"/jobs/{done}/cancel")) == (409, "already_ended")


async def test_a_list_is_paged_newest_first_and_holds_no_other_users_jobs(world: World) -> None:
    """Every job once, over all pages, by status too; a token of another's making is refused."""
    ids = [await world.write("alice", status="queued" if number % 2 else "created") for number in range(5)]
    await world.write("bob")

    seen: list[str] = []
    more = ["/jobs?pageSize=2"]
    while more:
        page = (await world.api("GET", more.pop())).json()
        seen += [job["id"] for job in page["jobs"]]
        more += [f"/jobs?pageSize=2&pageToken={token}" for token in [page.get("nextPageToken")] if token]
    queued = (await world.api("GET", "/jobs?status=queued")).json()["jobs"]

    assert seen == ids[::-1]
    assert [job["id"] for job in queued] == [ids[3], ids[1]]
    odd = (
        "pageToken=eA",
        "pageToken=W10",
        "pageSize=0",
        "pageSize=101",
        "status=gone",
        "uid=bob",
        "pageSize=1&pageSize=2",
    )
    for query in odd:
        assert (await world.api("GET", f"/jobs?{query}")).status_code == 400


async def test_an_unchanged_job_is_answered_304(world: World) -> None:
    """By the tag of the answer before, strong or weakened by a proxy; a change brings a new tag."""
    job_id = await world.write("alice")
    first = await world.api("GET", f"/jobs/{job_id}")
    tag = first.headers["etag"]

    same = await world.api("GET", f"/jobs/{job_id}", headers={"If-None-Match": f'"x", W/{tag}'})
    await world.firestore.document(f"ai_jobs/{job_id}").update({"status": "queued"})
    changed = await world.api("GET", f"/jobs/{job_id}", headers={"If-None-Match": tag})

    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag
    assert changed.headers["cache-control"] == "private, no-cache"


async def test_a_document_that_was_damaged_is_shown_without_its_odd_fields(world: World) -> None:
    """What a client wrote before there were rules, or a person by hand, breaks no answer."""
    job_id = await world.write("alice", status="gone", priority="high", input={"text": b"bytes"}, type=7, speed=None)

    seen = await world.api("GET", f"/jobs/{job_id}")
    listed = await world.api("GET", "/jobs")

    assert seen.json().keys() == {"id", "userId", "status", "createdAt"}
    assert listed.json()["jobs"][0]["status"] == "created"


async def test_the_job_types_are_listed_with_their_fields_and_prices(world: World) -> None:
    """All that are registered, for a person who chooses one."""
    listed = (await world.api("GET", "/job-types")).json()["jobTypes"]

    assert {each["name"] for each in listed} == set(job_types.registered())
    (waste,) = [each for each in listed if each["name"] == "waste_classification"]
    assert (waste["fields"], waste["batchTokens"], waste["instantTokens"]) == (["text", "imageUri"], 1, 5)
