"""A night at random: users, events, ticks, workers, the provider, time and faults, in any order.

After every step the model is asked whether what there is may be. When the steps are over the faults stop, time
passes, ticks go on, and all must end well.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any, Final

import pytest
from google.cloud.firestore import SERVER_TIMESTAMP
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from local.openai_server import BatchFault, FileFault, Reply, ReplyRule
from local.provider_server.batches import TERMINAL
from nightshift.bulk import wishes
from nightshift.bulk.wishes import WishRefused
from tests.chaos.calls import Strike, Traffic, seam
from tests.chaos.faults import FAULTS
from tests.chaos.model import BulkDocument, JobDocument, Kind, Model, ProviderListing, Speed
from tests.chaos.tally import Tally
from tests.support.promises import assert_promises_kept
from tests.support.world import World

USERS: Final = ("alice", "bob")
_DECLINED: Final = "please decline this"
_INPUTS: Final[dict[Kind, dict[str, Any]]] = {
    "text": {"input": {"text": "an empty glass bottle"}},
    "photo": {"type": "photo_rating"},
    "declined": {"input": {"text": _DECLINED}},
    "horoscope": {"type": "horoscope"},
    "empty": {"input": {}},
    "foreign_photo": {"type": "photo_rating"},
}
Invocation = Callable[[], Coroutine[Any, Any, int]]

_KINDS: Final[Sequence[Kind]] = ("text", "text", "photo", "declined", "horoscope", "empty", "foreign_photo")
_SPEEDS: Final[Sequence[Speed]] = ("batch", "batch", "instant")
_TOKENS: Final = 9
# A row that is answered, one that is declined, and one that can never be asked for.
_ROWS: Final[dict[str, dict[str, Any]]] = {"text": {"text": "a jar"}, "declined": {"text": _DECLINED}, "empty": {}}
_WISHES: Final = (wishes.confirm, wishes.pause, wishes.resume, wishes.cancel, wishes.retry)
_DELIVERIES: Final = ("once", "twice at once", "with a tick", "never")
_PROVIDER_TROUBLES: Final = (
    BatchFault(fail_code="token_limit_exceeded"),
    BatchFault(fail_code="invalid_json_line"),
    BatchFault(hidden_listings=2),
    BatchFault(regressed_reads=2),
    BatchFault(output_id_late_reads=1, empty_error_file_id=True),
    FileFault(hidden_reads=1),
    ReplyRule(reply=Reply.http_error(500)),
    ReplyRule(reply=Reply.left_out()),
    ReplyRule(reply=Reply(content="no JSON", copies=2)),
)
_ENDINGS: Final = ("expires", "fails", "is cancelled by a person")
_EVENTS: Final = ("batch.completed", "batch.failed", "batch.expired", "batch.cancelled", "response.completed")
# What goes wrong, and in how many calls: from the next to well beyond what one function makes of them.
_FAULT: Final = st.none() | st.tuples(st.sampled_from(sorted(FAULTS)), st.integers(0, 50))
_QUIET_ROUNDS: Final = 40


@dataclass
class Count(Tally):
    """What the nights of one run were made of."""

    nights: int = 0
    steps: int = 0
    jobs: int = 0
    faults: int = 0
    deaths: int = 0


COUNT = Count()


class Night(RuleBasedStateMachine):
    """One project, its users and its provider; each rule is something that can happen."""

    def __init__(self) -> None:
        super().__init__()
        COUNT.nights += 1
        self._model = Model()
        self._traffic = Traffic()
        self._calls: list[dict[str, Any]] = []
        self._in_batch: dict[str, frozenset[str]] = {}
        self._is_broken = False
        self._loop = asyncio.Runner()
        self._env = pytest.MonkeyPatch()
        self._parts = AsyncExitStack()
        self._seam = seam()
        self._seam.__enter__()
        self._world = World(self._env)

    # Users

    @initialize(
        shard_lines=st.sampled_from([1, 2, 2000]),
        coalesce_seconds=st.sampled_from(["0", "60"]),
        kinds=st.lists(st.sampled_from(_KINDS), min_size=1, max_size=4),
        delivery=st.sampled_from(_DELIVERIES),
        speed=st.sampled_from(_SPEEDS),
    )
    def begin(self, shard_lines: int, coalesce_seconds: str, kinds: list[Kind], delivery: str, speed: Speed) -> None:
        """The stack is up, each user has some tokens, and the first jobs are written."""

        async def begin() -> None:
            # No step waits: what is put off is a later step's.
            self._world.bound(longest_pause_seconds=0)
            await self._parts.enter_async_context(self._world.running())
            self._world.set_env(
                NIGHTSHIFT_SHARD_LINES=str(shard_lines),
                NIGHTSHIFT_COALESCE_SECONDS=coalesce_seconds,
                NIGHTSHIFT_PART_ITEMS="2",
            )
            await self._world.open_pubsub()
            self._world.provider.faults.add(ReplyRule(reply=Reply.refuses("No."), text=_DECLINED, times=None))
            for uid in USERS:
                await self._world.give(uid, _TOKENS)
                self._model.granted[uid] = _TOKENS

        self._do(begin())
        for number, kind in enumerate(kinds):
            self._do(self._write(USERS[number % 2], kind, delivery, speed))

    @rule(uid=st.sampled_from(USERS), tokens=st.integers(1, 3))
    def grant(self, uid: str, tokens: int) -> None:
        """A user gets tokens, as from a shop."""

        async def grant() -> None:
            wallet = self._world.firestore.collection("wallets").document(uid)
            fields = (await wallet.get()).to_dict() or {}
            batch = self._world.firestore.batch()
            entry = {"amount": tokens, "kind": "grant", "createdAt": SERVER_TIMESTAMP}
            batch.create(wallet.collection("ledger").document(f"grant-{fields['totalEarned']}"), entry)
            more = {"balance": fields["balance"] + tokens, "totalEarned": fields["totalEarned"] + tokens}
            batch.update(wallet, more)
            await batch.commit()
            self._model.granted[uid] += tokens

        self._do(grant())

    @rule(
        uid=st.sampled_from(USERS),
        kinds=st.lists(st.sampled_from(_KINDS), min_size=1, max_size=3),
        delivery=st.sampled_from(_DELIVERIES),
        speed=st.sampled_from(_SPEEDS),
        fault=_FAULT,
    )
    def write(self, uid: str, kinds: list[Kind], delivery: str, speed: Speed, fault: tuple[str, int] | None) -> None:
        """A user writes jobs, and their events come, or do not."""
        self._arm(fault)
        for kind in kinds:
            self._do(self._write(uid, kind, delivery, speed))

    async def _write(self, uid: str, kind: Kind, delivery: str, speed: Speed) -> None:
        fields = {**_INPUTS[kind], "speed": speed}
        if kind in {"photo", "foreign_photo"}:
            owner = uid if kind == "photo" else USERS[uid == USERS[0]]
            fields["input"] = {"imageUri": await self._world.upload(owner)}
        job_id = f"job{len(self._model.written)}"
        self._model.written[job_id] = JobDocument(uid=uid, kind=kind, speed=speed)
        COUNT.jobs += 1
        await self._world.write(uid, job_id, **fields)
        deliveries: dict[str, list[Invocation]] = {
            "once": [lambda: self._world.trigger(job_id)],
            "twice at once": 2 * [lambda: self._world.trigger(job_id)],
            "with a tick": [lambda: self._world.trigger(job_id), self._world.tick],
            "never": [],
        }
        await self._invoke(*deliveries[delivery])

    @rule(
        uid=st.sampled_from(USERS),
        rows=st.lists(st.sampled_from(sorted(_ROWS)), min_size=1, max_size=5),
        speed=st.sampled_from(_SPEEDS),
        is_confirmed=st.booleans(),
        is_lost=st.booleans(),
        fault=_FAULT,
    )
    def write_bulk(
        self, uid: str, rows: list[str], speed: Speed, is_confirmed: bool, is_lost: bool, fault: tuple[str, int] | None
    ) -> None:
        """A user writes a bulk job of some parts, which begins by itself or waits for a confirmation."""
        self._arm(fault)
        bulk_id = f"bulk{len(self._model.bulk_written)}"
        self._model.bulk_written[bulk_id] = BulkDocument(uid=uid, rows=len(rows), speed=speed)
        limit = {"maxTokens": 100} if is_confirmed else {}

        async def write() -> None:
            await self._world.write_bulk(uid, bulk_id, items=[_ROWS[row] for row in rows], mode=speed, **limit)
            if not is_lost:
                await self._invoke(lambda: self._world.trigger_bulk(bulk_id))

        self._do(write())

    @precondition(lambda self: self._model.bulk_written)
    @rule(number=st.integers(0, 1000), wish=st.sampled_from(_WISHES), with_a_tick=st.booleans(), fault=_FAULT)
    def wish(self, number: int, wish: Any, with_a_tick: bool, fault: tuple[str, int] | None) -> None:
        """A user wishes something of a bulk job, perhaps while a tick is under way."""
        bulk_id = list(self._model.bulk_written)[number % len(self._model.bulk_written)]
        self._arm(fault)

        async def wished() -> int:
            with suppress(WishRefused):
                await wish(self._world.operators_runtime(), bulk_id)
            return 200

        self._do(self._invoke(wished, *(with_a_tick * [self._world.tick])))

    @precondition(lambda self: self._model.bulk_written)
    @rule(
        number=st.integers(0, 1000),
        part=st.none() | st.integers(1, 3),
        times=st.sampled_from([1, 1, 2]),
        fault=_FAULT,
    )
    def work_bulk(self, number: int, part: int | None, times: int, fault: tuple[str, int] | None) -> None:
        """A call for a worker of a bulk job, or of one of its parts, comes at any time, perhaps twice at once."""
        bulk_id = list(self._model.bulk_written)[number % len(self._model.bulk_written)]
        self._arm(fault)
        self._do(self._invoke(*(times * [lambda: self._world.work_bulk(bulk_id, part)])))

    @precondition(lambda self: self._model.written)
    @rule(number=st.integers(0, 1000))
    def deliver_again(self, number: int) -> None:
        """The event of some job comes, again or at last."""
        job_id = list(self._model.written)[number % len(self._model.written)]
        self._do(self._invoke(lambda: self._world.trigger(job_id)))

    # Functions

    @rule(at_once=st.sampled_from([1, 1, 1, 2]), fault=_FAULT)
    def tick(self, at_once: int, fault: tuple[str, int] | None) -> None:
        """A tick, or two of them."""
        self._arm(fault)
        self._do(self._invoke(*(at_once * [self._world.tick])))

    @rule(at_once=st.sampled_from([1, 1, 2]), with_a_tick=st.booleans(), fault=_FAULT)
    def sweep(self, at_once: int, with_a_tick: bool, fault: tuple[str, int] | None) -> None:
        """A sweep, or two of them, or one and a tick."""
        self._arm(fault)
        self._do(self._invoke(*(at_once * [self._world.sweep]), *(with_a_tick * [self._world.tick])))

    @precondition(lambda self: self._calls)
    @rule(number=st.integers(0, 1000), times=st.sampled_from([1, 1, 2]), is_last=st.booleans(), fault=_FAULT)
    def work(self, number: int, times: int, is_last: bool, fault: tuple[str, int] | None) -> None:
        """A call for a worker arrives, in any order, perhaps twice, perhaps not for the last time."""
        self._arm(fault)
        place = number % len(self._calls)
        call = self._calls.pop(place) if is_last else self._calls[place]
        self._do(self._invoke(*(times * [lambda: self._world.work(call)])))

    @precondition(lambda self: self._calls)
    @rule()
    def lose_calls(self) -> None:
        """Pub/Sub gives up what it has."""
        self._calls.clear()

    @rule(number=st.integers(0, 1000), kind=st.sampled_from(_EVENTS), with_a_tick=st.booleans(), fault=_FAULT)
    def webhook(self, number: int, kind: str, with_a_tick: bool, fault: tuple[str, int] | None) -> None:
        """The provider says, truly or not, that some batch has ended."""
        remote_ids = list(self._world.provider.batches)
        if not remote_ids:
            return
        remote_id = remote_ids[number % len(remote_ids)]

        async def deliver() -> int:
            return (await self._world.announce(remote_id, kind, event_id=f"wh_{remote_id}_{number % 3}")).status_code

        self._arm(fault)
        self._do(self._invoke(deliver, *(with_a_tick * [self._world.tick])))

    # The provider

    @rule(answered=st.integers(0, 2))
    def hold(self, answered: int) -> None:
        """The provider takes its time."""
        self._world.provider.hold("in_progress", answered)

    @rule()
    def let_go(self) -> None:
        """The provider catches up."""
        self._world.provider.release()
        self._do(self._world.provider.settled())

    @rule(number=st.integers(0, 1000), ending=st.sampled_from(_ENDINGS), answered=st.integers(0, 2))
    def end_early(self, number: int, ending: str, answered: int) -> None:
        """A batch ends before it is done."""
        live = [batch.id for batch in self._world.provider.batches.values() if batch.status not in TERMINAL]
        if not live:
            return
        remote_id = live[number % len(live)]
        match ending:
            case "expires":
                self._do(self._world.provider.expire(remote_id, answered))
            case "fails":
                self._do(self._world.provider.fail(remote_id, "token_limit_exceeded"))
            case _:
                self._do(self._world.cancel_at_provider(remote_id))

    @rule(trouble=st.sampled_from(_PROVIDER_TROUBLES))
    def trouble(self, trouble: Any) -> None:
        """The provider is odd, once."""
        self._world.provider.faults.add(trouble)

    # Time

    @rule(minutes=st.sampled_from([3, 40, 300]))
    def pass_time(self, minutes: int) -> None:
        """Time passes: a lease's life, a lane's back-off, a provider's patience."""
        self._world.pass_time(minutes=minutes)

    # The end

    def teardown(self) -> None:
        """The faults stop and the ticks go on, until nothing is under way."""
        try:
            if not self._is_broken and self._model.granted:
                self._do(self._come_to_rest())
        finally:
            COUNT.faults += len(self._traffic.struck)
            COUNT.deaths += self._traffic.deaths
            self._loop.run(self._parts.aclose())
            self._loop.close()
            self._env.undo()
            self._seam.__exit__(None, None, None)

    async def _come_to_rest(self) -> None:
        self._traffic.disarm()
        await self._traffic.land()
        self._world.provider.faults.clear()
        self._world.provider.faults.add(ReplyRule(reply=Reply.refuses("No."), text=_DECLINED, times=None))
        self._world.provider.release()
        for _ in range(_QUIET_ROUNDS):
            await self._world.provider.settled()
            assert await self._world.tick() == 200
            under_way = (
                await self._world.jobs("created", "queued", "processing")
                or await self._world.open_batches()
                or await self._bulk_under_way()
            )
            if not under_way and not self._world.provider.files:
                break
            self._world.pass_time(minutes=40)
        self._model.check_end(await self._seen())
        await assert_promises_kept(self._world)

    async def _bulk_under_way(self) -> bool:
        """Whether a bulk job has not ended. One that waits for its user is confirmed, or goes on."""
        is_any = False
        for bulk_id, bulk in (await self._world.documents("bulk_jobs")).items():
            is_any |= bulk["status"] not in {"completed", "failed", "cancelled"} or bool(bulk.get("wish"))
            if bulk["status"] in {"quoted", "paused"} and not bulk.get("wish"):
                wish = wishes.confirm if bulk["status"] == "quoted" else wishes.resume
                await wish(self._world.operators_runtime(), bulk_id)
        return is_any

    def _arm(self, fault: tuple[str, int] | None) -> None:
        """Let one of the next external calls go wrong."""
        if fault:
            name, within = fault
            self._traffic.arm(Strike(FAULTS[name], len(self._traffic.calls) + within))

    def _do(self, step: Coroutine[Any, Any, Any]) -> None:
        """Do a step, and ask the model."""
        COUNT.steps += 1
        try:
            self._loop.run(self._checked(step))
        except BaseException:
            self._is_broken = True
            raise

    async def _checked(self, step: Awaitable[Any]) -> None:
        await step
        self._calls += await self._world.calls_for_workers()
        self._model.check(await self._seen())

    async def _invoke(self, *invocations: Invocation) -> None:
        """Call functions at once; a process that dies is followed by a new one."""
        deaths = self._traffic.deaths
        await asyncio.gather(*(self._traffic.invoke(invocation) for invocation in invocations))
        if self._traffic.deaths > deaths:
            self._world.set_env()

    async def _seen(self) -> ProviderListing:
        world = self._world
        ledgers = await asyncio.gather(*(world.documents(f"wallets/{uid}/ledger") for uid in USERS))
        jobs, notifications, classifications, wallets, bulk_jobs = await asyncio.gather(
            *(world.documents(name) for name in ("ai_jobs", "notifications", "classifications", "wallets", "bulk_jobs"))
        )
        parts = await asyncio.gather(*(world.documents(f"bulk_jobs/{bulk_id}/parts") for bulk_id in bulk_jobs))
        return ProviderListing(
            jobs=jobs,
            notifications=notifications,
            classifications=classifications,
            wallets=wallets,
            bulk_jobs=bulk_jobs,
            parts=dict(zip(bulk_jobs, parts, strict=True)),
            ledgers=dict(zip(USERS, ledgers, strict=True)),
            live=[
                ((batch.metadata or {})["nightshift_batch"], self._jobs_in(batch.id, batch.input_file_id))
                for batch in world.provider.batches.values()
                if batch.status not in TERMINAL
            ],
        )

    def _jobs_in(self, remote_id: str, input_file_id: str) -> frozenset[str]:
        if remote_id not in self._in_batch:
            lines = self._world.provider.files[input_file_id].path.read_bytes().split(b"\n")
            jobs = (json.loads(line)["custom_id"].removeprefix("job-") for line in lines if line)
            self._in_batch[remote_id] = frozenset(jobs)
        return self._in_batch[remote_id]
