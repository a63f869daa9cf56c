"""What CONTRACT.md says of the documents, read as a checker: every fault is a sentence.

The operators' audit, which `tests/support/promises.py` runs, compares documents with each other. This looks at each
document by itself: its fields, their types, its codes. Only what the functions wrote is looked at; a client's own
fields may be anything.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from nightshift.job_types import registered
from tests.support.world import World

Fields = Mapping[str, Any]

ENDED = frozenset({"completed", "failed", "cancelled"})
ERROR_CODES = frozenset(
    {
        *("insufficient_tokens", "unknown_job_type", "invalid_input", "forbidden_image", "provider_rejected"),
        *("provider_refused", "result_invalid", "result_missing", "batch_expired", "batch_failed", "cancelled"),
        *("too_many_jobs", "daily_limit", "too_many_failures"),
    }
)
_NOTIFICATION = {"userId", "jobId", "type", "title", "message", "read", "createdAt", "expireAt"}
_CLASSIFICATION = {"userId", "jobId", "type", "result", "model", "provider", "usage", "createdAt"}


async def assert_ended_well(world: World, job_ids: Iterable[str]) -> None:
    """Check that each of these jobs has ended, with the documents of its end and no other."""
    judged = await asyncio.gather(*(_faults_of(world, job_id) for job_id in job_ids))
    faults = [fault for faults in judged for fault in faults]
    assert not faults, "; ".join(faults)


async def _faults_of(world: World, job_id: str) -> list[str]:
    paths = (f"{collection}/{job_id}" for collection in ("ai_jobs", "notifications", "classifications"))
    job, note, classification = await asyncio.gather(*(world.read(path) for path in paths))
    return [f"{job_id}: {fault}" for fault in _faults(job_id, job, note, classification)]


async def assert_wallet_agrees(world: World, uid: str) -> None:
    """Check that a wallet that was sane has remained so: balance = ledger = earned - spent, never negative."""
    wallet, ledger = await world.read(f"wallets/{uid}"), await world.documents(f"wallets/{uid}/ledger")
    balance = wallet["balance"]
    assert balance == sum(entry["amount"] for entry in ledger.values()), "the balance is the sum of the entries"
    assert balance == wallet["totalEarned"] - wallet["totalSpent"], "the balance is what was earned and not spent"
    assert balance >= 0, "a balance is never negative"


def _faults(job_id: str, job: Fields, note: Fields, classification: Fields) -> Iterator[str]:
    status = job.get("status")
    if status not in ENDED:
        yield f"it is {status!r}"
        return
    if not isinstance(job.get("completedAt"), datetime) or not isinstance(job.get("updatedAt"), datetime):
        yield "it has no time of its end"
    if status == "completed":
        yield from _faults_of_answer(job, classification)
    else:
        if job.get("errorCode") not in ERROR_CODES:
            yield f"its code is {job.get('errorCode')!r}"
        if not isinstance(job.get("errorMessage"), str) or not job["errorMessage"]:
            yield "it has no message"
        if job.get("tokensSpent") != 0:
            yield "it cost something"
        if classification:
            yield "it failed and has a classification"
    if note.keys() != _NOTIFICATION:
        yield f"its notification has the fields {sorted(note)}"
    elif note["type"] != f"job_{status}" or note["jobId"] != job_id:
        yield "its notification is not about its end"
    elif note["read"] is not False or not all(isinstance(note[name], str) for name in ("userId", "title", "message")):
        yield "its notification is malformed"


def _faults_of_answer(job: Fields, classification: Fields) -> Iterator[str]:
    if classification.keys() != _CLASSIFICATION:
        yield f"its classification has the fields {sorted(classification)}"
        return
    if any(
        job.get(name) != classification[name] for name in ("userId", "type", "result", "model", "provider", "usage")
    ):
        yield "its classification says something else than it does"
    if not all(is_count(job["usage"].get(name)) for name in ("inputTokens", "outputTokens")):
        yield f"its usage is {job['usage']}"
    try:
        registered()[job["type"]].result_model.model_validate(job["result"], strict=True)
    except ValidationError as invalid:
        yield f"its result is not valid: {invalid}"


def is_count(number: Any) -> bool:
    """Whether it is a whole number of something."""
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0


async def assert_batches_are_legal(world: World) -> None:
    """Check each closed batch: a legal status, counts that add up, usage in whole tokens, codes as texts."""
    for batch in await world.batches():
        assert batch["status"] in {"completed", "failed", "expired", "cancelled"}, f"{batch['id']}: {batch['status']}"
        assert all(is_count(batch["counts"][name]) for name in ("completed", "failed", "retried", "cancelled")), batch
        assert sum(batch["counts"].values()) == batch["jobCount"], f"each job left the batch once: {batch}"
        assert all(is_count(tokens) for tokens in (batch.get("usage") or {}).values()), batch
        for name in ("errorCode", "errorMessage", "outputFileId", "errorFileId", "remoteId"):
            assert isinstance(batch.get(name), str | None), f"{name}: {batch}"
