"""10,000 jobs at once through the whole local stack: real processes, the real trigger, the settings' defaults.

The jobs are written by an administrator's client as fast as the emulator takes them; from then on nothing but the
triggers, the ticks (one a minute), the provider's webhooks and the calls for workers move them. Each function counts
what it is billed in its own process.
"""

import asyncio
import os
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
from google.cloud.firestore import SERVER_TIMESTAMP, AsyncClient, FieldFilter

from bench.counted_function import WRITTEN_EVERY_SECONDS, FunctionCounts, read_counts
from bench.measured import Aim, Measured, Measurement, check
from bench.processes import BusySeconds
from bench.profiles import profile
from bench.results import record
from local.stack import Options, Stack, running_stack

_JOBS = 10_000
_USERS = 200
_ROUNDS = 2
_TICKS_PER_MINUTE = 1
_PER_COMMIT = 500
_LOOK_EVERY_SECONDS = 1.0
_PATIENCE_SECONDS = 900.0
_OPEN_BATCH = ["assembling", "sealed", "submitted", "ingesting", "closing"]


@dataclass(frozen=True, kw_only=True)
class Burst:
    """What became of it. Times are in seconds since the first job was written."""

    written_at: float
    admitted_at: float
    settled_at: float
    first_tick_at: float
    # Of all processes of the bench until the last job was admitted, and from then on.
    busy_admitting: BusySeconds
    busy_settling: BusySeconds
    provider_batches: int
    delivered_again: int
    functions: Mapping[str, FunctionCounts]

    @property
    def cpu_ms_per_job(self) -> float:
        """The CPU of all functions."""
        return sum(1000 * function.cpu_seconds / _JOBS for function in self.functions.values())

    @property
    def settled_per_second(self) -> float:
        """From the first write on."""
        return _JOBS / self.settled_at

    def total(self, what: str) -> int:
        """A count of `Billed` over all functions."""
        counts = [getattr(function.billed, what) for function in self.functions.values()]
        return sum(count.total() if isinstance(count, Counter) else count for count in counts)


async def ask() -> Measured:
    """Let the burst come, and wait until its last job is settled; then again, in a new stack."""
    bursts = [await _alone() for _ in range(_ROUNDS)]
    # The first, since a model is held to one run, and not to the best of several.
    record("burst", _numbers(bursts[0]))
    return _answer(bursts)


async def _alone() -> Burst:
    with tempfile.TemporaryDirectory(prefix="nightshift-counts-") as folder:
        options = Options(
            project="demo-burst",
            speed=10.0 * _TICKS_PER_MINUTE,
            framework=("bench.counted_function", folder),
        )
        async with running_stack(options, say=lambda _: None) as stack:
            return await _burst(stack, Path(folder))


def _numbers(burst: Burst) -> dict[str, Any]:
    """What the model of the whole system is made of, and held to. Times are in seconds."""
    settling_seconds = burst.settled_at - burst.admitted_at
    return {
        "jobs": _JOBS,
        "users": _USERS,
        "ticks_per_minute": _TICKS_PER_MINUTE,
        "first_tick_seconds": round(burst.first_tick_at, 1),
        "written_seconds": round(burst.written_at, 1),
        "admitted_seconds": round(burst.admitted_at, 1),
        "settled_seconds": round(burst.settled_at, 1),
        "provider_batches": burst.provider_batches,
        "writes_per_job": burst.total("writes") / _JOBS,
        "reads_per_job": burst.total("reads") / _JOBS,
        "cpu_ms_per_job": {
            name: round(1000 * function.cpu_seconds / _JOBS, 3) for name, function in burst.functions.items()
        },
        # Of all processes: functions, emulators, relay, provider, and the bench itself.
        "cpu_ms_per_job_admitting": round(1000 * burst.busy_admitting.own / _JOBS, 3),
        "cpu_ms_per_job_settling": round(1000 * burst.busy_settling.own / _JOBS, 3),
        "cores_left_admitting": round(burst.busy_admitting.cores_left(burst.admitted_at), 2),
        "cores_left_settling": round(burst.busy_settling.cores_left(settling_seconds), 2),
    }


async def _burst(stack: Stack, folder: Path) -> Burst:
    with patch.dict("os.environ", stack.environment):
        client = AsyncClient(project=stack.project)
    users = [f"user{number}" for number in range(_USERS)]
    await _give(client, users)
    # What a process computes until it serves is in the answer to another question.
    await asyncio.sleep(4 * WRITTEN_EVERY_SECONDS)
    before, first_tick_at = read_counts(folder), stack.clock.seconds_until("processBatchJobs")
    started_at, busy = time.monotonic(), BusySeconds.now()
    await _write_jobs(client, users)
    written_at = time.monotonic() - started_at
    jobs = client.collection("ai_jobs")
    waiting = jobs.where(filter=FieldFilter("status", "==", "created"))
    await _until_none(waiting, "wait for their admission")
    admitted_at, busy_admitted = time.monotonic() - started_at, BusySeconds.now()
    await _until_none(jobs.where(filter=FieldFilter("status", "in", ["queued", "processing"])), "are under way")
    await _until_none(
        client.collection("ai_batches").where(filter=FieldFilter("status", "in", _OPEN_BATCH)), "are open"
    )
    settled_at, busy_settled = time.monotonic() - started_at, BusySeconds.now()
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        relay = await _quiet_relay(http, stack)
        provider_batches = await _provider_batches(http, stack)
    await asyncio.sleep(4 * WRITTEN_EVERY_SECONDS)
    await _check(client)
    client.close()
    burst = Burst(
        written_at=written_at,
        admitted_at=admitted_at,
        settled_at=settled_at,
        first_tick_at=first_tick_at,
        busy_admitting=busy_admitted.since(busy),
        busy_settling=busy_settled.since(busy_admitted),
        provider_batches=provider_batches,
        delivered_again=relay["retried"],
        functions={name: counts.since(before.get(name)) for name, counts in read_counts(folder).items()},
    )
    # Each job has got a charge, a classification, a notification and its last status.
    check(burst.total("writes") >= 4 * _JOBS, "The functions' counts are not complete.")
    return burst


def _answer(bursts: Sequence[Burst]) -> Measured:
    burst = bursts[0]
    cpu = {name: function.cpu_seconds for name, function in burst.functions.items() if function.cpu_seconds >= 1}
    by_function = ", ".join(
        f"{name} {function.billed.writes:,} writes and {function.billed.reads:,} reads"
        for name, function in burst.functions.items()
    )
    calls = sum((function.billed.provider_calls for function in burst.functions.values()), Counter[str]())
    return Measured(
        question=f"What do {_JOBS:,} jobs at once take, through the real trigger?",
        measurements=[
            Measurement(
                name="provider batches",
                measured=str(burst.provider_batches),
                number=burst.provider_batches,
                aim=Aim(sign="≤", bound=6),
                spread=[each.provider_batches for each in bursts],
            ),
            Measurement(name="provider calls", measured=str(burst.total("provider_calls"))),
            Measurement(name="document writes per job", measured=f"{burst.total('writes') / _JOBS:.2f}"),
            Measurement(name="document reads per job", measured=f"{burst.total('reads') / _JOBS:.2f}"),
            Measurement(name="refused writes per job", measured=f"{burst.total('refused_writes') / _JOBS:.2f}"),
            Measurement(
                name="CPU of our functions per job",
                measured=f"{burst.cpu_ms_per_job:.2f} ms",
                number=burst.cpu_ms_per_job,
                aim=Aim(sign="≤", bound=4),
                spread=[each.cpu_ms_per_job for each in bursts],
                left="The framework's server and gRPC take most of it, as the last table shows; neither is ours.",
            ),
            Measurement(name="CPU of all processes per job", measured=f"{_cpu_of_all(burst):.2f} ms"),
            Measurement(name="all written", measured=f"after {burst.written_at:.0f} s"),
            Measurement(
                name="all admitted",
                measured=f"after {burst.admitted_at:.0f} s, {_JOBS / burst.admitted_at:.0f} jobs/s",
            ),
            Measurement(
                name="all settled",
                measured=f"after {burst.settled_at:.0f} s, {burst.settled_per_second:.0f} jobs/s",
                number=burst.settled_per_second,
                aim=Aim(sign="≥", bound=200),
                spread=[each.settled_per_second for each in bursts],
                left=f"A job takes {_cpu_of_all(burst):.1f} ms of this machine, so its {os.cpu_count()} cores bear "
                f"{1000 * (os.cpu_count() or 1) / _cpu_of_all(burst):.0f} a second at most. Of that our functions take "
                f"{burst.cpu_ms_per_job:.1f} ms. The rest is the emulators', the relay's and the provider's, which a "
                f"deployment does not have. In the other {_idle_seconds(burst):.0f} s the last jobs wait for the "
                "lane's next batch, the tick and the provider. A tick comes once a minute; "
                f"here the first one came after {burst.first_tick_at:.0f} s. To send them when the window closes, an "
                "instance would have to wait for that, and a waiting instance is billed.",
            ),
        ],
        notes=[
            f"{_USERS} users; one process for each function, all of them, the emulators and the provider on this one "
            f"machine; {_TICKS_PER_MINUTE} tick a minute; otherwise the settings' defaults. {_ROUNDS} runs; what is "
            "not under `runs` is of the first.",
            f"By function: {by_function}.",
            "Provider calls: " + ", ".join(f"{number} {call}" for call, number in sorted(calls.items())) + ".",
            "Where the time goes: a function process's seconds of CPU were "
            + ", ".join(f"{name} {seconds:.0f}" for name, seconds in cpu.items())
            + f". Events delivered again after a 5xx: {burst.delivered_again}.",
            profile({name: function for name, function in burst.functions.items() if function.cpu_seconds >= 1}, _JOBS),
        ],
    )


def _cpu_of_all(burst: Burst) -> float:
    return 1000 * (burst.busy_admitting.own + burst.busy_settling.own) / _JOBS


def _idle_seconds(burst: Burst) -> float:
    """Of the time until all was settled, what these processes would not need if each core worked all of it."""
    return burst.settled_at - _cpu_of_all(burst) * _JOBS / 1000 / (os.cpu_count() or 1)


async def _give(client: AsyncClient, users: list[str]) -> None:
    batch = client.batch()
    for uid in users:
        wallet = client.collection("wallets").document(uid)
        fields = {"balance": _JOBS, "totalEarned": _JOBS, "totalSpent": 0, "updatedAt": SERVER_TIMESTAMP}
        batch.set(wallet, fields)
        entry = {"amount": _JOBS, "kind": "grant", "createdAt": SERVER_TIMESTAMP}
        batch.set(wallet.collection("ledger").document("welcome"), entry)
    await batch.commit()


async def _write_jobs(client: AsyncClient, users: list[str]) -> None:
    for start in range(0, _JOBS, _PER_COMMIT):
        batch = client.batch()
        for number in range(start, start + _PER_COMMIT):
            job = {
                "userId": users[number % len(users)],
                "type": "waste_classification",
                "speed": "batch",
                "input": {"text": f"thing number {number}"},
                "status": "created",
                "createdAt": SERVER_TIMESTAMP,
            }
            batch.create(client.collection("ai_jobs").document(f"burst{number:05}"), job)
        await batch.commit()


async def _until_none(query: Any, what_they_do: str) -> None:
    """Wait until the query finds nothing."""
    ends_at = time.monotonic() + _PATIENCE_SECONDS
    while left := await query.limit(1).get():
        check(time.monotonic() < ends_at, f"{left[0].reference.path} and perhaps others still {what_they_do}.")
        await asyncio.sleep(_LOOK_EVERY_SECONDS)


async def _quiet_relay(http: httpx.AsyncClient, stack: Stack) -> dict[str, int]:
    """The relay's counts once no event is under way."""
    ends_at = time.monotonic() + _PATIENCE_SECONDS
    while True:
        counts: dict[str, int] = (await http.get(f"{stack.relay_url}/status")).json()
        if not counts["pending"]:
            return counts
        check(time.monotonic() < ends_at, "An event is never dealt with.")
        await asyncio.sleep(_LOOK_EVERY_SECONDS)


async def _provider_batches(http: httpx.AsyncClient, stack: Stack) -> int:
    headers = {"Authorization": f"Bearer {stack.openai_api_key}"}
    listed = (await http.get(f"{stack.openai_base_url}/batches", params={"limit": 100}, headers=headers)).json()
    check(not listed["has_more"], "There are more than a hundred provider batches.")
    return len(listed["data"])


async def _check(client: AsyncClient) -> None:
    jobs = {job.id: job.to_dict() or {} async for job in client.collection("ai_jobs").stream()}
    notes = {note.id async for note in client.collection("notifications").select([]).stream()}
    check(len(jobs) == _JOBS, "A job is gone.")
    check(all(job["status"] == "completed" for job in jobs.values()), "A job is not completed.")
    check(notes == jobs.keys(), "Not every job has its one notification.")
    ledger = Counter[str]()
    charged = Counter[str]()
    async for entry in client.collection_group("ledger").stream():
        fields = entry.to_dict() or {}
        ledger[entry.reference.parent.parent.id] += fields["amount"]
        charged[fields.get("jobId", "")] += 1
    check(all(charged[job_id] == 1 for job_id in jobs), "A job was not charged exactly once.")
    async for wallet in client.collection("wallets").stream():
        check((wallet.to_dict() or {})["balance"] == ledger[wallet.id], f"The wallet of {wallet.id} is not its ledger.")
