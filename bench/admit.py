"""Charges per second on one hot wallet and on many, against bare optimistic transactions on the same documents.

The floor does what no charge can do without: it reads the wallet and commits the same writes to the same three
documents (job, ledger entry, wallet) under the same preconditions, again with jitter while another is faster. It is
given the number of writers with which it is fastest.
"""

import asyncio
import itertools
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from google.api_core.exceptions import Aborted, FailedPrecondition
from google.cloud.firestore import SERVER_TIMESTAMP, AsyncClient

from bench.measured import Aim, Measured, Measurement, check
from nightshift import settings
from nightshift.admission.admit import admit
from nightshift.errors import TryLater
from nightshift.runtime import Runtime

_ROUNDS = 2
_MANY = 200
_ADMITTED_AT_ONCE = (16, 64)
_BARE_AT_ONCE = (1, 4, 16, 64)
# On one wallet, the bare transactions get slower from there on, and so much that they would take minutes.
_MOST_BARE_ON_ONE = 16
_AIM = Aim(sign="≥", bound=0.8)
_LANE = "openai:/v1/chat/completions:gpt-5-mini"
_JOBS = 300

Charge = Callable[["WaitingJob"], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class WaitingJob:
    """A job that waits to be charged."""

    job_id: str
    user_id: str
    update_time: datetime


async def ask() -> Measured:
    """Charge one wallet and many, by the function's own code and bare."""
    os.environ.update({"GOOGLE_CLOUD_PROJECT": "bench-admit", "OPENAI_API_KEY": "never-asked"})
    runtime = Runtime(settings.load())
    client = AsyncClient(project=runtime.settings.project)

    again = 0

    async def admitted(job: WaitingJob) -> None:
        nonlocal again
        for pause_seconds in (0.1 * 2**number for number in range(8)):
            try:
                check(await admit(runtime, job.job_id) is not None, "A job was refused.")
            except TryLater:
                # The function answers 5xx, and its event is delivered again.
                again += 1
                await asyncio.sleep(random.uniform(pause_seconds / 2, pause_seconds))  # noqa: S311 - jitter is no secret
            else:
                return
        check(holds=False, otherwise="A job could not be admitted.")

    async def bare(job: WaitingJob) -> None:
        await _charge(client, job)

    rows: list[Measurement] = []
    for wallets in (1, _MANY):
        # The first round of each opens connections and imports; of the rest, the best counts on both sides.
        admitting, floors = Counter[int](), Counter[int]()
        runs: defaultdict[int, list[_Run]] = defaultdict(list)
        for _ in range(_ROUNDS):
            for at_once in _BARE_AT_ONCE:
                if wallets == 1 and at_once > _MOST_BARE_ON_ONE:
                    continue
                floors[at_once] = max(floors[at_once], (await _run(client, wallets, bare, at_once)).per_second)
            for at_once in _ADMITTED_AT_ONCE:
                runs[at_once].append(await _run(client, wallets, admitted, at_once))
                admitting[at_once] = max(run.per_second for run in runs[at_once])
        best, floor = max((rate, at_once) for at_once, rate in floors.items())[::-1]
        whose = "one hot wallet" if wallets == 1 else f"{wallets} wallets"
        rows += [
            Measurement(
                name=f"{whose}, {at_once} at once",
                measured=f"{rate:,} charges/s",
                floor=f"{floor:,}/s with {best}",
                number=rate / floor,
                aim=_AIM,
                spread=[run.per_second / floor for run in runs[at_once]],
            )
            for at_once, rate in admitting.items()
        ]
        rows += [
            Measurement(
                name=f"… CPU per job, {at_once} at once",
                measured=f"{1000 * min(run.cpu_seconds for run in of_number) / _JOBS:.2f} ms",
            )
            for at_once, of_number in runs.items()
        ]
    return Measured(
        question="How many jobs does one process admit per second?",
        measurements=rows,
        notes=[
            f"{_JOBS} jobs a run, the best of {_ROUNDS} runs on both sides. The floor is a read of the wallet and a "
            "commit to the same three documents under preconditions, with as many writers as make it fastest; "
            "admitting also reads the job and validates it.",
            f"Events delivered again because too many writers met at one wallet: {again}.",
            "After each run every job was charged once, and every balance was the sum of its ledger.",
        ],
    )


@dataclass(frozen=True, kw_only=True)
class _Run:
    """All jobs of a run, charged once."""

    per_second: int
    # Of this process.
    cpu_seconds: float


async def _run(client: AsyncClient, wallets: int, charge: Charge, at_once: int) -> _Run:
    """Charge jobs on wallets of their own."""
    jobs = await _written(client, wallets)
    waiting = iter(jobs)

    async def writer() -> None:
        for job in waiting:
            await charge(job)

    started_at, cpu_started_at = time.perf_counter(), time.process_time()
    await asyncio.gather(*(writer() for _ in range(at_once)))
    seconds, cpu_seconds = time.perf_counter() - started_at, time.process_time() - cpu_started_at
    await _check_charged(client, jobs)
    return _Run(per_second=round(len(jobs) / seconds), cpu_seconds=cpu_seconds)


async def _written(client: AsyncClient, wallets: int) -> Sequence[WaitingJob]:
    """New jobs of so many new users who can pay for them."""
    run = random.randbytes(6).hex()  # noqa: S311 - no secret
    users = [f"{run}-{number}" for number in range(wallets)]
    granted = _JOBS
    given = client.batch()
    for uid in users:
        wallet = client.collection("wallets").document(uid)
        given.set(wallet, {"balance": granted, "totalEarned": granted, "totalSpent": 0, "updatedAt": SERVER_TIMESTAMP})
        entry = {"amount": granted, "kind": "grant", "createdAt": SERVER_TIMESTAMP}
        given.set(wallet.collection("ledger").document("welcome"), entry)
    await given.commit()
    asked = [(f"{run}-{number}", users[number % wallets]) for number in range(_JOBS)]
    writes = client.batch()
    for job_id, uid in asked:
        writes.create(client.collection("ai_jobs").document(job_id), _as_the_app_writes_it(uid))
    written = await writes.commit()
    return [
        WaitingJob(job_id=job_id, user_id=uid, update_time=result.update_time)
        for (job_id, uid), result in zip(asked, written, strict=True)
    ]


def _as_the_app_writes_it(uid: str) -> dict[str, Any]:
    return {
        "userId": uid,
        "type": "waste_classification",
        "speed": "batch",
        "input": {"text": "an empty glass bottle"},
        "status": "created",
        "createdAt": SERVER_TIMESTAMP,
    }


async def _charge(client: AsyncClient, job: WaitingJob) -> None:
    """The floor: one optimistic transaction and nothing else."""
    wallet_ref = client.collection("wallets").document(job.user_id)
    for attempt in itertools.count():
        wallet = await wallet_ref.get()
        fields = wallet.to_dict() or {}
        writes = client.batch()
        writes.update(
            client.collection("ai_jobs").document(job.job_id),
            {
                "status": "queued",
                "lane": _LANE,
                "priority": 5,
                "tokensSpent": 1,
                "attempts": 0,
                "queuedAt": SERVER_TIMESTAMP,
                "updatedAt": SERVER_TIMESTAMP,
            },
            option=client.write_option(last_update_time=job.update_time),
        )
        writes.create(
            wallet_ref.collection("ledger").document(f"{job.job_id}.charge"),
            {"amount": -1, "kind": "charge", "jobId": job.job_id, "createdAt": SERVER_TIMESTAMP},
        )
        writes.update(
            wallet_ref,
            {
                "balance": fields["balance"] - 1,
                "totalEarned": fields["totalEarned"],
                "totalSpent": fields["totalSpent"] + 1,
                "updatedAt": SERVER_TIMESTAMP,
            },
            option=client.write_option(last_update_time=wallet.update_time),
        )
        try:
            await writes.commit(retry=None)
        except (Aborted, FailedPrecondition):
            await asyncio.sleep(random.uniform(0, min(1.0, 0.01 * 2 ** min(attempt, 10))))  # noqa: S311 - jitter is no secret
        else:
            return


async def _check_charged(client: AsyncClient, jobs: Sequence[WaitingJob]) -> None:
    refs = [client.collection("ai_jobs").document(job.job_id) for job in jobs]
    queued = [snapshot async for snapshot in client.get_all(refs) if snapshot.get("status") == "queued"]
    check(len(queued) == len(jobs), "A job is not queued.")
    for uid, count in Counter(job.user_id for job in jobs).items():
        wallet = client.collection("wallets").document(uid)
        entries = [entry.to_dict() or {} async for entry in wallet.collection("ledger").stream()]
        fields = (await wallet.get()).to_dict() or {}
        check(fields["balance"] == sum(entry["amount"] for entry in entries), f"The wallet of {uid} is not its ledger.")
        charged = {entry["jobId"] for entry in entries if entry["kind"] == "charge"}
        check(len(charged) == count == len(entries) - 1, f"A job of {uid} was not charged exactly once.")
        check(fields["totalSpent"] == count, f"The wallet of {uid} counts something else as spent.")
