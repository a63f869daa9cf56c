"""`firestore.rules`, evaluated by the emulator: what a client may do, and above all what it may not."""

import os
from typing import Any

import httpx
import pytest

from local.firestore_json import to_fields
from local.tokens import unsigned_token
from tests.world import World

JOB = {
    "userId": "alice",
    "type": "waste_classification",
    "speed": "batch",
    "input": {"text": "a bottle"},
    "status": "created",
}


class Client:
    """An app, signed in as `uid`, or not at all."""

    def __init__(self, world: World, uid: str | None) -> None:
        self._name = f"projects/{world.project}/databases/(default)/documents"
        self._headers = {"Authorization": f"Bearer {unsigned_token(world.project, uid)}"} if uid else {}
        self._url = f"http://{os.environ['FIRESTORE_EMULATOR_HOST']}/v1/{self._name}"

    async def read(self, path: str) -> int:
        """GET a document; returns the status code."""
        async with httpx.AsyncClient() as client:
            return (await client.get(f"{self._url}/{path}", headers=self._headers)).status_code

    async def write(self, path: str, fields: dict[str, Any], *, mask: bool = False, timed: bool = False) -> int:
        """Write a document; with `mask` only these fields, with `timed` also `createdAt` at the server's time."""
        write: dict[str, Any] = {"update": {"name": f"{self._name}/{path}", "fields": to_fields(fields)}}
        if mask:
            write["updateMask"] = {"fieldPaths": list(fields)}
        if timed:
            write["updateTransforms"] = [{"fieldPath": "createdAt", "setToServerValue": "REQUEST_TIME"}]
        async with httpx.AsyncClient() as client:
            return (
                await client.post(f"{self._url}:commit", headers=self._headers, json={"writes": [write]})
            ).status_code


async def test_a_user_writes_a_job_of_their_own(world: World) -> None:
    """The job of the README is accepted, with a priority and without."""
    alice = Client(world, "alice")

    assert await alice.write("ai_jobs/one", JOB, timed=True) == 200
    assert await alice.write("ai_jobs/two", {**JOB, "priority": 9}, timed=True) == 200
    assert await alice.read("ai_jobs/one") == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"userId": "bob"},
        {"status": "queued"},
        {"speed": "free"},
        {"type": 7},
        {"type": ""},
        {"input": "text"},
        {"input": {}},
        {"priority": 11},
        {"priority": "high"},
        {"tokensSpent": 0},
        {"result": {"category": "dry"}},
    ],
)
async def test_a_job_that_is_not_well_formed_is_denied(world: World, wrong: dict[str, Any]) -> None:
    """Nobody writes a job for another user, in another status, or with a field that is not the client's."""
    assert await Client(world, "alice").write("ai_jobs/one", {**JOB, **wrong}, timed=True) == 403


async def test_a_job_needs_the_servers_time_and_an_id_that_fits(world: World) -> None:
    """A client cannot choose the time of its request, nor an id that no provider takes."""
    alice = Client(world, "alice")

    assert await alice.write("ai_jobs/one", JOB) == 403
    assert await alice.write("ai_jobs/one.two", JOB, timed=True) == 403
    assert await alice.write(f"ai_jobs/{'x' * 61}", JOB, timed=True) == 403
    assert await Client(world, None).write("ai_jobs/one", JOB, timed=True) == 403


async def test_nobody_changes_a_job_or_mints_tokens(world: World) -> None:
    """A status, a wallet, a ledger, a batch, a lane or a webhook is no client's to write."""
    await world.give("alice", 1)
    await world.write("alice", "one")
    alice = Client(world, "alice")

    assert await alice.write("ai_jobs/one", {"status": "completed"}, mask=True) == 403
    for path in (
        "wallets/alice",
        "wallets/alice/ledger/gift",
        "ai_batches/one",
        "lanes/one",
        "classifications/one",
        "webhooks/one",
    ):
        assert await alice.write(path, {"balance": 1_000_000, "userId": "alice"}) == 403


async def test_users_read_what_is_theirs_and_nothing_else(world: World) -> None:
    """Job, wallet, ledger, classification and notification are their user's; the functions' own are nobody's."""
    await world.give("alice", 2)
    job_id = await world.submit("alice")
    await world.finish()
    batch_id = (await world.batches())[0]["id"]
    own = [
        *(f"{collection}/{job_id}" for collection in ("ai_jobs", "classifications", "notifications")),
        "wallets/alice",
        "wallets/alice/ledger/welcome",
    ]

    assert {await Client(world, "alice").read(path) for path in own} == {200}
    assert {await Client(world, "bob").read(path) for path in own} == {403}
    assert {await Client(world, None).read(path) for path in own} == {403}
    assert await Client(world, "alice").read(f"ai_batches/{batch_id}") == 403
    assert await Client(world, "alice").read("lanes/any") == 403
    assert await Client(world, "alice").read("webhooks/any") == 403


async def test_a_notification_can_be_marked_as_read_and_nothing_else(world: World) -> None:
    """`read` becomes true by its own user; its text, and other people's, stay as they are."""
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    await world.finish()
    path = f"notifications/{job_id}"

    assert await Client(world, "bob").write(path, {"read": True}, mask=True) == 403
    assert await Client(world, "alice").write(path, {"message": "you won"}, mask=True) == 403
    assert await Client(world, "alice").write(path, {"read": "yes"}, mask=True) == 403
    assert await Client(world, "alice").write(path, {"read": True}, mask=True) == 200
    assert (await world.read(path))["read"] is True
