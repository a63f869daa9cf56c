"""Each invariant, broken alone: the audit finds exactly it, mends it or says why not, and then finds nothing."""

from typing import Any

import pytest

from tests.support.auditing import run_audit, spend_a_night
from tests.support.promises import assert_promises_kept
from tests.support.world import World

# What is done to which documents: fields to change, None to delete it.
Damage = dict[str, dict[str, Any] | None]
LEDGER = "wallets/alice/ledger"

MENDED: list[tuple[Damage, str, str]] = [
    ({"wallets/alice": {"balance": 8}}, "wallets/alice", "Its balance is 8, and its ledger sums to 7."),
    ({"wallets/alice": {"totalEarned": 10}}, "wallets/alice", "Its balance is 7; 10 were earned and 2 spent."),
    ({"wallets/alice": {"balance": "many"}}, "wallets/alice", "It holds what is no number"),
    ({"wallets/alice": {"totalSpent": float("nan")}}, "wallets/alice", "It holds what is no number"),
    ({"wallets/alice": None}, "wallets/alice", "There is no wallet, and its ledger sums to 7."),
    ({"notifications/answered": None}, "ai_jobs/answered", "has no notification"),
    ({"notifications/declined": None}, "ai_jobs/declined", "has no notification"),
    ({"notifications/refused": None}, "ai_jobs/refused", "has no notification"),
    ({"classifications/retried": None}, "ai_jobs/retried", "has no classification"),
    (
        {f"{LEDGER}/declined.refund": None, "wallets/alice": {"balance": 6, "totalSpent": 3}},
        "ai_jobs/declined",
        "its tokens were not returned",
    ),
]

LEFT_ALONE: list[tuple[Damage, str, str]] = [
    ({"ai_jobs/answered": {"status": "paused"}}, "ai_jobs/answered", "Its status is unknown"),
    ({"notifications/declined": {"type": "job_completed"}}, "ai_jobs/declined", "tells another end"),
    ({"notifications/declined": {"type": "job_cancelled"}}, "ai_jobs/declined", "tells another end"),
    ({"classifications/answered": {"result": {}}}, "ai_jobs/answered", "another result"),
    (
        {"classifications/declined": {"userId": "alice", "result": {}}},
        "ai_jobs/declined",
        "did not succeed, and has a classification",
    ),
    ({"ai_jobs/answered": {"tokensSpent": 5}}, "ai_jobs/answered", "its charge is not what it says it cost"),
    (
        {f"{LEDGER}/answered.charge": None, "wallets/alice": {"balance": 8, "totalSpent": 1}},
        "ai_jobs/answered",
        "was never charged",
    ),
    (
        {
            f"{LEDGER}/answered.refund": {"amount": 1, "kind": "refund", "jobId": "answered"},
            "wallets/alice": {"balance": 8, "totalSpent": 1},
        },
        "ai_jobs/answered",
        "its tokens were returned",
    ),
    (
        {f"{LEDGER}/declined.refund": {"amount": 2}, "wallets/alice": {"balance": 8, "totalSpent": 1}},
        f"{LEDGER}/declined.refund",
        "another amount than was charged",
    ),
    (
        {f"{LEDGER}/declined.charge": None, "wallets/alice": {"balance": 8, "totalSpent": 1}},
        f"{LEDGER}/declined.refund",
        "what was never charged",
    ),
    (
        {
            f"{LEDGER}/again": {"amount": -1, "kind": "charge", "jobId": "answered"},
            "wallets/alice": {"balance": 6, "totalSpent": 3},
        },
        f"{LEDGER}/again",
        "is not named after it",
    ),
    ({f"{LEDGER}/gift": {"amount": "nine", "kind": "grant"}}, f"{LEDGER}/gift", "no number of tokens"),
    (
        {f"{LEDGER}/fee": {"amount": -10, "kind": "grant"}, "wallets/alice": {"balance": -3, "totalEarned": -1}},
        "wallets/alice",
        "Its balance is -3.",
    ),
    (
        {"ai_jobs/lost": {"userId": "alice", "status": "queued", "lane": "nowhere"}},
        "ai_jobs/lost",
        "queued in no lane",
    ),
    (
        {
            "ai_jobs/early": {"userId": "alice", "status": "created"},
            "notifications/early": {"userId": "alice", "type": "job_completed"},
        },
        "ai_jobs/early",
        "has a notification or classification of its end",
    ),
    ({"ai_batches/odd": {"status": "sealed"}}, "ai_batches/odd", "cannot be read"),
]


async def test_what_is_certain_is_found_and_mended(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The audit alone changes nothing; with --repair it mends, and the next one is clean."""
    await spend_a_night(world)
    for damage, subject, sentence in MENDED:
        await inflict(world, damage)

        found = await run_audit(world, capsys)
        assert (found.code, found.subjects) == (1, [subject]), damage
        assert sentence in found.findings[0]["finding"]
        assert "mended" not in found.findings[0]
        assert (await run_audit(world, capsys)).findings == found.findings

        repaired = await run_audit(world, capsys, repair=True)
        assert (repaired.code, repaired.subjects) == (1, [subject])
        assert repaired.findings[0]["mended"]
        clean = await run_audit(world, capsys, repair=True)
        assert (clean.code, clean.findings) == (0, []), damage
        await assert_promises_kept(world)


async def test_what_is_for_a_person_to_decide_is_found_and_left_alone(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """The audit says why, and changes nothing."""
    await spend_a_night(world)
    for damage, subject, sentence in LEFT_ALONE:
        before = {path: await world.read(path) for path in damage}
        await inflict(world, damage)

        found = await run_audit(world, capsys, repair=True)

        assert (found.code, found.subjects) == (1, [subject]), damage
        assert sentence in found.findings[0]["finding"]
        assert found.findings[0]["leftAlone"]
        assert "mended" not in found.findings[0]
        assert (await run_audit(world, capsys, repair=True)).findings == found.findings
        await _restore(world, before)
    assert (await run_audit(world, capsys)).code == 0


async def _restore(world: World, documents: dict[str, dict[str, Any]]) -> None:
    """Let documents be as they were; one that had no fields was not there."""
    for path, fields in documents.items():
        document = world.firestore.document(path)
        await (document.set(fields) if fields else document.delete())


async def test_what_was_mended_says_what_it_would_have_said(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Documents written late hold what the settling commit would have written."""
    await spend_a_night(world)
    paths = ("notifications/answered", "classifications/answered", "notifications/declined")
    before = {path: await world.read(path) for path in paths}
    await inflict(world, dict.fromkeys(paths))

    repaired = await run_audit(world, capsys, repair=True)

    assert repaired.summary["mended"] == 3
    for path in paths:
        after = await world.read(path)
        differing = {name for name in before[path] | after if before[path].get(name) != after.get(name)}
        assert differing <= {"createdAt", "expireAt", "message"}
    assert (await world.read(paths[0]))["message"] == before[paths[0]]["message"]
    assert "cost you nothing" in (await world.read(paths[2]))["message"]


async def test_a_refund_without_a_wallet_is_left_alone_until_there_is_one(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """The wallet is written from its ledger first; then the tokens have somewhere to go."""
    await spend_a_night(world)
    await inflict(world, {f"{LEDGER}/declined.refund": None, "wallets/alice": None})

    first = await run_audit(world, capsys, repair=True)
    second = await run_audit(world, capsys, repair=True)
    third = await run_audit(world, capsys, repair=True)

    assert "leftAlone" in first.findings[0]
    assert "mended" in first.findings[1]
    assert (second.subjects, second.summary["mended"]) == (["ai_jobs/declined"], 1)
    assert third.code == 0
    await assert_promises_kept(world)


async def test_a_batch_that_counts_wrongly_is_counted_again(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The database's recount is the truth."""
    await spend_a_night(world)
    path = f"ai_batches/{(await world.job('answered'))['batchId']}"
    before = await world.read(path)
    for counts in (
        {"completed": 5},
        {"completed": 0, "failed": 1},
        {"retried": 1},
        {"completed": "x"},
        {"cancelled": 1},
    ):
        await inflict(world, {path: {"counts": counts}})

        found = await run_audit(world, capsys)
        repaired = await run_audit(world, capsys, repair=True)

        assert found.subjects == repaired.subjects == [path], counts
        assert (await world.read(path))["counts"] == before["counts"]
        assert (await run_audit(world, capsys)).code == 0


async def inflict(world: World, damage: Damage) -> None:
    """Damage documents by hand, as an administrator could."""
    for path, fields in damage.items():
        if fields is None:
            await world.firestore.document(path).delete()
        else:
            await world.firestore.document(path).set(fields, merge=True)
