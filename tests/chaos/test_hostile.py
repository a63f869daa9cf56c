"""A slice of the hostile users beside honest ones, and the proof that an interference is found."""

import pytest

from nightshift.jobs import created
from nightshift.runtime import Runtime
from nightshift.tick import tick
from tests.chaos.hostile_api import MOVES
from tests.chaos.neighbours import BUDGET_USD, MOST_TOKENS, Ask, Example, Interference, Round, besiege, compare


def test_what_hostile_users_do_is_not_felt_by_honest_ones() -> None:
    """Random moves within the rules: each honest job ends after as many ticks, at the same price, with its answer."""
    effort = besiege(number=1, examples=1)

    assert effort.examples == 1
    assert effort.users
    assert effort.steps


@pytest.mark.parametrize("part", range(2))
def test_no_single_move_is_felt(part: int) -> None:
    """Each move once, half of them in each example, with a budget or a limit of tokens: none is left to chance."""
    asks = [Ask("alice", "text", False), Ask("bob", "photo", False), Ask("alice", "instant", False)]
    moves = sorted(MOVES)[part::2]
    first = Round(asks=asks, moves=[(name, 0) for name in moves], is_hostile_first=True, expires=True)
    # What of it lost its event is the tick's to find, among all that the others left.
    asks = [Ask("bob", "text", True), Ask("alice", "bulk", True)]
    lost = Round(asks=asks, moves=[("odd_ids", 2)], is_hostile_first=False, expires=False)

    effort = compare(Example([first, lost], budget_usd=(BUDGET_USD, 0.0)[part], most_tokens=(0, MOST_TOKENS)[part]))

    assert effort.steps > effort.denied > 0


async def _rescue_without_bound(runtime: Runtime) -> None:
    """What a tick must not do: all that is there first, however long it takes."""
    for job_id in await created.created_before(runtime, runtime.now()):
        for _ in range(6):
            await created.read(runtime, job_id)


def test_a_tick_that_lets_one_duty_take_all_its_time_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a rescue that goes first and knows no bound, abandoned jobs make an honest user wait: an interference."""
    real = tick._Tick.run

    async def run(self: tick._Tick) -> None:
        await _rescue_without_bound(self._runtime)
        await real(self)

    monkeypatch.setattr(tick._Tick, "run", run)
    asks, moves = [Ask("alice", "text", False)], [("abandoned_jobs", 1)]
    crowded = Round(asks=asks, moves=moves, is_hostile_first=True, expires=False)

    with pytest.raises(Interference, match="honest0: ticks is 1 alone"):
        # Fewer calls that take longer.
        compare(Example([crowded], call_seconds=0.2, quiet_ticks=1))
