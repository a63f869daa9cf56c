"""Honest users beside hostile ones: each example is played twice, with the hostile users and without.

Both worlds have the same honest script and the same clock. What is compared is all that an honest user sees: after how
many ticks each job ended, how, with which answer and at which price; the wallet, its ledger and what was earned; the
notifications and classifications. Any difference is an interference.

Pub/Sub's calls for workers are delivered: each worker is an instance of its own, and begins with those that it helps.

Time is what the functions' own calls make of it. The clock stands still but for them: each external call takes
`Example.call_seconds`, and each byte that it carries `_BYTE_SECONDS`. So the tick's budget, leases and waits are real
in the comparison, and no machine is too slow or too busy for it. The tick's budget is scaled down as the number of
hostile jobs is: some dozens here stand for some thousands.
"""

import asyncio
import textwrap
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, Literal

import pytest
from google.cloud.firestore import DocumentSnapshot
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from local.openai_server import Reply, ReplyRule
from nightshift.functions import BULK_TOPIC, INGEST_TOPIC
from tests.chaos import hostile_api
from tests.chaos.calls import Traffic, seam
from tests.chaos.hostile import DECLINED, INVALID, Attack, Effort
from tests.support.world import World

Kind = Literal["text", "photo", "instant", "declined", "unusable", "horoscope", "bulk"]
_KINDS: Final[tuple[Kind, ...]] = ("text", "text", "photo", "instant", "declined", "unusable", "horoscope", "bulk")
HONEST: Final = ("alice", "bob")
# A user's share of it is spent by the larger floods; all users of an example together do not spend it.
BUDGET_USD: Final = 0.12
# A dozen jobs. The floods of others fill it, and by turns each user has a place in one of the next batches.
MOST_TOKENS: Final = 6_000
_TOKENS: Final = 60
_BYTE_SECONDS: Final = 1e-6
# The clock is ahead of the database's, so that a job whose event was lost is old enough to be rescued.
_AHEAD: Final = timedelta(minutes=5)
_SWEEP_AFTER: Final = timedelta(minutes=3)
_TICK_AFTER: Final = timedelta(minutes=6)
_ROUND: Final = timedelta(minutes=10)
_EXAMPLES_PER_SEED: Final = 3
_ENDED: Final = {"completed", "failed", "cancelled"}
# Calls for workers that are delivered between two ticks, at most.
_MOST_CALLS: Final = 500
# How the ids of honest bulk jobs begin.
_BULK: Final = "many"
_PART_OF_A_BULK_JOB: Final = ("status", "errorCode", "counts", "price", "charges", "firstErrors")
_PART_OF_A_JOB: Final = ("status", "errorCode", "errorMessage", "tokensSpent", "costUsd", "usage", "result")


class Interference(AssertionError):
    """What hostile users did was felt by an honest one."""


@dataclass(frozen=True)
class Ask:
    """An honest user writes a job, or a bulk job; its event comes, or is lost."""

    uid: str
    kind: Kind
    is_lost: bool


@dataclass(frozen=True)
class Round:
    """What happens between two ticks. The moves of hostile users come before the honest jobs, or after them."""

    asks: list[Ask]
    moves: list[tuple[str, int]]
    is_hostile_first: bool
    # Honest jobs that have ended expire after it.
    expires: bool


@dataclass(frozen=True)
class Example:
    """Some rounds, and ticks until every honest job has ended."""

    rounds: list[Round]
    most_requests: int = 50_000
    tick_seconds: int = 20
    # Of the whole project a day, of which a user may take a tenth; 0 = no limit.
    budget_usd: float = 0.0
    # Input tokens that a lane may have in flight; 0 = no limit.
    most_tokens: int = 0
    # What each external call of the functions takes.
    call_seconds: float = 0.02
    # After the rounds, at most so many.
    quiet_ticks: int = 60


EXAMPLES: Final = st.builds(
    Example,
    rounds=st.lists(
        st.builds(
            Round,
            asks=st.lists(
                st.builds(Ask, st.sampled_from(HONEST), st.sampled_from(_KINDS), st.sampled_from([False, False, True])),
                min_size=1,
                max_size=3,
            ),
            moves=st.lists(
                st.tuples(st.sampled_from(sorted(hostile_api.MOVES)), st.integers(0, 99)), min_size=1, max_size=4
            ),
            is_hostile_first=st.booleans(),
            expires=st.booleans(),
        ),
        min_size=1,
        max_size=3,
    ),
    most_requests=st.sampled_from([8, 50_000]),
    tick_seconds=st.sampled_from([5, 20]),
    budget_usd=st.sampled_from([0.0, 0.0, BUDGET_USD]),
    most_tokens=st.sampled_from([0, 0, MOST_TOKENS]),
)


@dataclass
class Felt:
    """What the honest users saw: of each job by its id, and of each document of theirs by its path."""

    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)

    def differences(self, beside: "Felt", late: int = 0) -> list[str]:
        """What differs from these in what they saw beside hostile users; `late` ticks later is no difference."""
        return [
            f"{name}: {key} is {_short(mine.get(key))} alone, {_short(theirs.get(key))} beside them"
            for alone, besides in ((self.jobs, beside.jobs), (self.documents, beside.documents))
            for name in sorted(alone.keys() | besides.keys())
            for mine, theirs in [(alone.get(name, {}), besides.get(name, {}))]
            for key in sorted(mine.keys() | theirs.keys())
            if mine.get(key) != theirs.get(key) and not _is_bearable(key, mine.get(key), theirs.get(key), late)
        ]


def _is_bearable(key: str, alone: Any, beside: Any, late: int) -> bool:
    return key == "ticks" and isinstance(alone, int) and isinstance(beside, int) and alone <= beside <= alone + late


def _short(seen: Any) -> str:
    return textwrap.shorten(repr(seen), 120)


class _MeteredWorld(World):
    """A world whose clock moves with the functions' calls, from the moment to which it was set."""

    def __init__(self, env: pytest.MonkeyPatch, began_at: datetime, call_seconds: float) -> None:
        self.traffic = Traffic(is_weighed=True)
        self._began_at = began_at
        self._call_seconds = call_seconds
        self._moment = timedelta()
        self._spent_before = 0.0
        super().__init__(env)

    def now(self) -> datetime:
        """The functions' time, and the provider's."""
        return self._began_at + self._moment + timedelta(seconds=self._spent - self._spent_before)

    def set_clock(self, moment: timedelta) -> None:
        """Set the clock to a moment after the beginning."""
        self._moment, self._spent_before = moment, self._spent

    @property
    def _spent(self) -> float:
        return len(self.traffic.calls) * self._call_seconds + self.traffic.bytes * _BYTE_SECONDS


class _Side:
    """One of the two worlds while an example is played in it."""

    def __init__(self, world: _MeteredWorld, *, is_attacked: bool) -> None:
        self.felt = Felt()
        self.attack = Attack(world, self._invoke)
        self._world = world
        self._is_attacked = is_attacked
        self._number = 0
        self._ticks = 0
        # The honest jobs that are under way, and after how many ticks each was written.
        self._written_at: dict[str, int] = {}
        self._started_at = timedelta()

    async def play(self, example: Example) -> None:
        self.answer_as_scripted()
        for uid in HONEST:
            await self._world.give(uid, _TOKENS)
        for one in example.rounds:
            await self._play_round(one)
        for _ in range(example.quiet_ticks):
            if not self._written_at:
                break
            await self._finish_round()
        await self._look_at_documents()

    def answer_as_scripted(self) -> None:
        """Let the provider answer as the honest script has it, whatever else hostile users made of it."""
        faults = self._world.provider.faults
        faults.clear()
        faults.add(ReplyRule(reply=Reply(content="In prose."), text=INVALID, times=None))
        faults.add(ReplyRule(reply=Reply.refuses("No."), text=DECLINED, times=None))

    async def _play_round(self, one: Round) -> None:
        # Ten minutes later the instances are others.
        self._world.set_env()
        self._at(timedelta())
        if one.is_hostile_first:
            await self._attack(one)
        for ask in one.asks:
            await self._ask(ask)
        if not one.is_hostile_first:
            await self._attack(one)
        await self._finish_round()
        if one.expires:
            await self._expire()

    async def _attack(self, one: Round) -> None:
        if self._is_attacked:
            for name, number in one.moves:
                self._at(timedelta())
                await hostile_api.MOVES[name](self.attack, number)
                await self._work(timedelta())

    async def _ask(self, ask: Ask) -> None:
        job_id, number = f"{_BULK if ask.kind == 'bulk' else 'honest'}{self._number}", self._number
        self._number += 1
        fields: dict[str, Any] = {"input": {"text": f"bottle {number}"}}
        match ask.kind:
            case "photo":
                uri = await self._world.upload(ask.uid, f"photo{number}.png")
                # In each world the bucket has another name, and a stand-in's answer follows from what it is asked.
                fields = {"type": "photo_rating", "input": {"text": f"photo {number}", "imageUri": uri}}
            case "instant":
                fields["speed"] = "instant"
            case "declined" | "unusable":
                fields["input"] = {"text": f"{DECLINED if ask.kind == 'declined' else INVALID} {number}"}
            case "horoscope":
                fields["type"] = "horoscope"
            case "bulk":
                fields = {"items": [{"text": f"row {row} of {number}"} for row in range(3)], "maxTokens": 3}
        is_bulk = ask.kind == "bulk"
        await (self._world.write_bulk if is_bulk else self._world.write)(ask.uid, job_id, **fields)
        self._written_at[job_id] = self._ticks
        if not ask.is_lost:
            self._at(timedelta())
            deliver = self._world.trigger_bulk if is_bulk else self._world.trigger
            assert await self._invoke(lambda: deliver(job_id)) == 200
            await self._work(timedelta())
        await self._look_at_jobs()

    async def _finish_round(self) -> None:
        """A sweep, and a tick; by then the provider is no longer overrun."""
        self.answer_as_scripted()
        self._at(_SWEEP_AFTER)
        await self._invoke(self._world.sweep)
        await self._work(_SWEEP_AFTER)
        await self._look_at_jobs()
        await self._world.provider.settled()
        self._at(_TICK_AFTER)
        self._ticks += 1
        await self._invoke(self._world.tick)
        await self._work(_TICK_AFTER)
        await self._look_at_jobs()
        self._started_at += _ROUND

    async def _work(self, after: timedelta) -> None:
        """Pub/Sub pushes the calls for workers, each to an instance of its own; one that fails is lost."""
        workers = {INGEST_TOPIC: self._world.work, BULK_TOPIC: self._world.work_bulk_call}
        delivered = 0
        while delivered < _MOST_CALLS:
            of_topics = [(work, await self._world.calls_for_workers(topic)) for topic, work in workers.items()]
            calls = [(work, call) for work, published in of_topics for call in published]
            if not calls:
                return
            delivered += len(calls)
            for work, call in calls:
                self._at(after)
                await self._invoke(partial(work, call))

    def _at(self, after: timedelta) -> None:
        """Functions that run at one time begin at one time: they are other instances."""
        self._world.set_clock(self._started_at + after)

    async def _invoke(self, invocation: Callable[[], Awaitable[int]]) -> int:
        return await self._world.traffic.invoke(invocation) or 500

    async def _look_at_jobs(self) -> None:
        for job_id, written_at in list(self._written_at.items()):
            is_bulk = job_id.startswith(_BULK)
            job = await (self._world.bulk if is_bulk else self._world.job)(job_id)
            if job.get("status") in _ENDED:
                del self._written_at[job_id]
                seen = {name: job.get(name) for name in (_PART_OF_A_BULK_JOB if is_bulk else _PART_OF_A_JOB)}
                self.felt.jobs[job_id] = {"ticks": self._ticks - written_at, **seen}

    async def _expire(self) -> None:
        """The honest jobs that have ended are deleted, as after a year."""
        for job_id in self.felt.jobs:
            if job_id not in self.attack.expired and not job_id.startswith(_BULK):
                await self._world.firestore.document(f"ai_jobs/{job_id}").delete()
                self.attack.expired.append(job_id)

    async def _look_at_documents(self) -> None:
        for job_id in self._written_at:
            self.felt.jobs[job_id] = {"status": "under way after all ticks"}
        database = self._world.firestore
        for job_id in self.felt.jobs:
            for collection in ("classifications", "notifications"):
                self._see(await database.document(f"{collection}/{job_id}").get())
            self._see(await database.document(f"notifications/bulk.{job_id}").get())
        for uid in HONEST:
            wallet = database.document(f"wallets/{uid}")
            self._see(await wallet.get())
            async for entry in wallet.collection("ledger").stream():
                self._see(entry)
            self._see(await database.document(f"economy/{uid}").get())

    def _see(self, snapshot: "DocumentSnapshot[Any]") -> None:
        fields = snapshot.to_dict() or {}
        if fields.get("userId", HONEST[0]) not in HONEST:
            # A hostile user's, under the id of a job that has expired: the rules show it to no honest one.
            fields = {}
        # Times differ by nature.
        kept = {name: one for name, one in fields.items() if not isinstance(one, datetime) and name != "admissions"}
        self.felt.documents[snapshot.reference.path] = kept


async def _play(example: Example, began_at: datetime, *, is_attacked: bool) -> tuple[Felt, Effort]:
    """Play an example in a world of its own."""
    env = pytest.MonkeyPatch()
    try:
        with seam():
            world = _MeteredWorld(env, began_at, example.call_seconds)
            # No function waits: what is put off is a later sweep's.
            world.bound(longest_pause_seconds=0)
            async with world.running():
                world.set_env(
                    NIGHTSHIFT_TICK_SECONDS=str(example.tick_seconds),
                    NIGHTSHIFT_MAX_BATCH_REQUESTS=str(example.most_requests),
                    NIGHTSHIFT_DAILY_BUDGET_USD=str(example.budget_usd),
                    NIGHTSHIFT_MAX_USER_BUDGET_SHARE="0.1",
                    NIGHTSHIFT_MAX_ENQUEUED_TOKENS=str(example.most_tokens),
                    NIGHTSHIFT_ECONOMY="true",
                )
                await world.open_pubsub(INGEST_TOPIC, BULK_TOPIC)
                side = _Side(world, is_attacked=is_attacked)
                try:
                    await side.attack.open()
                    await side.play(example)
                finally:
                    await side.attack.aclose()
                return side.felt, side.attack.effort
    finally:
        env.undo()


def compare(example: Example) -> Effort:
    """Play an example without and with its hostile users. Raises Interference."""

    async def both() -> tuple[Felt, Felt, Effort]:
        began_at = datetime.now(UTC) + _AHEAD
        alone, _ = await _play(example, began_at, is_attacked=False)
        beside, effort = await _play(example, began_at, is_attacked=True)
        return alone, beside, effort

    alone, beside, effort = asyncio.run(both())
    # Each tick sends a job at least, and of n users whose jobs wait each has one among every 2n that are sent.
    late = 2 * (len(HONEST) + effort.payers) if example.most_tokens else 0
    if differences := alone.differences(beside, late):
        raise Interference("\n".join(differences))
    return effort


def besiege(number: int, examples: int) -> Effort:
    """Play the examples of a seed. Raises Interference, with the example as a note."""
    effort = Effort()

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(EXAMPLES)
    def play(example: Example) -> None:
        nonlocal effort
        effort += compare(example)

    play()
    return effort


@dataclass(frozen=True)
class Besieged:
    """What came of the examples of a seed."""

    seed: int
    # What an honest user felt, and of which example; empty if nothing.
    broken: str
    effort: Effort


def play(number: int) -> Besieged:
    """Play the examples of a seed. Never raises for what is broken in them."""
    try:
        return Besieged(seed=number, broken="", effort=besiege(number, _EXAMPLES_PER_SEED))
    except Exception as error:  # noqa: BLE001 - whatever breaks is the outcome
        story = "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])])
        return Besieged(seed=number, broken=story, effort=Effort())
