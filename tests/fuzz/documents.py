"""Arbitrary job documents, wallets and ids to the trigger; an event may be delivered twice, or be lost.

Most documents are well-formed but for a few fields; some are anything. A job that a client could have written, with the
status `created`, must end, whatever else is in it. One with another status was written by a
stranger: it may stay where it is, but delays no other job.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from google.api_core.exceptions import InvalidArgument
from google.cloud.firestore import SERVER_TIMESTAMP
from hypothesis import strategies as st

from nightshift.values.ids import names_a_document
from tests.fuzz.contract import assert_batches_are_legal, assert_ended_well, assert_wallet_agrees
from tests.fuzz.kind import BYSTANDER, Kind, bystander_is_answered
from tests.fuzz.values import ANY_FIRESTORE, FIELD_NAMES, TEXTS, mutated, up_to
from tests.support.world import World

_USER = "mallory"
_JOB = {
    "userId": _USER,
    "type": "waste_classification",
    "speed": "batch",
    "input": {"text": "an empty glass bottle"},
    "priority": 5,
    "status": "created",
}
_STATUSES = ["created", "queued", "processing", "completed", "failed", "cancelled"]
_OF_THE_FUNCTIONS = ["lane", "batchId", "attempts", "tokensSpent", "queuedAt", "submittedAt", "result", "errorCode"]
_OF_THE_FUNCTIONS += ["nextAttemptAt", "waitsFor", "batchUntil", "invalidAnswers", "costUsd", "budgetDay"]
WALLET = {"balance": 3, "totalEarned": 3, "totalSpent": 0}
_DEADLINES = [datetime(year, 1, 1, tzinfo=UTC) for year in (1, 2000, 9999)]
_ADDRESSES = st.sampled_from(
    ["gs://b/users/mallory/a.png", "https://127.0.0.1/a", "https://example.com/a.png", "http:", "gs://"]
)


@dataclass(frozen=True)
class Job:
    """A document, the id under which it is written (None for one of the usual kind), and how its event comes."""

    fields: dict[str, Any]
    job_id: str | None
    deliveries: int


@st.composite
def _documents(draw: st.DrawFn) -> dict[str, Any]:
    if draw(st.integers(0, 9)) == 0:
        return draw(st.dictionaries(FIELD_NAMES | st.sampled_from(sorted(_JOB)), ANY_FIRESTORE, max_size=6))
    fields: dict[str, Any] = draw(mutated(_JOB, ANY_FIRESTORE))
    if draw(st.integers(0, 3)) == 0:
        name = draw(FIELD_NAMES | st.sampled_from(_OF_THE_FUNCTIONS))
        fields = {**fields, name: draw(ANY_FIRESTORE)}
    if draw(st.integers(0, 3)) == 0:
        inputs = {"text": draw(TEXTS), "imageUri": draw(_ADDRESSES), draw(FIELD_NAMES): draw(ANY_FIRESTORE)}
        chosen = draw(st.sets(st.sampled_from(sorted(inputs)), min_size=1))
        fields = {**fields, "input": {name: inputs[name] for name in sorted(chosen)}}
    if draw(st.integers(0, 5)) == 0:
        fields = {**fields, "speed": "instant"}
    if draw(st.integers(0, 7)) == 0:
        fields = {**fields, "deadline": draw(ANY_FIRESTORE | st.sampled_from(_DEADLINES))}
    if draw(st.integers(0, 5)) == 0:
        fields = {**fields, "status": draw(st.sampled_from(_STATUSES))}
    return fields


DOCUMENTS = _documents()
_IDS = st.none() | (TEXTS | st.text(min_size=50, max_size=100)).filter(names_a_document)
_JOBS = up_to(24, st.builds(Job, DOCUMENTS, _IDS, st.integers(0, 2)))
_WALLETS = st.none() | st.just(WALLET) | mutated(WALLET, ANY_FIRESTORE)
_numbers = iter(range(10**9))


async def _begin(world: World) -> None:
    # The trigger admits; the tick rescues and submits. What a job costs is not in question here.
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600", NIGHTSHIFT_RESCUE_SECONDS="0")
    await world.give(BYSTANDER, 100_000)


async def _play(world: World, example: tuple[list[Job], dict[str, Any] | None]) -> int:
    jobs, wallet = example
    uid = f"{_USER}{next(_numbers)}"
    is_sane = wallet == WALLET
    if is_sane:
        await world.give(uid, 3)
    elif wallet is not None:
        await _try_to_write(world, f"wallets/{uid}", wallet)
    named = {job.job_id or f"job{next(_numbers)}": job for job in jobs}
    has_room = await asyncio.gather(*(_write(world, uid, job_id, job) for job_id, job in named.items()))
    written = {job_id: job for (job_id, job), was_written in zip(named.items(), has_room, strict=True) if was_written}
    bystander = await world.write(BYSTANDER)

    statuses = await asyncio.gather(
        *(_deliver(world, job_id) for job_id, job in written.items() for _ in range(job.deliveries))
    )
    assert set(statuses) <= {200}, f"an event is dealt with for good: {statuses}"
    await bystander_is_answered(world, bystander)
    await world.provider.settled()
    assert await world.tick() == 200

    ended = [job_id for job_id, job in written.items() if job.fields.get("status") == "created"]
    await assert_ended_well(world, [bystander, *ended])
    if is_sane:
        await assert_wallet_agrees(world, uid)
    await assert_wallet_agrees(world, BYSTANDER)
    await assert_batches_are_legal(world)
    await _clear(world, [bystander, *written])
    return len(written)


async def _write(world: World, uid: str, job_id: str, job: Job) -> bool:
    """Write the document; returns whether Firestore itself has a place for it."""
    fields = {**job.fields, "createdAt": SERVER_TIMESTAMP}
    if fields.get("userId") == _USER:
        fields["userId"] = uid
    return await _try_to_write(world, f"ai_jobs/{job_id}", fields)


async def _try_to_write(world: World, path: str, fields: dict[str, Any]) -> bool:
    try:
        await world.firestore.document(path).set(fields)
    except InvalidArgument:
        return False
    return True


async def _deliver(world: World, job_id: str) -> int:
    kind = b"google.cloud.firestore.document.v1.created"
    headers = {"ce-id": b"1", "ce-source": b"//fuzz", "ce-specversion": b"1.0", "ce-type": kind}
    # Bytes, since an id may hold any character.
    headers["ce-document"] = f"ai_jobs/{job_id}".encode()
    return (await world.call("on_ai_job_created", headers=headers)).status_code


async def _clear(world: World, job_ids: list[str]) -> None:
    """Leave nothing for the next example to trip over."""
    writes = world.firestore.batch()
    for job_id in job_ids:
        for collection in ("ai_jobs", "notifications", "classifications"):
            writes.delete(world.firestore.collection(collection).document(job_id))
    for batch in await world.batches():
        writes.delete(world.firestore.collection("ai_batches").document(batch["id"]))
    await writes.commit()


KIND = Kind(name="documents", examples=st.tuples(_JOBS, _WALLETS), play=_play, share=25, size=12, begin=_begin)
