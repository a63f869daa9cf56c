"""The promises of the contract, counted over everything that a project holds. Every journey test ends here."""

from collections import Counter

from tests.world import World

ENDED = {"completed", "failed", "cancelled"}


async def assert_promises_kept(world: World) -> None:
    """Check promises 1 to 4: nothing lost, nothing charged twice, no stray at the provider, one document each."""
    jobs = await world.jobs()
    unfinished = {job_id: job["status"] for job_id, job in jobs.items() if job["status"] not in ENDED}
    assert not unfinished, "every job has ended"
    await _assert_wallets_are_right(world)
    completed = {job_id for job_id, job in jobs.items() if job["status"] == "completed"}
    assert set(await world.documents("notifications")) == set(jobs), "each job has its notification"
    assert set(await world.documents("classifications")) == completed, "each completed job has its classification"
    _assert_provider_is_clean(world, {batch["remoteId"] for batch in await world.batches() if batch.get("remoteId")})


async def _assert_wallets_are_right(world: World) -> None:
    jobs = await world.jobs()
    spent: Counter[str] = Counter()
    for job in jobs.values():
        if job["status"] == "completed":
            spent[job["userId"]] += job["tokensSpent"]
    for uid, wallet in (await world.documents("wallets")).items():
        ledger = await world.documents(f"wallets/{uid}/ledger")
        assert wallet["balance"] == sum(entry["amount"] for entry in ledger.values()), "balance = sum of the ledger"
        assert wallet["balance"] == wallet["totalEarned"] - wallet["totalSpent"] >= 0
        assert wallet["totalSpent"] == spent[uid], "only answers cost"
        for entry_id, entry in ledger.items():
            if entry["kind"] == "refund":
                assert ledger[f"{entry['jobId']}.charge"]["amount"] == -entry["amount"], "a refund has its charge"
                assert entry_id == f"{entry['jobId']}.refund"


def _assert_provider_is_clean(world: World, owned: set[str]) -> None:
    assert not world.provider.files, "no file is left at the provider"
    live = {
        remote_id
        for remote_id, batch in world.provider.batches.items()
        if batch.status not in {"completed", "failed", "expired", "cancelled"}
    }
    assert live <= owned, "no provider batch is without an owner"
