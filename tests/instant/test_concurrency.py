"""How the number of calls in flight follows what a provider can take: the pure state, in simulated time."""

import math
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nightshift.instant.concurrency import Call, CallReport, Concurrency, ProviderQuota
from tests.support.simulated_provider import SimulatedInstance, SimulatedProvider

MOST = 256
ANSWERED = CallReport(verdict="answered")
BUSY = CallReport(verdict="busy")
BROKEN = CallReport(verdict="broken")


def start_all(state: Concurrency, now: float) -> list[Call]:
    """Start what may be started."""
    calls = []
    while call := state.start(now):
        calls.append(call)
    return calls


def grown_to(limit: int) -> tuple[Concurrency, list[Call]]:
    """A state with so many calls in flight, of a second each, and those calls, the last of which began at 9."""
    state = Concurrency()
    now = 9.0 - round(math.log2(limit / 16))
    calls = start_all(state, now)
    while state.limit < limit:
        now += 1
        for call in calls:
            state.end(call, now, ANSWERED)
        calls = start_all(state, now)
    return state, calls


def test_it_doubles_each_round_in_which_a_call_waits() -> None:
    """Sixteen at first, then as long as all are answered twice as many, up to the bound."""
    state = Concurrency(most=100)
    limits = []
    for now in range(5):
        calls = start_all(state, now)
        limits.append(len(calls))
        for call in calls:
            state.end(call, now + 1, ANSWERED)

    assert limits == [16, 32, 64, 100, 100]


def test_it_does_not_grow_while_no_call_waits() -> None:
    """Ten at a time for a hundred rounds prove nothing about seventeen."""
    state = Concurrency()
    for now in range(100):
        calls = [state.start(now) for _ in range(10)]
        for call in calls:
            assert call
            state.end(call, now + 1, ANSWERED)

    assert state.limit == 16


def test_of_a_round_that_is_refused_one_refusal_halves_it() -> None:
    """The other calls of that round were sent under the old limit, and say nothing of the new one."""
    state, calls = grown_to(128)
    for call in calls:
        state.end(call, 10, BUSY)

    assert state.limit == 64


def test_answers_of_the_old_round_do_not_undo_a_halving() -> None:
    """They were given before it was refused."""
    state, calls = grown_to(128)
    state.end(calls[0], 10, BUSY)
    for call in calls[1:]:
        assert state.start(10) is None or state.in_flight <= 64
        state.end(call, 10, ANSWERED)

    assert state.limit == 64


def test_rounds_that_are_refused_leave_one_call_and_ever_longer_waits() -> None:
    """A provider that refuses everything, and says nothing else, is asked every quarter of a minute in the end."""
    provider = SimulatedProvider(per_second=10, latency_seconds=1, burst=100, trouble="busy")
    instance = SimulatedInstance(provider)

    ended = list(instance.run(3600))

    assert instance.state.limit == 1
    assert len([call for call in ended if call.at > 1800]) <= 122


def test_a_retry_after_closes_the_gate_for_every_call() -> None:
    """No call starts before it is over. The longest one counts, and none counts for ever."""
    state = Concurrency()
    calls = start_all(state, 0)
    state.end(calls[0], 1, CallReport(verdict="busy", retry_after_seconds=30))
    for call in calls[1:]:
        state.end(call, 1, CallReport(verdict="busy", retry_after_seconds=5))

    assert state.start(30.9) is None
    assert state.opens_at(2) == 31
    assert state.start(31.1)
    state.end(Call(99, 31.0), 32, CallReport(verdict="busy", retry_after_seconds=math.inf))
    assert state.opens_at(33) == 32 + 900


@pytest.mark.parametrize("kind", ["requests", "tokens"])
def test_where_nothing_remains_no_call_starts_before_the_reset(kind: str) -> None:
    """The provider need not refuse anything first."""
    state = Concurrency()
    first, *others = start_all(state, 0)
    nothing = ProviderQuota(remaining=0, reset_seconds=6)
    is_of_tokens = kind == "tokens"
    told = CallReport(
        verdict="answered", requests=None if is_of_tokens else nothing, tokens=nothing if is_of_tokens else None
    )
    state.end(first, 1, told)
    for call in others:
        state.end(call, 1.5, ANSWERED)

    assert state.start(6.9) is None
    assert state.opens_at(2) == 7
    assert state.start(7.1)


def test_after_a_pause_calls_start_one_after_the_other() -> None:
    """Those who waited behind the gate are spread over the time that a call takes."""
    state, calls = grown_to(128)
    for call in calls[1:]:
        state.end(call, 10, ANSWERED)
    state.end(calls[0], 10, CallReport(verdict="busy", retry_after_seconds=20))

    started = [len(start_all(state, 30 + tenth / 10)) for tenth in range(10)]

    assert 64 <= sum(started) + len(start_all(state, 31)) <= 128
    assert max(started) <= 16


def test_little_that_remains_is_spread_over_the_time_to_the_reset() -> None:
    """Of ten that remain for ten seconds, no five are gone in the first one, and all may go until the reset."""
    state = Concurrency()
    calls = start_all(state, 0)
    for call in calls:
        told = CallReport(verdict="answered", requests=ProviderQuota(remaining=10, reset_seconds=10))
        state.end(call, 0.1, told)

    started = []
    for tenth in range(1, 102):
        for call in start_all(state, 0.1 + tenth / 10):
            started.append(tenth / 10)
            state.end(call, 0.1 + tenth / 10, CallReport(verdict="unknown"))

    assert sum(at <= 1 for at in started) <= 4
    assert 7 <= sum(at < 10 for at in started) <= 10


def test_an_allowance_older_than_its_reset_says_nothing() -> None:
    """A call of twenty seconds brings news of a second that is long over."""
    state = Concurrency()
    calls = start_all(state, 0)
    for call in calls:
        nothing = ProviderQuota(remaining=0, reset_seconds=1)
        state.end(call, 20, CallReport(verdict="answered", requests=nothing))

    assert state.start(20)


def test_tokens_are_counted_in_calls_of_the_size_that_calls_have() -> None:
    """Ten thousand tokens are ten calls of a thousand."""
    state = Concurrency()
    calls = start_all(state, 0)
    for call in calls:
        told = ProviderQuota(remaining=10_000, reset_seconds=10)
        state.end(call, 0.1, CallReport(verdict="answered", tokens=told, tokens_used=1_000))

    assert 0.3 <= state.opens_at(0.2) - 0.1 <= 0.6


def test_a_few_failures_among_answers_cost_nothing_that_lasts() -> None:
    """One in ten fails: the limit stands where it stood, or higher."""
    state, calls = grown_to(128)
    for now in range(10, 20):
        for place, call in enumerate(calls):
            state.end(call, now, ANSWERED if place % 10 else BROKEN)
        calls = [call for tenth in range(10) for call in start_all(state, now + tenth / 10)]

    assert state.limit >= 128


def test_nothing_but_failures_shrinks_it_to_one_call_at_a_time() -> None:
    """A provider that falls over is left alone, and trusted again with its first answers."""
    provider = SimulatedProvider(per_second=100, latency_seconds=1, burst=6000, says_allowance=False)
    instance = SimulatedInstance(provider, jobs=100)
    list(instance.run(60))
    provider.trouble = "broken"

    list(instance.run(120))
    shrunk = instance.state.limit
    provider.trouble = None
    list(instance.run(240))

    assert shrunk == 1
    assert instance.state.limit >= 90


@pytest.mark.parametrize("trouble", ["busy", "broken"])
@pytest.mark.parametrize(("per_second", "latency"), [(2, 0.5), (20, 2), (100, 2)])
def test_after_trouble_it_regains_nine_tenths_within_forty_rounds(
    per_second: float, latency: float, trouble: str
) -> None:
    """However deep it fell in a minute in which nothing went through."""
    provider = SimulatedProvider(
        per_second=per_second, latency_seconds=latency, burst=2 * per_second, says_allowance=False
    )
    instance = SimulatedInstance(provider)
    list(instance.run(120))
    provider.trouble = trouble
    list(instance.run(180))
    provider.trouble = None
    # The wait for the next call, which may have been a long one by then.
    list(instance.run(180 + 30 + 40 * latency))

    begun_at = instance.now
    seconds = 12 * max(latency, 10 / per_second)
    answered = sum(call.verdict == "answered" for call in instance.run(begun_at + seconds))

    assert answered >= 0.9 * per_second * seconds


@pytest.mark.parametrize("says_allowance", [True, False], ids=["with headers", "without headers"])
@pytest.mark.parametrize("latency", [0.05, 0.5, 8])
@pytest.mark.parametrize("per_second", [1, 10, 200])
def test_a_provider_is_used_to_nine_tenths_and_refuses_few(
    per_second: float, latency: float, says_allowance: bool
) -> None:
    """Limits are stated by the minute; an instance has at most so many calls in flight, whatever the limit."""
    provider = SimulatedProvider(
        per_second=per_second, latency_seconds=latency, burst=60 * per_second, says_allowance=says_allowance
    )
    instance = SimulatedInstance(provider)
    # As busy calls before leave a bucket. A full one would be a gift.
    provider.left = provider.burst / 3 if says_allowance else 0
    rounds = 40 if latency * per_second < MOST else 8
    for _ in instance.run(rounds * latency + 60 / per_second + 2):
        pass
    begun_at = instance.now
    seconds = max(rounds * latency, 400 / per_second)

    ended = list(instance.run(begun_at + seconds))

    answered = sum(call.verdict == "answered" for call in ended)
    assert answered >= 0.9 * min(per_second, MOST / latency) * seconds
    assert len(ended) - answered < 0.05 * len(ended)


@pytest.mark.parametrize(
    ("per_second", "latency", "burst"), [(60, 1, 120), (40, 0.2, 20), (200, 0.2, 200), (8, 2, 100)], ids=str
)
def test_a_burst_is_bounded_by_the_first_answers_before_anything_is_refused(
    per_second: float, latency: float, burst: float
) -> None:
    """Refusals come late, and what is sent until the first of them would be a storm; yet no time is wasted."""
    provider = SimulatedProvider(
        per_second=per_second, latency_seconds=latency, burst=burst, refused_after_seconds=2 * latency
    )
    jobs = int(burst + 12 * per_second)
    instance = SimulatedInstance(provider, jobs=jobs)
    ended: Counter[str] = Counter()
    for call in instance.run(1_000):
        ended[call.verdict] += 1
        instance.jobs = jobs - ended["answered"]
        if not instance.jobs:
            break

    assert ended["answered"] == jobs
    assert ended["busy"] <= 0.01 * jobs
    # The bucket at once, then its refill.
    assert instance.now <= (latency + (jobs - burst) / per_second) / 0.8


def test_instances_share_a_bucket_without_knowing_of_each_other() -> None:
    """Ten get together what one would get, none is left with little, and few of their calls are refused."""
    provider = SimulatedProvider(per_second=100, latency_seconds=2, burst=200)
    instances = [SimulatedInstance(provider, jobs=80) for _ in range(10)]
    answered, refused = [0] * 10, 0
    for step in range(1, 1_500):
        for place, instance in enumerate(instances):
            for call in instance.run(step / 50):
                answered[place] += call.verdict == "answered"
                refused += call.verdict == "busy"

    assert sum(answered) >= 0.9 * (200 + 28 * 100)
    assert min(answered) >= 0.25 * sum(answered) / 10
    assert refused <= 0.05 * sum(answered)


def test_a_window_that_is_renewed_at_once_is_no_bucket() -> None:
    """The less remains the nearer is its end: where nothing does, no call starts before it."""
    state = Concurrency(first=100)
    calls = start_all(state, 0)
    for remaining, call in enumerate(reversed(calls)):
        told = ProviderQuota(remaining=99 - remaining, reset_seconds=10 - remaining / 100)
        state.end(call, remaining / 100, CallReport(verdict="answered", requests=told))

    assert state.start(9.9) is None
    assert state.start(10.1)


reports = st.builds(
    CallReport,
    verdict=st.sampled_from(["answered", "answered", "answered", "busy", "broken", "unknown"]),
    retry_after_seconds=st.none() | st.floats(0, 1e6),
    requests=st.none() | st.builds(ProviderQuota, remaining=st.integers(0, 10**9), reset_seconds=st.floats(0, 1e6)),
    tokens=st.none() | st.builds(ProviderQuota, remaining=st.integers(0, 10**9), reset_seconds=st.floats(0, 1e6)),
    tokens_used=st.integers(0, 10**6),
)
moves = st.lists(st.tuples(st.floats(0, 100), st.integers(0, 40), st.lists(reports, max_size=20)), max_size=12)


# A quota that is emptied, and hardly filled again.
SLOW_REFILL = [
    CallReport(verdict="answered", tokens_used=used, tokens=quota)
    for used, quota in [
        *[(0, None), (0, None), (961, ProviderQuota(remaining=8, reset_seconds=0.0))],
        *[(0, ProviderQuota(remaining=0, reset_seconds=15.0)), (0, ProviderQuota(remaining=959, reset_seconds=2.0))],
    ]
]


@settings(max_examples=60)
@given(moves)
@example([(0.0, 6, SLOW_REFILL)])
def test_whatever_comes_the_limit_holds_and_a_round_is_halved_once(
    moves: list[tuple[float, int, list[CallReport]]],
) -> None:
    """Never more in flight than the limit, never a limit below one or above the bound, and never a gate for ever."""
    state, now = Concurrency(), 0.0
    under_way: list[Call] = []
    halved_by = -1
    for seconds, wanted, told in moves:
        now += seconds
        for _ in range(wanted):
            limit = state.limit
            call = state.start(now)
            if call is None:
                break
            under_way.append(call)
            assert state.in_flight == len(under_way) <= limit
        for report in told:
            if not under_way:
                break
            call, before = under_way.pop(0), state.limit
            last_number = under_way[-1].number if under_way else call.number
            state.end(call, now, report)
            if state.limit < before - 1:
                # Only a refusal takes more than one, and only the first of its round.
                assert report.verdict == "busy"
                assert call.number > halved_by
                assert state.limit >= before // 2
                halved_by = last_number
            assert 1 <= state.limit <= MOST
        assert state.opens_at(now) <= now + 2 * 900
