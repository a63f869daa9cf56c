"""What is finished is deleted some day, by Firestore's TTL policies; what is under way never is."""

import json
from datetime import timedelta
from typing import Any

import pytest

from local.part import ROOT
from tests.support.auditing import run_audit, spend_a_night
from tests.support.world import World

EXPIRES = {"ai_jobs", "ai_batches", "notifications", "webhooks", "bulk_jobs", "parts", "orders", "outbox", "mail"}


async def test_what_ends_expires_after_its_days(world: World) -> None:
    """Jobs, batches and notifications, each by its own setting, however the job ended."""
    world.set_env(
        NIGHTSHIFT_KEEP_JOBS_DAYS="40", NIGHTSHIFT_KEEP_BATCHES_DAYS="30", NIGHTSHIFT_KEEP_NOTIFICATIONS_DAYS="7"
    )
    await spend_a_night(world)

    for job in (await world.jobs()).values():
        # One that was never in a lane was refused.
        assert kept(job, job["completedAt"]) == timedelta(days=40 if job.get("lane") else 7)
    for batch in await world.batches():
        assert kept(batch, batch["completedAt"]) == timedelta(days=30)
    notifications = await world.documents("notifications")
    assert len(notifications) == 4
    for note in notifications.values():
        assert kept(note, note["createdAt"]) == timedelta(days=7)


async def test_a_refused_job_expires_after_a_week(world: World) -> None:
    """It cost nothing, so any user can write any number of them. A job that was charged, or cancelled, stays longer."""
    await world.give("alice", 1)
    refused = await world.job(await world.submit("alice", type="palm_reading"))
    answered = await world.submit("alice")
    await world.finish()

    assert kept(refused, refused["completedAt"]) == timedelta(days=7)
    job = await world.job(answered)
    assert kept(job, job["completedAt"]) == timedelta(days=365)

    world.set_env(NIGHTSHIFT_KEEP_REFUSED_DAYS="3")
    refused = await world.job(await world.submit("alice"))
    assert (refused["errorCode"], kept(refused, refused["completedAt"])) == ("insufficient_tokens", timedelta(days=3))


async def test_zero_days_keep_for_ever(world: World) -> None:
    """Nothing expires then."""
    names = ("JOBS", "REFUSED", "BATCHES", "NOTIFICATIONS")
    world.set_env(**{f"NIGHTSHIFT_KEEP_{name}_DAYS": "0" for name in names})
    await spend_a_night(world)

    for collection in ("ai_jobs", "ai_batches", "notifications"):
        assert not [fields for fields in (await world.documents(collection)).values() if "expireAt" in fields]


async def test_what_is_under_way_has_no_end(world: World) -> None:
    """A job that waits, or is at the provider, cannot be deleted by a policy, nor can its batch."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 2)
    await world.submit("alice", "sent")
    await world.submit("alice", "waiting")

    assert [job["status"] for _, job in sorted((await world.jobs()).items())] == ["processing", "queued"]
    assert not any("expireAt" in job for job in (await world.jobs()).values())
    assert not any("expireAt" in batch for batch in await world.batches())


async def test_wallets_ledgers_and_answers_are_kept(world: World) -> None:
    """They are the user's, and stay until the user goes."""
    await spend_a_night(world)

    for collection in ("wallets", "wallets/alice/ledger", "classifications"):
        documents = await world.documents(collection)
        assert documents
        assert not any("expireAt" in fields for fields in documents.values())


@pytest.mark.parametrize(("days", "findings"), [(91, []), (89, ["ai_jobs/answered"])])
async def test_an_expired_notification_is_not_missed(
    world: World, capsys: pytest.CaptureFixture[str], days: int, findings: list[str]
) -> None:
    """The audit asks for a notification only as long as notifications are kept."""
    await spend_a_night(world)
    await world.firestore.document("notifications/answered").delete()
    world.pass_time(days=days)

    assert (await run_audit(world, capsys)).subjects == findings


def test_each_expiry_has_its_policy() -> None:
    """Without a TTL policy `expireAt` deletes nothing; and as it grows with time, it is not indexed."""
    overrides = json.loads((ROOT / "firestore.indexes.json").read_text())["fieldOverrides"]
    policies = {override["collectionGroup"]: override for override in overrides if override.get("ttl")}
    assert policies.keys() == EXPIRES
    for policy in policies.values():
        assert (policy["fieldPath"], policy["indexes"]) == ("expireAt", [])


def kept(fields: dict[str, Any], since: Any) -> timedelta:
    """For how many whole days."""
    return timedelta(days=round((fields["expireAt"] - since) / timedelta(days=1), 1))
