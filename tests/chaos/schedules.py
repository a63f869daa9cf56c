"""Random nights by seed: the same seed makes the same night, as far as the network lets it."""

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.chaos.machine import Night

# Hypothesis begins with a night in which next to nothing happens.
NIGHTS_PER_SEED = 4


def run_nights(number: int, steps: int) -> None:
    """Run the nights of a seed, up to `steps` steps each. Raises what the model objects to, with the steps."""
    nights = settings(
        max_examples=NIGHTS_PER_SEED,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(number)(Night), settings=nights)
