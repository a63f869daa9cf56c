"""Jobs as admission leaves them: charged, queued, and on their users' ledgers.

What a bench measures begins later, so these documents are written without the functions, in raw commits, several in
flight.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from google.cloud.firestore import AsyncClient, AsyncWriteBatch, DocumentSnapshot, FieldFilter

from bench.measured import check
from nightshift.values.lane import Lane

LANE: Final = Lane(provider="openai", endpoint="/v1/chat/completions", model="gpt-5-mini")
_USERS: Final = 200
_LEFT_IN_A_WALLET: Final = 10
_WRITES_IN_A_COMMIT: Final = 400
_COMMITS_IN_FLIGHT: Final = 4

Write = Callable[[AsyncWriteBatch], None]


async def seed_queued_jobs(client: AsyncClient, jobs: int) -> None:
    """Write jobs that wait in one lane, the wallets that paid for them, and the ledgers' entries."""
    now = datetime.now(UTC)

    def writes() -> Iterator[Write]:
        for number in range(jobs):
            yield _queued_job(client, number, now)
            yield _charge(client, number, now)
        for number in range(min(_USERS, jobs)):
            yield from _wallet(client, number, len(range(number, jobs, _USERS)), now)

    await commit_all(client, writes())


async def commit_all(client: AsyncClient, writes: Iterable[Write]) -> None:
    """Send writes as fast as the database takes them; each is atomic with some others, in no order."""
    rest = iter(writes)

    async def send() -> None:
        while chunk := list(islice(rest, _WRITES_IN_A_COMMIT)):
            batch = client.batch()
            for write in chunk:
                write(batch)
            await batch.commit()

    await asyncio.gather(*(send() for _ in range(_COMMITS_IN_FLIGHT)))


async def documents(client: AsyncClient, collection: str) -> "dict[str, DocumentSnapshot[Any]]":
    """A collection's documents by id."""
    return {snapshot.id: snapshot async for snapshot in client.collection(collection).stream()}


async def number_of(client: AsyncClient, collection: str, **fields: str) -> int:
    """How many documents of a collection have these fields, counted by the database."""
    query: Any = client.collection(collection)
    for name, wanted in fields.items():
        query = query.where(filter=FieldFilter(name, "==", wanted))
    return int((await query.count().get())[0][0].value)


async def check_all_completed(client: AsyncClient, jobs: int) -> None:
    """Raise ResultWrong unless every job is completed, with its answers and notes, and no wallet was touched."""
    completed = await number_of(client, "ai_jobs", status="completed")
    check(completed == jobs, f"Of {jobs} jobs {completed} are completed.")
    for collection in ("classifications", "notifications"):
        # They bear their jobs' ids: there cannot be two of one.
        found = await number_of(client, collection)
        check(found == jobs, f"There are {found} {collection} of {jobs} jobs.")
    for wallet in (await documents(client, "wallets")).values():
        fields = wallet.to_dict() or {}
        is_right = fields["balance"] == _LEFT_IN_A_WALLET == fields["totalEarned"] - fields["totalSpent"]
        check(is_right, f"The wallet {wallet.id} was touched.")


def job_id(number: int) -> str:
    """The id of the nth job."""
    # As long as an automatic id.
    return f"job{number:017}"


def _user_of(number: int) -> str:
    return f"user{number % _USERS:03}"


def _queued_job(client: AsyncClient, number: int, now: datetime) -> Write:
    job = {
        "userId": _user_of(number),
        "type": "waste_classification",
        "speed": "batch",
        "input": {"text": f"an empty glass bottle, the {number}th of this week"},
        "status": "queued",
        "createdAt": now,
        "lane": str(LANE),
        "priority": 5,
        "tokensSpent": 1,
        "attempts": 0,
        "queuedAt": now,
        "updatedAt": now,
    }
    return lambda batch: batch.set(client.document(f"ai_jobs/{job_id(number)}"), job)


def _charge(client: AsyncClient, number: int, now: datetime) -> Write:
    entry = {"amount": -1, "kind": "charge", "jobId": job_id(number), "createdAt": now}
    ref = client.document(f"wallets/{_user_of(number)}/ledger/{job_id(number)}.charge")
    return lambda batch: batch.set(ref, entry)


def _wallet(client: AsyncClient, number: int, charges: int, now: datetime) -> Iterator[Write]:
    wallet = client.document(f"wallets/{_user_of(number)}")
    granted = charges + _LEFT_IN_A_WALLET
    grant = {"amount": granted, "kind": "grant", "createdAt": now}
    fields = {"balance": _LEFT_IN_A_WALLET, "totalEarned": granted, "totalSpent": charges, "updatedAt": now}
    yield lambda batch: batch.set(wallet.collection("ledger").document("welcome"), grant)
    yield lambda batch: batch.set(wallet, fields)
