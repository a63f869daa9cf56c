"""The promises of the contract, over everything that a project holds: the operators' audit, and what it cannot know.

Every journey test ends here.
"""

import asyncio
from collections import Counter
from datetime import timedelta

from cli.audit.audit import audit
from cli.audit.history import differences, recount
from cli.audit.scope import Scope
from nightshift.values.day_sums import DaySums
from tests.support.world import World

ENDED = {"completed", "failed", "cancelled"}


async def assert_promises_kept(world: World, *, may_be_gone: bool = False) -> None:
    """Check promises 1 to 4: nothing lost, nothing charged twice, no stray at the provider, one document each.

    Args:
        may_be_gone: documents that the history has counted may have been deleted: a user was erased.
    """
    jobs, wallets, batches, notifications, classifications = await asyncio.gather(
        world.jobs(),
        world.documents("wallets"),
        world.batches(),
        world.documents("notifications"),
        world.documents("classifications"),
    )
    await assert_audit_is_clean(world)
    bulk_jobs = await world.documents("bulk_jobs")
    unfinished = {job_id: job["status"] for job_id, job in jobs.items() if job["status"] not in ENDED}
    assert not unfinished, "every job has ended"
    # An admin's are about alerts.
    notifications = {key: told for key, told in notifications.items() if not key.startswith("alert.")}
    of_jobs = {key for key in notifications if not key.startswith("bulk.")}
    assert of_jobs | classifications.keys() <= jobs.keys(), "each notification has a job"
    assert notifications.keys() - of_jobs <= {f"bulk.{bulk_id}" for bulk_id in bulk_jobs}, "or a bulk job"
    spent: Counter[str] = Counter()
    for job in jobs.values():
        if job["status"] == "completed":
            spent[job["userId"]] += job["tokensSpent"]
    for bulk in bulk_jobs.values():
        if bulk.get("charges"):
            spent[bulk["userId"]] += bulk["price"] * (bulk["counts"]["completed"] + bulk["counts"]["open"])
    for uid, wallet in wallets.items():
        assert wallet["totalSpent"] == spent[uid], "only answers cost"
    if not any(job.get("isFree") for job in jobs.values()):
        await assert_history_adds_up(world, may_be_gone=may_be_gone)
    _assert_provider_is_clean(world, {batch["remoteId"] for batch in batches if batch.get("remoteId")})


async def assert_audit_is_clean(world: World) -> None:
    """The operators' audit of the database, without patience, finds nothing.

    It does not ask the provider, whose faults may still be armed: what is there is seen from inside.
    """
    scope = Scope(runtime=world.operators_runtime(openai_api_key=None), grace=timedelta())
    findings = [f"{finding.subject}: {finding.sentence}" async for finding in audit(scope)]
    assert not findings
    assert not scope.troubles, "each check was finished"


async def assert_history_adds_up(world: World, *, may_be_gone: bool = False) -> None:
    """What the ticks have counted by now is what the documents say: never less, and more only of what may be gone."""
    told, recounted = await recount(world.operators_runtime())
    for day in {*told, *recounted}:
        found = list(differences(told.get(day, DaySums()), recounted.get(day, DaySums()), may_be_gone=may_be_gone))
        assert not found, f"{day}: {found}"


def _assert_provider_is_clean(world: World, owned: set[str]) -> None:
    assert not world.provider.files, "no file is left at the provider"
    live = {
        remote_id
        for remote_id, batch in world.provider.batches.items()
        if batch.status not in {"completed", "failed", "expired", "cancelled"}
    }
    assert live <= owned, "no provider batch is without an owner"
