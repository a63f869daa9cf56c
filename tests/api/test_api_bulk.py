"""The API's bulk jobs: written as a client writes them, wished of in one commit, and files that pass no function."""

import asyncio
from typing import Any

import httpx

from local.openai_server import Reply, ReplyRule
from tests.api.test_api_jobs import error_of
from tests.bulk.test_batch_mode import run_to_the_end
from tests.support.patience import PATIENCE_SECONDS
from tests.support.world import World

ITEMS: list[dict[str, Any]] = [{"id": number, "text": f"bottle {number}"} for number in range(3)]
BULK = {"type": "waste_classification", "items": ITEMS, "keyColumn": "id", "maxTokens": 10}


async def test_a_bulk_job_of_the_api_is_a_clients_document(world: World) -> None:
    """It has a client's fields and no other; the caller sees it, and lists it without its rows."""
    await world.give("alice", 10)
    created = await world.api("POST", "/bulk-jobs", json=BULK)
    bulk_id = created.json()["id"]

    document = await world.read(f"bulk_jobs/{bulk_id}")
    seen = (await world.api("GET", f"/bulk-jobs/{bulk_id}")).json()
    listed = (await world.api("GET", "/bulk-jobs")).json()["bulkJobs"]

    assert created.status_code == 201
    assert document.items() >= {**BULK, "userId": "alice", "status": "created", "mode": "batch"}.items()
    assert document.keys() == {*BULK, "userId", "status", "mode", "createdAt"}
    assert seen.items() >= {"id": bulk_id, "status": "created", "type": "waste_classification"}.items()
    assert listed == [seen]
    assert error_of(await world.api("GET", f"/bulk-jobs/{bulk_id}", "bob")) == (404, "not_found")
    # Under the paths of an older service it is its owner's, too.
    assert (await world.api("GET", f"/batch/status/{bulk_id}")).json() == seen
    assert (await world.api("GET", f"/batches/{bulk_id}", admin=True)).json() == seen
    assert error_of(await world.api("GET", f"/batch/results/{bulk_id}", "bob")) == (403, "permission_denied")
    assert error_of(await world.api("GET", f"/batches/{bulk_id}", "bob", admin=True)) == (404, "not_found")


async def test_a_key_creates_one_bulk_job(world: World) -> None:
    """Side by side, later, and when the functions have taken the rows out; another body is answered 409."""
    await world.give("alice", 10)
    key = {"Idempotency-Key": "letters"}
    first, second = await asyncio.gather(*(world.api("POST", "/bulk-jobs", json=BULK, headers=key) for _ in range(2)))
    other = await world.api("POST", "/bulk-jobs", json={**BULK, "maxTokens": 11}, headers=key)
    await world.firestore.document(f"bulk_jobs/{first.json()['id']}").update({"status": "running", "parts": 1})
    third = await world.api("POST", "/bulk-jobs", json=BULK, headers=key)

    assert first.content == second.content == third.content
    assert error_of(other) == (409, "idempotency_mismatch")
    assert len(await world.documents("bulk_jobs")) == 1


async def test_a_user_without_a_token_writes_no_bulk_job(world: World) -> None:
    """As the rules have it: 900 kB and their refusal are work, too."""
    await world.give("poor", 0)
    for uid in ("stranger", "poor"):
        assert error_of(await world.api("POST", "/bulk-jobs", uid, json=BULK)) == (402, "insufficient_tokens")
    assert not await world.documents("bulk_jobs")


async def test_a_bulk_job_that_could_never_begin_is_not_written(world: World) -> None:
    """A foreign source, neither rows nor a source, both, an unknown type, a number that no document holds."""
    await world.give("alice", 10)
    theirs = f"gs://{world.project}.firebasestorage.app/users/bob/bulk/x.csv"
    source = {"type": "waste_classification", "source": {"uri": theirs}}
    refused: list[tuple[dict[str, Any], tuple[int, str]]] = [
        (source, (400, "invalid_input")),
        ({"type": "waste_classification"}, (400, "invalid_input")),
        ({**BULK, **source}, (400, "invalid_input")),
        ({**BULK, "type": "astrology"}, (400, "unknown_job_type")),
        ({**BULK, "items": [{"id": 2**63}]}, (400, "invalid_request")),
        ({**BULK, "items": [{"id": [[1]]}]}, (400, "invalid_request")),
        ({**BULK, "skip": {"bulkId": "a/b"}}, (400, "invalid_request")),
        ({**BULK, "status": "completed"}, (400, "invalid_request")),
    ]
    for body, error in refused:
        assert error_of(await world.api("POST", "/bulk-jobs", json=body)) == error
    assert not await world.documents("bulk_jobs")


async def test_a_wish_is_recorded_for_the_owner_alone_and_only_where_it_means_something(world: World) -> None:
    """Each in its state; repeated it is accepted again; another user's is as none."""
    await world.give("alice", 10)
    bulk_id = (await world.api("POST", "/bulk-jobs", json=BULK)).json()["id"]
    ref = world.firestore.document(f"bulk_jobs/{bulk_id}")
    failed = {"open": 0, "completed": 2, "failed": 1, "cancelled": 0}
    for status, wish, body in (
        ("quoted", "confirm", {"maxTokens": 3}),
        ("running", "pause", None),
        ("paused", "resume", None),
        ("completed", "retry", {}),
        ("running", "cancel", None),
    ):
        await ref.update({"status": status, "wish": None, "counts": failed})
        asked = f"/bulk-jobs/{bulk_id}/{wish}"
        assert error_of(await world.api("POST", asked, "bob", json=body)) == (404, "not_found")
        for _ in range(2):
            accepted = await world.api("POST", asked, json=body)
            assert (accepted.status_code, accepted.json()) == (202, {"id": bulk_id, "wish": wish})
        assert (await world.api("GET", f"/bulk-jobs/{bulk_id}")).json()["wish"] == wish
    assert error_of(await world.api("POST", f"/bulk-jobs/{bulk_id}/resume")) == (409, "not_now")


async def test_items_are_paged_by_status_in_the_order_of_the_source(world: World) -> None:
    """Over parts, rounds and pages; an invalid row and a failed one say why; of what is not shown nothing is read."""
    world.set_env(NIGHTSHIFT_PART_ITEMS="3")
    await world.give("alice", 20)
    world.provider.faults.add(ReplyRule(Reply.refuses("no"), text="kind 4"))
    rows = [{"text": f"a bottle of kind {number}"} for number in range(7)]
    bulk_id = await world.start_bulk(items=[*rows, {"text": ""}], maxTokens=7)
    before = (await world.api("GET", f"/bulk-jobs/{bulk_id}/items?status=open")).json()["items"]
    await run_to_the_end(world, bulk_id)

    async def listed(query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        asked = [f"/bulk-jobs/{bulk_id}/items?{query}"]
        while asked:
            page = (await world.api("GET", asked.pop())).json()
            found += page["items"]
            tokens = [page["nextPageToken"]] if "nextPageToken" in page else []
            asked += [f"/bulk-jobs/{bulk_id}/items?{query}&pageToken={token}" for token in tokens]
        return found

    every, completed, failed = (
        await listed("pageSize=2"),
        await listed("status=completed"),
        await listed("status=failed"),
    )

    assert [item["row"] for item in before] == [1, 2, 3, 4, 5, 6, 7]
    assert [item["row"] for item in every] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [item["row"] for item in completed] == [1, 2, 3, 4, 6, 7]
    assert all(item["result"] and "errorCode" not in item for item in completed)
    assert [(item["row"], item["errorCode"]) for item in failed] == [(5, "provider_refused"), (8, "invalid_input")]
    assert failed[0]["columns"] == rows[4]
    assert error_of(await world.api("GET", f"/bulk-jobs/{bulk_id}/items?pageToken=0.x")) == (400, "invalid_page_token")
    assert error_of(await world.api("GET", f"/bulk-jobs/{bulk_id}/items", "bob")) == (404, "not_found")


async def test_the_owner_gets_a_link_to_each_result_file_that_there_is(world: World) -> None:
    """The link leads to the file; one that is not there yet is answered 409, and another user's bulk job 404."""
    await world.give("alice", 10)
    bulk_id = (await world.api("POST", "/bulk-jobs", json=BULK)).json()["id"]
    asked = f"/bulk-jobs/{bulk_id}/download"
    assert error_of(await world.api("GET", asked)) == (409, "no_such_file")
    blob = world.operators_runtime().artifacts.blob(f"bulk/{bulk_id}/results.jsonl")
    await asyncio.to_thread(blob.upload_from_string, b'{"row": 1}\n')
    await world.firestore.document(f"bulk_jobs/{bulk_id}").update({"files": {"jsonl": "results.jsonl", "csv": "../x"}})

    link = (await world.api("GET", f"{asked}?format=jsonl")).json()
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
        got = await client.get(link["url"])

    assert (link["name"], got.content) == ("results.jsonl", b'{"row": 1}\n')
    assert error_of(await world.api("GET", asked)) == (409, "no_such_file")
    assert error_of(await world.api("GET", f"{asked}?format=exe")) == (400, "invalid_request")
    assert error_of(await world.api("GET", f"{asked}?format=jsonl", "bob")) == (404, "not_found")


async def test_a_file_is_put_into_the_callers_own_folder_by_a_link(world: World) -> None:
    """The link takes the file as it says, and the file lies where the answer says; a name with a path is refused."""
    content = b"id,text\n1,bottle\n"
    wanted = {"purpose": "bulk", "name": "things.csv", "contentType": "text/csv"}
    place = (await world.api("POST", "/uploads", json=wanted)).json()

    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
        put = await client.request(place["method"], place["url"], headers=place["headers"], content=content)
        there = await client.get(place["url"])

    assert put.status_code == 200
    assert there.content == content
    assert place["uri"].startswith(f"gs://{world.project}.firebasestorage.app/users/alice/bulk/")
    accepted = {"type": "waste_classification", "source": {"uri": place["uri"]}}
    await world.give("alice", 1)
    assert (await world.api("POST", "/bulk-jobs", json=accepted)).status_code == 201
    odd = await world.api("POST", "/uploads", json={**wanted, "name": "../bob/x.csv"})
    assert error_of(odd) == (400, "invalid_request")
