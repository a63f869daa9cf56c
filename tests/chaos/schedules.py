"""Random nights by seed: the same seed makes the same nights, as far as the network lets it."""

from dataclasses import dataclass, replace

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.chaos.machine import COUNT, Count, Night

# Hypothesis begins with a night in which next to nothing happens.
_NIGHTS_PER_SEED = 4
_STEPS = 40


@dataclass(frozen=True)
class Played:
    """What came of the nights of a seed."""

    seed: int
    # What is broken, with the steps that led there; empty if nothing is.
    broken: str
    count: Count


def run_nights(number: int, steps: int) -> None:
    """Play the nights of a seed, up to so many steps each. Raises what the model objects to, with the steps."""
    nights = settings(
        max_examples=_NIGHTS_PER_SEED,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(number)(Night), settings=nights)


def play(number: int) -> Played:
    """Play the nights of a seed. Never raises for what is broken in them."""
    before = replace(COUNT)
    broken = ""
    try:
        run_nights(number, _STEPS)
    except Exception as error:  # noqa: BLE001 - whatever breaks is the outcome
        broken = "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])])
    return Played(number, broken, COUNT - before)
