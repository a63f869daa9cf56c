"""The audit of what is in order: nothing is found, page by page, and while everything moves."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from google.cloud.firestore import SERVER_TIMESTAMP

from cli.audit import economy, jobs, wallets
from cli.audit.audit import audit
from cli.audit.scope import Scope
from local.openai_server import Reply, ReplyRule
from nightshift.jobs.cancel import cancel
from nightshift.runtime import Runtime
from tests.support.auditing import run_audit, spend_a_night
from tests.support.promises import assert_promises_kept
from tests.support.world import World

RESULT = {"itemName": "bottle"}


async def test_a_night_that_kept_its_promises_has_no_finding(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Completed, retried, refunded and refused jobs are all in order, and everything was looked at."""
    await spend_a_night(world)

    clean = await run_audit(world, capsys)

    assert (clean.code, clean.findings) == (0, [])
    looked_at = clean.summary["lookedAt"]
    assert (looked_at["jobs"], looked_at["wallets"], looked_at["ledger entries"]) == (4, 1, 5)
    assert (looked_at["batches"], looked_at["provider batches"]) == (4, 4)
    await assert_promises_kept(world)


async def test_a_cancelled_job_has_its_notification_and_one_of_an_earlier_version_is_no_finding(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its notification is `job_cancelled`; an earlier version wrote `job_failed`, which the user may have read."""
    await world.give("alice", 1)
    job_id = await world.write("alice")
    assert await cancel(world.operators_runtime(), job_id) == "cancelled"

    assert (await run_audit(world, capsys)).findings == []
    await world.firestore.document(f"notifications/{job_id}").update({"type": "job_failed"})
    assert (await run_audit(world, capsys)).findings == []


async def test_without_a_key_the_provider_is_skipped_with_a_word(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """The database is audited all the same."""
    await spend_a_night(world)

    clean = await run_audit(world, capsys, openai_api_key=None)

    assert clean.code == 0
    assert clean.summary["skipped"] == {"provider": "OPENAI_API_KEY is not set"}
    assert "provider batches" not in clean.summary["lookedAt"]


async def test_an_unreachable_provider_does_not_keep_the_database_from_being_audited(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """An audit that could not look everywhere says so, and is not clean."""
    await spend_a_night(world)
    await world.firestore.document("wallets/alice").update({"balance": 1})

    broken = await run_audit(world, capsys, openai_base_url="http://127.0.0.1:9/v1")

    assert broken.code == 2
    assert broken.subjects == ["wallets/alice"]
    assert "provider" in broken.summary["troubles"]


async def test_jobs_that_wait_for_their_turn_are_no_finding(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Created a moment ago, queued, and at the provider for hours: nothing is stuck."""
    world.provider.hold("in_progress")
    await world.give("alice", 3)
    await world.submit("alice", "at-the-provider")
    world.pass_time(hours=20)
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.submit("alice", "sent")
    await world.submit("alice", "queued")

    clean = await run_audit(world, capsys)

    assert (clean.code, clean.findings) == (0, [])


async def test_a_charge_of_a_deleted_job_does_not_pay_a_new_one_of_its_id(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Old jobs may be deleted; a new one under the same id was never charged, and gets nothing back."""
    await spend_a_night(world)
    for collection in ("ai_jobs", "classifications", "notifications"):
        await world.firestore.document(f"{collection}/answered").delete()
    await world.submit("alice", "answered")
    assert (await world.job("answered"))["status"] == "failed"

    clean = await run_audit(world, capsys, repair=True)

    assert (clean.code, clean.findings) == (0, [])
    assert (await world.read("wallets/alice"))["balance"] == 7


async def test_while_everything_moves_nothing_is_found(world: World) -> None:
    """Audits without patience, one after the other, while jobs are charged, sent, answered, retried and refunded."""
    await world.give("alice", 60)
    await world.give("bob", 60)
    world.provider.faults.add(ReplyRule(Reply.refuses("no"), times=4), ReplyRule(Reply.http_error(503), times=4))
    is_over = asyncio.Event()
    findings: list[str] = []
    troubles: dict[str, str] = {}
    audits = 0

    async def keep_auditing() -> None:
        nonlocal audits
        runtime = world.operators_runtime()
        while not is_over.is_set():
            scope = Scope(runtime=runtime, grace=timedelta())
            findings.extend([f"{finding.subject}: {finding.sentence}" async for finding in audit(scope)])
            troubles.update(scope.troubles)
            audits += 1

    auditing = asyncio.create_task(keep_auditing())
    for _ in range(5):
        await asyncio.gather(*(world.submit(uid) for uid in ("alice", "bob", "alice", "bob")), world.tick())
    await world.finish(ticks=20)
    is_over.set()
    await auditing

    assert not findings
    assert not troubles
    assert audits > 3
    assert len(await world.jobs("failed")) == 4
    await assert_promises_kept(world)


@pytest.mark.parametrize(
    ("check", "read"), [(jobs, "read_at"), (wallets, "pages"), (economy, "pages")], ids=["jobs", "wallets", "economy"]
)
async def test_what_is_read_before_and_after_a_commit_is_no_finding(
    world: World, monkeypatch: pytest.MonkeyPatch, check: Any, read: str
) -> None:
    """As the emulator reads at times: one document without a commit, and another with it. The second look has both."""
    world.set_env(NIGHTSHIFT_ECONOMY="1")
    await world.give("alice", 3)
    await world.submit("alice")
    await world.finish()
    world.provider.hold("in_progress")
    await world.submit("alice")
    whole, is_torn = getattr(check, read), False

    async def meanwhile() -> None:
        nonlocal is_torn
        is_torn = True
        world.provider.release()
        await world.submit("alice")
        await world.finish()

    async def torn_documents(runtime: Runtime, refs: Any, at: datetime) -> Any:
        if is_torn:
            return await whole(runtime, refs, at)
        await meanwhile()
        return await whole(runtime, refs, None)

    async def torn_pages(query: Any, at: datetime | None = None) -> AsyncIterator[Any]:
        if at and not is_torn:
            await meanwhile()
            at = None
        async for page in whole(query, at):
            yield page

    monkeypatch.setattr(check, read, torn_documents if read == "read_at" else torn_pages)

    assert [finding async for finding in check.findings(Scope(runtime=world.operators_runtime()))] == []
    assert is_torn
    assert len(await world.jobs("completed")) == 3


@pytest.mark.parametrize("listing", ["batches", "input_files"])
async def test_what_ends_after_the_provider_listed_it_is_no_finding(
    world: World, monkeypatch: pytest.MonkeyPatch, listing: str
) -> None:
    """The listing arrives when its batch is closed and its file deleted: the second look sees that they are gone."""
    world.provider.hold("in_progress")
    await world.give("alice", 1)
    await world.submit("alice")
    scope = Scope(runtime=world.operators_runtime(), grace=timedelta())
    at_once = getattr(scope.runtime.providers.named("openai"), listing)

    async def late() -> AsyncIterator[Any]:
        listed = [each async for each in at_once()]
        world.provider.release()
        await world.finish()
        for each in listed:
            yield each

    monkeypatch.setattr(scope.runtime.providers.named("openai"), listing, late)

    assert [finding async for finding in audit(scope)] == []
    assert not scope.troubles
    assert await world.jobs("completed")


async def test_findings_stream_page_by_page(world: World) -> None:
    """Of 700 jobs and as many ledger entries only a page is held: the first finding comes before the rest is read."""
    await write_completed_jobs(world, 700)
    for number in (0, 699):
        await world.firestore.document(f"notifications/job{number:04}").delete()
    scope = Scope(runtime=world.operators_runtime(openai_api_key=None))

    looked_at = {finding.subject: scope.looked_at["jobs"] async for finding in audit(scope)}

    assert looked_at == {"ai_jobs/job0000": 100, "ai_jobs/job0699": 700}
    assert scope.looked_at["ledger entries"] == 701


async def write_completed_jobs(world: World, number: int) -> None:
    """Write answered jobs of alice's with all that belongs to them, as the functions leave them."""
    documents: dict[str, dict[str, Any]] = {
        "wallets/alice": {"balance": 300, "totalEarned": 300 + number, "totalSpent": number},
        "wallets/alice/ledger/welcome": {"amount": 300 + number, "kind": "grant"},
    }
    for job_id in (f"job{index:04}" for index in range(number)):
        documents |= {
            f"ai_jobs/{job_id}": {"userId": "alice", "status": "completed", "tokensSpent": 1, "result": RESULT},
            f"classifications/{job_id}": {"userId": "alice", "result": RESULT},
            f"notifications/{job_id}": {"userId": "alice", "type": "job_completed"},
            f"wallets/alice/ledger/{job_id}.charge": {"amount": -1, "kind": "charge", "jobId": job_id},
        }
    paths = list(documents)
    for start in range(0, len(paths), 400):
        batch = world.firestore.batch()
        for path in paths[start : start + 400]:
            batch.set(world.firestore.document(path), {**documents[path], "createdAt": SERVER_TIMESTAMP})
        await batch.commit()
