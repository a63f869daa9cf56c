"""Users who claim at random: at all hours, in all zones, on many devices at once, while calls go wrong.

After every step the ledger is held against what happened. No cap is ever broken: a welcome once, a login a day, five
conversions a day, an achievement once and when it is reached. Nothing earned is missing: points are ten for each
completed job, and a claim that was answered is in the ledger.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from nightshift.earning.achievements import achievements
from nightshift.values.time_zones import is_zone
from tests.chaos.calls import Strike, Traffic, seam
from tests.chaos.faults import FAULTS
from tests.chaos.tally import Tally
from tests.support.promises import assert_promises_kept
from tests.support.world import World

_EXAMPLES_PER_SEED: Final = 4
_STEPS: Final = 50
_USERS: Final = ("alice", "bob")
# An account without a verified address.
_STRANGER: Final = "mallory"
_TOKENS: Final = 100_000
_QUIET_TICKS: Final = 20
_ZONES: Final = sorted(zone for zone in available_timezones() if is_zone(zone))
# A zone's change may make a day wait for its end; after so long it counts no more.
_SETTLED: Final = timedelta(days=2)
_EARNED: Final = {"grant", "welcome", "login", "conversion", "achievement"}
_FAULT: Final = st.none() | st.tuples(st.sampled_from(sorted(FAULTS)), st.integers(0, 20))


@dataclass(frozen=True)
class Claim:
    """What one device asks for. `what` is a zone, a number of tokens, or an achievement."""

    kind: Literal["login", "conversion", "achievement"]
    what: Any
    key: str | None = None

    def request(self) -> tuple[str, dict[str, Any]]:
        """Its path, and how it is asked."""
        if self.kind == "login":
            return "/me/daily-login", {"json": {"timeZone": self.what} if self.what else {}}
        if self.kind == "achievement":
            return f"/me/achievements/{self.what}/claim", {}
        headers = {"Idempotency-Key": self.key} if self.key else {}
        return "/me/conversions", {"json": {"tokens": self.what}, "headers": headers}


_CLAIM: Final = st.one_of(
    st.builds(Claim, st.just("login"), st.none() | st.sampled_from(_ZONES)),
    st.builds(Claim, st.just("conversion"), st.integers(1, 3), st.none() | st.sampled_from(["one", "two", "three"])),
    st.builds(Claim, st.just("achievement"), st.sampled_from(list(achievements()))),
)


@dataclass
class EarningCount(Tally):
    """What the examples of one run were made of."""

    examples: int = 0
    steps: int = 0
    claims: int = 0
    granted: int = 0
    jobs: int = 0
    faults: int = 0


COUNT = EarningCount()


@dataclass(frozen=True)
class Earned:
    """What came of the examples of a seed."""

    seed: int
    # What is broken, with the steps that led there; empty if nothing is.
    broken: str
    count: EarningCount


class Earners(RuleBasedStateMachine):
    """One project whose users earn; each rule is something that can happen."""

    def __init__(self) -> None:
        super().__init__()
        COUNT.examples += 1
        self._traffic = Traffic()
        self._is_broken = False
        self._began_at: datetime | None = None
        self._loop = asyncio.Runner()
        self._env = pytest.MonkeyPatch()
        self._parts = AsyncExitStack()
        self._seam = seam()
        self._seam.__enter__()
        self._world = World(self._env)

    @initialize(answers=st.integers(0, 12))
    def begin(self, answers: int) -> None:
        """The stack is up, and a first user has some answers."""

        async def begin() -> None:
            self._world.bound(longest_pause_seconds=0)
            await self._parts.enter_async_context(self._world.running())
            self._world.set_env(
                NIGHTSHIFT_ECONOMY="true", NIGHTSHIFT_API_REQUESTS_PER_MINUTE="0", NIGHTSHIFT_COALESCE_SECONDS="0"
            )
            for uid in (*_USERS, _STRANGER):
                await self._world.give(uid, _TOKENS)
            self._began_at = self._world.now()
            await self._answered(_USERS[0], answers)

        self._do(begin())

    @rule(
        minutes=st.sampled_from([0, 0, 1, 50, 400, 700, 1_441, 3_000, 44_000]),
        uid=st.sampled_from(_USERS),
        claims=st.lists(_CLAIM, min_size=1, max_size=6),
        fault=_FAULT,
    )
    def claim(self, minutes: int, uid: str, claims: list[Claim], fault: tuple[str, int] | None) -> None:
        """Time passes, over midnights somewhere and over months; then devices of a user claim, all at once."""
        self._world.pass_time(minutes=minutes)
        self._arm(fault)
        self._do(self._claimed(uid, claims, is_alone=True))

    @rule(uid=st.sampled_from(_USERS), number=st.integers(1, 8), claims=st.lists(_CLAIM, max_size=3), fault=_FAULT)
    def answer(self, uid: str, number: int, claims: list[Claim], fault: tuple[str, int] | None) -> None:
        """A user's jobs are answered, as far as the fault lets them, and devices claim meanwhile."""
        self._arm(fault)

        async def both() -> None:
            await asyncio.gather(
                self._answered(uid, number), *([self._claimed(uid, claims, is_alone=False)] if claims else [])
            )

        self._do(both())

    @rule(claim=_CLAIM)
    def claim_unverified(self, claim: Claim) -> None:
        """An account without a verified address claims, and is refused; and a sweep goes by."""

        async def refused() -> None:
            path, request = claim.request()
            answer = await self._world.api("POST", path, _STRANGER, **request)
            assert answer.status_code == 403, answer.text
            await self._traffic.invoke(self._world.sweep)

        self._do(refused())

    def teardown(self) -> None:
        """The faults stop, and all must be in order."""
        try:
            if not self._is_broken and self._began_at:
                self._do(self._come_to_rest())
        finally:
            COUNT.faults += len(self._traffic.struck)
            self._loop.run(self._parts.aclose())
            self._loop.close()
            self._env.undo()
            self._seam.__exit__(None, None, None)

    # Steps

    async def _answered(self, uid: str, number: int) -> None:
        COUNT.jobs += number
        job_ids = [await self._world.write(uid, speed="instant") for _ in range(number)]
        await asyncio.gather(*(self._traffic.invoke(partial(self._world.trigger, job_id)) for job_id in job_ids))

    async def _claimed(self, uid: str, claims: Sequence[Claim], *, is_alone: bool) -> None:
        COUNT.claims += len(claims)
        before = await self._world.read(f"economy/{uid}")
        at = self._world.now()
        answers = await asyncio.gather(*(self._traffic.invoke(partial(self._ask, uid, claim)) for claim in claims))
        await self._traffic.land()
        ledger = await self._world.documents(f"wallets/{uid}/ledger")
        economy = await self._world.read(f"economy/{uid}")
        for claim, answer in zip(claims, answers, strict=True):
            if answer is None or answer[0] >= 500:
                # It is not known what became of it.
                continue
            status, body = answer
            if status == 200:
                COUNT.granted += bool(body["isNew"])
                _check_given(claim, body, ledger)
            elif is_alone and len(claims) == 1:
                _check_refused(claim, body["error"]["code"], economy, ledger)
            assert status in {200, 409}, (claim, status, body)
        logins = [claim for claim, answer in zip(claims, answers, strict=True) if claim.kind == "login" and answer]
        if logins and all(answer and answer[0] == 200 for answer in answers) and _is_settled(before, economy, at):
            today = f"login.{at.astimezone(ZoneInfo(economy['timeZone'])).date()}"
            assert today in ledger, f"{uid} logged in, and {today} is not in the ledger"

    async def _ask(self, uid: str, claim: Claim) -> tuple[int, Any]:
        path, request = claim.request()
        verified = {"email": f"{uid}@example.com", "email_verified": True}
        answer = await self._world.api("POST", path, uid, claims=verified, **request)
        return answer.status_code, answer.json() if answer.status_code < 500 else {}

    async def _come_to_rest(self) -> None:
        for _ in range(_QUIET_TICKS):
            assert await self._world.sweep() == 200
            assert await self._world.tick() == 200
            if not await self._world.jobs("created", "queued", "processing"):
                break
            self._world.pass_time(minutes=10)
        await assert_promises_kept(self._world)

    def _arm(self, fault: tuple[str, int] | None) -> None:
        if fault:
            name, within = fault
            self._traffic.arm(Strike(FAULTS[name], len(self._traffic.calls) + within))

    def _do(self, step: Coroutine[Any, Any, Any]) -> None:
        """Do a step, and hold all ledgers against what happened."""
        COUNT.steps += 1
        try:
            self._loop.run(self._checked(step))
        except BaseException:
            self._is_broken = True
            raise

    async def _checked(self, step: Coroutine[Any, Any, Any]) -> None:
        deaths = self._traffic.deaths
        await step
        self._traffic.disarm()
        await self._traffic.land()
        if self._traffic.deaths > deaths:
            # A process that died is followed by a new one.
            self._world.set_env()
        jobs = await self._world.documents("ai_jobs")
        for uid in _USERS:
            await self._check(uid, jobs)
        assert (await self._world.documents(f"wallets/{_STRANGER}/ledger")).keys() == {"welcome"}
        assert not await self._world.read(f"economy/{_STRANGER}")

    async def _check(self, uid: str, jobs: Mapping[str, Mapping[str, Any]]) -> None:
        ledger, economy, wallet = await asyncio.gather(
            self._world.documents(f"wallets/{uid}/ledger"),
            self._world.read(f"economy/{uid}"),
            self._world.read(f"wallets/{uid}"),
        )
        assert self._began_at
        # A first day and a last one may be in part.
        most_days = (self._world.now() - self._began_at) / timedelta(days=1) + 2
        completed = [job for job in jobs.values() if (job["userId"], job["status"]) == (uid, "completed")]
        check_caps(ledger, economy, len(completed), most_days)
        amounts = [entry["amount"] for entry in ledger.values()]
        earned = [entry["amount"] for entry in ledger.values() if entry["kind"] in _EARNED]
        assert (wallet["balance"], wallet["totalEarned"]) == (sum(amounts), sum(earned)), "wallet and ledger"


def check_caps(
    ledger: Mapping[str, Mapping[str, Any]], economy: Mapping[str, Any], completed: int, most_days: float
) -> None:
    """Raise AssertionError if a user has more than the caps, or other points than the answers brought.

    Args:
        completed: how many jobs of the user's were completed.
        most_days: how many days a user can have had.
    """
    of_kind: defaultdict[str, list[tuple[str, Mapping[str, Any]]]] = defaultdict(list)
    for entry_id, entry in ledger.items():
        of_kind[entry["kind"]].append((entry_id, entry))
    days = sorted(date.fromisoformat(entry_id.removeprefix("login.")) for entry_id, _ in of_kind["login"])
    assert all(entry["amount"] == 2 for _, entry in of_kind["login"]), "a login brings 2"
    assert len(days) <= most_days, f"{len(days)} logins in {most_days:.1f} days"
    by_day: Counter[str] = Counter(entry_id.split(".")[1] for entry_id, _ in of_kind["conversion"])
    assert max(by_day.values(), default=0) <= 5, "five conversions a day"
    assert len(by_day) <= most_days, f"conversions on {len(by_day)} of {most_days:.1f} days"
    keys = Counter((entry_id.split(".")[1], entry["requestKey"]) for entry_id, entry in of_kind["conversion"])
    assert max(keys.values(), default=0) <= 1, "a key of a day is one conversion"
    assert [entry_id for entry_id, _ in of_kind["welcome"]] in ([], ["welcome.1"])
    if days or by_day or of_kind["achievement"]:
        assert of_kind["welcome"], "the first claim brings the welcome"
    longest = _longest_run(days)
    for entry_id, entry in of_kind["achievement"]:
        achievement = achievements()[entry_id.removeprefix("achievement.")]
        assert entry["amount"] == achievement.tokens
        reached = longest if achievement.counter == "streak" else completed
        assert reached >= achievement.at_least, f"{entry_id} at {reached} of {achievement.at_least}"
    turned = sum(entry["amount"] for _, entry in of_kind["conversion"])
    found = (economy.get("points", 0), economy.get("answered", 0), economy.get("streak", {}).get("longest", 0))
    assert found == (10 * completed - 100 * turned, completed, longest), "points, answers and streak"
    assert found[0] >= 0, "no points are spent that are not there"


def _longest_run(days: Sequence[date]) -> int:
    longest = length = 0
    for number, day in enumerate(days):
        length = length + 1 if number and day - days[number - 1] == timedelta(days=1) else 1
        longest = max(longest, length)
    return longest


def _check_given(claim: Claim, body: Mapping[str, Any], ledger: Mapping[str, Mapping[str, Any]]) -> None:
    """What was answered with 200 is in the ledger."""
    if claim.kind == "login":
        assert f"login.{body['day']}" in ledger
    elif claim.kind == "achievement":
        assert f"achievement.{claim.what}" in ledger
    elif claim.key:
        amounts = [entry["amount"] for entry_id, entry in ledger.items() if _is_of(entry_id, entry, claim.key, body)]
        assert amounts == [body["tokens"]]


def _is_of(entry_id: str, entry: Mapping[str, Any], key: str, body: Mapping[str, Any]) -> bool:
    return entry_id.startswith(f"convert.{body['day']}.") and entry["requestKey"] == key


def _check_refused(
    claim: Claim, code: str, economy: Mapping[str, Any], ledger: Mapping[str, Mapping[str, Any]]
) -> None:
    """A claim that was alone is refused only with reason."""
    if code == "daily_limit":
        day = economy["today"]["day"]
        assert sum(entry_id.startswith(f"convert.{day}.") for entry_id in ledger) == 5, "refused below the cap"
    elif code == "not_enough_points":
        assert economy.get("points", 0) < 100 * claim.what, "refused with points enough"
    else:
        assert code == "not_reached", code
        assert f"achievement.{claim.what}" not in ledger


def _is_settled(before: Mapping[str, Any], after: Mapping[str, Any], now: datetime) -> bool:
    """Whether no change of zone makes a day wait."""
    changed_at = after.get("timeZoneChangedAt")
    return (
        bool(before)
        and before.get("timeZone") == after["timeZone"]
        and not (changed_at and now - changed_at < _SETTLED)
    )


def run_earners(number: int, steps: int, examples: int = _EXAMPLES_PER_SEED) -> None:
    """Play the examples of a seed, up to so many steps each. Raises what is broken, with the steps."""
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(number)(Earners), settings=chosen)


def play(number: int) -> Earned:
    """Play the examples of a seed. Never raises for what is broken in them."""
    before = replace(COUNT)
    broken = ""
    try:
        run_earners(number, _STEPS)
    except Exception as error:  # noqa: BLE001 - whatever breaks is the outcome
        broken = "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])])
    return Earned(number, broken, COUNT - before)
