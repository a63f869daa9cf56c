"""Many jobs of one wallet at once: they are paid for together, and each is decided as if it were alone."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import pytest
from google.cloud.firestore import SERVER_TIMESTAMP, Increment

from nightshift.admission.admit import admit, rescue
from nightshift.database.calls import FirestoreCalls
from nightshift.runtime import Runtime
from tests.chaos.calls import Strike, Traffic, seam
from tests.chaos.faults import FAULTS
from tests.support.pause import pause_commit
from tests.support.promises import assert_promises_kept
from tests.support.world import World


@pytest.fixture(autouse=True)
def _seam() -> Iterator[None]:
    with seam():
        yield


@pytest.fixture
def charging(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The ids of the jobs in each commit that wrote a wallet along with jobs, refused or not."""
    commits: list[list[str]] = []
    real = FirestoreCalls.commit

    async def recording(calls: FirestoreCalls, writes: Sequence[Any], timeout_seconds: float) -> Any:
        written = [str(write.update.name).partition("/documents/")[2].partition("/") for write in writes]
        job_ids = [job_id for collection, _, job_id in written if collection == "ai_jobs"]
        if job_ids and any(collection == "wallets" for collection, _, _ in written):
            commits.append(job_ids)
        return await real(calls, writes, timeout_seconds)

    monkeypatch.setattr(FirestoreCalls, "commit", recording)
    return commits


async def _written(world: World, number: int, uid: str = "alice", **fields: Any) -> list[str]:
    return [await world.write(uid, f"{uid}-{index:03}", **fields) for index in range(number)]


async def _admit_all(runtime: Runtime, job_ids: list[str]) -> None:
    await asyncio.gather(*(admit(runtime, job_id) for job_id in job_ids))


async def test_of_a_hundred_jobs_at_once_forty_tokens_pay_forty(world: World, charging: list[list[str]]) -> None:
    """Forty are charged and sixty refused, ledger and balance agree, and the wallet is written a few times only."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 40)
    job_ids = await _written(world, 100)

    assert set(await asyncio.gather(*(world.trigger(job_id) for job_id in job_ids))) == {200}

    jobs = await world.jobs()
    assert sum(job["tokensSpent"] for job in jobs.values()) == 40
    refused = [job["errorMessage"] for job in jobs.values() if job["status"] == "failed"]
    assert refused == ["You have too few tokens. The price is 1, and you have 0."] * 60
    assert (await world.read("wallets/alice"))["balance"] == 0
    ledger = await world.documents("wallets/alice/ledger")
    assert sum(entry["amount"] for entry in ledger.values()) == 0
    assert len(ledger) == 41
    assert len(charging) <= 10
    await world.finish()
    assert len(await world.jobs("completed")) == 40
    await assert_promises_kept(world)


async def test_a_group_is_paid_in_the_order_in_which_it_came(world: World, charging: list[list[str]]) -> None:
    """What the balance does not cover is refused, and what comes after it and is covered is paid."""
    await world.give("alice", 4)
    job_ids = await _written(world, 3)
    job_ids += [await world.write("alice", "dear", speed="instant"), await world.write("alice", "cheap")]
    job_ids.append(await world.write("alice", "late"))

    await _admit_all(world.operators_runtime(), job_ids)

    refused = await world.jobs("failed")
    assert {job_id: job["errorMessage"] for job_id, job in refused.items()} == {
        "dear": "You have too few tokens. The price is 5, and you have 0.",
        "late": "You have too few tokens. The price is 1, and you have 0.",
    }
    assert len(charging) == 1


async def test_two_instances_at_one_wallet_pay_what_it_covers(world: World) -> None:
    """Groups of two instances meet at the wallet; both get on, and together they spend what there was."""
    await world.give("alice", 30)
    job_ids = await _written(world, 40)
    here, there = world.operators_runtime(), world.operators_runtime()

    await asyncio.gather(_admit_all(here, job_ids[:25]), _admit_all(there, job_ids[15:]))

    assert len(await world.jobs("queued")) == 30
    assert (await world.read("wallets/alice"))["balance"] == 0
    await world.finish()
    await assert_promises_kept(world)


async def _pay_before(world: World, job_id: str) -> None:
    """Its ledger entry exists, and the job is written anew."""
    wallet = world.firestore.document("wallets/alice")
    entry = {"amount": -1, "kind": "charge", "jobId": job_id, "createdAt": SERVER_TIMESTAMP}
    await wallet.collection("ledger").document(f"{job_id}.charge").set(entry)
    await wallet.update({"balance": Increment(-1), "totalSpent": Increment(1)})


async def _admit_elsewhere(world: World, job_id: str) -> None:
    await admit(world.operators_runtime(), job_id)


async def _delete(world: World, job_id: str) -> None:
    await world.firestore.document(f"ai_jobs/{job_id}").delete()


async def _cancel(world: World, job_id: str) -> None:
    await world.firestore.document(f"ai_jobs/{job_id}").update({"status": "cancelled"})


@pytest.mark.parametrize(
    ("meanwhile", "becomes", "spent"),
    [
        (_pay_before, ("failed", "invalid_input"), 10),
        (_admit_elsewhere, ("queued", None), 10),
        (_delete, None, 9),
        (_cancel, ("cancelled", None), 9),
    ],
)
async def test_what_happens_to_one_job_meanwhile_disturbs_no_other(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    charging: list[list[str]],
    meanwhile: Callable[[World, str], Awaitable[None]],
    becomes: tuple[str, str | None] | None,
    spent: int,
) -> None:
    """Between reading a group and its commit, one of its jobs is decided, deleted or was paid: nine are paid once."""
    await world.give("alice", 20)
    job_ids = await _written(world, 10)
    pause = pause_commit(
        monkeypatch, lambda writes: "wallets/alice/ledger" in writes and job_ids[5] in writes, "before"
    )

    admitting = asyncio.create_task(_admit_all(world.operators_runtime(), job_ids))
    await pause.begun()
    await meanwhile(world, job_ids[5])
    pause.end()
    await admitting

    jobs = await world.jobs()
    changed = jobs.pop(job_ids[5], None)
    assert (changed and (changed["status"], changed.get("errorCode"))) == becomes
    assert {job["status"] for job in jobs.values()} == {"queued"}
    assert (await world.read("wallets/alice"))["balance"] == 20 - spent
    assert max(len(together) for together in charging if job_ids[5] in together) > 1, "it goes with others"
    assert len(charging) <= 6, "none of them is tried alone"


@pytest.mark.parametrize("fault", ["lost", "lost-timeout", "late-2", "aborted", "unavailable"])
@pytest.mark.parametrize("which", [0, -1])
async def test_whatever_becomes_of_a_groups_commit_each_is_charged_once(world: World, fault: str, which: int) -> None:
    """Its answer is lost, it lands late, or it never lands: the first commit, or the one of many."""
    undisturbed = Traffic()
    await world.give("bob", 8)
    bobs = await _written(world, 8, "bob")
    await undisturbed.invoke(lambda: _admit_all(world.operators_runtime(), bobs))
    number = [call.number for call in undisturbed.calls if call.name == "firestore.Commit"][which]
    traffic = Traffic(Strike(FAULTS[fault], number))
    await world.give("alice", 7)
    job_ids = await _written(world, 8)

    await traffic.invoke(lambda: _admit_all(world.operators_runtime(), job_ids))
    await traffic.land()

    assert [call.name for call, _ in traffic.struck] == ["firestore.Commit"]
    assert [job_id for job_id, job in (await world.jobs()).items() if job["status"] == "failed"] == [job_ids[-1]]
    assert (await world.read("wallets/alice"))["balance"] == 0
    await world.finish()
    await assert_promises_kept(world)


@pytest.mark.parametrize("cancelled", [0, 4])
async def test_a_cancelled_caller_does_not_cancel_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch, cancelled: int
) -> None:
    """The first, whose commit is under way, or one that waits: all the others are queued, and nothing is lost."""
    await world.give("alice", 8)
    job_ids = await _written(world, 8)
    runtime = world.operators_runtime()
    pause = pause_commit(monkeypatch, lambda writes: "wallets/alice/ledger" in writes, "before")
    callers = [asyncio.create_task(admit(runtime, job_id)) for job_id in job_ids]
    await pause.begun()

    callers.pop(cancelled).cancel()
    pause.end()

    assert None not in await asyncio.gather(*callers)
    world.pass_time(seconds=121)
    await world.finish()
    assert len(await world.jobs("completed")) == 8
    await assert_promises_kept(world)


async def test_one_event_delivered_to_one_instance_at_once_is_charged_in_one_commit(
    world: World, charging: list[list[str]]
) -> None:
    """Deliveries of the same event that meet share one charge."""
    await world.give("alice", 5)
    (job_id,) = await _written(world, 1)

    lanes = await asyncio.gather(*(admit(runtime, job_id) for runtime in [world.operators_runtime()] * 10))

    assert None not in lanes
    assert (await world.read("wallets/alice"))["balance"] == 4
    assert charging == [[job_id]]


async def test_the_tick_rescues_in_groups(world: World, charging: list[list[str]]) -> None:
    """Forty jobs whose events were lost are admitted sixteen at a time, and so is their wallet written."""
    await world.give("alice", 40)
    await _written(world, 40)
    world.pass_time(seconds=121)
    runtime = world.operators_runtime()

    assert await rescue(runtime, runtime.time_limit(60)) == 40

    assert [len(job_ids) for job_ids in charging] == [16, 16, 8]
    await world.finish()
    await assert_promises_kept(world)
