"""Joined commits: those of many users go in one call, and what becomes of one user's does not decide another's."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from google.cloud.firestore import SERVER_TIMESTAMP

from nightshift.admission.admit import admit
from nightshift.database.calls import FirestoreCalls
from nightshift.database.commits import Commit, Undecided
from nightshift.database.joined_commits import joined
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
def commits(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """The ids of the jobs in each commit that was sent, refused or not."""
    sent: list[set[str]] = []
    real = FirestoreCalls.commit

    async def recording(calls: FirestoreCalls, writes: Sequence[Any], timeout_seconds: float) -> Any:
        written = [str(write.update.name).partition("/documents/")[2].partition("/") for write in writes]
        sent.append({job_id for collection, _, job_id in written if collection == "ai_jobs"})
        return await real(calls, writes, timeout_seconds)

    monkeypatch.setattr(FirestoreCalls, "commit", recording)
    return sent


async def _written(world: World, users: int, **fields: Any) -> list[str]:
    """A job of each user, who has the tokens for one."""
    for number in range(users):
        await world.give(f"user{number}", 5)
    return [await world.write(f"user{number}", f"job{number}", **fields) for number in range(users)]


async def _admit_all(runtime: Runtime, job_ids: list[str]) -> None:
    await asyncio.gather(*(admit(runtime, job_id) for job_id in job_ids))


async def test_jobs_of_many_users_are_charged_in_few_commits(world: World, commits: list[set[str]]) -> None:
    """The first goes at once, and those that come meanwhile go together."""
    job_ids = await _written(world, 20)

    await _admit_all(world.operators_runtime(), job_ids)

    assert len(await world.jobs("queued")) == 20
    assert len(commits) <= 3
    assert max(map(len, commits)) >= 10
    await world.finish()
    await assert_promises_kept(world)


async def test_answers_in_real_time_of_many_users_are_settled_in_few_commits(
    world: World, commits: list[set[str]]
) -> None:
    """They end at about the same time, so most of their commits share a call."""
    job_ids = await _written(world, 20, speed="instant")

    assert set(await asyncio.gather(*(world.trigger(job_id) for job_id in job_ids))) == {200}

    assert len(await world.jobs("completed")) == 20
    # Each job is in two commits, when it is charged and when it ends.
    assert sum(map(len, commits)) == 40
    assert len(commits) <= 24
    await assert_promises_kept(world)


async def test_a_wallet_that_moves_meanwhile_disturbs_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch, commits: list[set[str]]
) -> None:
    """The commit of all is refused. Each is sent again alone, and only the one is decided anew."""
    job_ids = await _written(world, 6)
    pause = pause_commit(monkeypatch, lambda writes: "wallets/user3/ledger" in writes, "before")

    admitting = asyncio.create_task(_admit_all(world.operators_runtime(), job_ids))
    await pause.begun()
    await world.firestore.document("wallets/user3").update({"updatedAt": SERVER_TIMESTAMP})
    pause.end()
    await admitting

    assert len(await world.jobs("queued")) == 6
    of_the_one = [together for together in commits if "job3" in together]
    assert [len(together) > 1 for together in of_the_one] == [True, False, False]
    assert max(sum(job_id in together for together in commits) for job_id in job_ids if job_id != "job3") == 2
    await world.finish()
    await assert_promises_kept(world)


@pytest.mark.parametrize("fault", ["lost", "lost-timeout", "late-2", "aborted", "unavailable"])
async def test_whatever_becomes_of_the_common_commit_each_is_charged_once(world: World, fault: str) -> None:
    """Its answer is lost, it lands late, or it never lands."""
    undisturbed = Traffic()
    first = await _written(world, 6)
    await undisturbed.invoke(lambda: _admit_all(world.operators_runtime(), first))
    number = [call.number for call in undisturbed.calls if call.name == "firestore.Commit"][-1]
    traffic = Traffic(Strike(FAULTS[fault], number))
    job_ids = [await world.write(f"user{user}", f"again{user}") for user in range(6)]

    await traffic.invoke(lambda: _admit_all(world.operators_runtime(), job_ids))
    await traffic.land()

    assert [call.name for call, _ in traffic.struck] == ["firestore.Commit"]
    assert [(await world.read(f"wallets/user{user}"))["balance"] for user in range(6)] == [3] * 6
    await world.finish()
    await assert_promises_kept(world)


async def test_commits_that_touch_one_document_are_not_joined(world: World) -> None:
    """Both ask for the same document to be new: one of them lands, and the other is refused."""
    runtime = world.operators_runtime()

    def creating(job_id: str) -> Commit:
        commit = Commit(runtime)
        commit.create(world.firestore.document(f"ai_jobs/{job_id}"), {"userId": "alice"})
        return commit

    first, one, again, other = asked = [creating(job_id) for job_id in ("first", "one", "one", "other")]
    assert list(joined(asked)) == [[first, one], [again, other]]

    outcomes = await asyncio.gather(*(commit.send_joined() for commit in asked), return_exceptions=True)

    assert [isinstance(outcome, Undecided) for outcome in outcomes].count(True) == 1
    assert set(await world.jobs()) == {"first", "one", "other"}


async def test_a_commit_that_can_never_land_is_refused_alone(world: World) -> None:
    """A document of more than a megabyte; those that were sent with it land."""
    runtime = world.operators_runtime()

    def creating(job_id: str, text: str) -> Commit:
        commit = Commit(runtime)
        commit.create(world.firestore.document(f"ai_jobs/{job_id}"), {"text": text})
        return commit

    asked = [creating("first", ""), creating("small", ""), creating("huge", "x" * 1_100_000), creating("last", "")]
    outcomes = await asyncio.gather(*(commit.send_joined() for commit in asked), return_exceptions=True)

    assert [type(outcome).__name__ for outcome in outcomes if isinstance(outcome, Exception)] == ["NeverLands"]
    assert set(await world.documents("ai_jobs")) == {"first", "small", "last"}
