"""A short slice of the random nights; `make chaos` runs many and long ones."""

import pytest

from tests.chaos.machine import COUNT
from tests.chaos.schedules import run_nights


@pytest.mark.parametrize("seed", range(2))
def test_random_nights_end_well(seed: int) -> None:
    """Whatever happens in whatever order, the model never objects."""
    steps = COUNT.steps
    run_nights(seed, steps=25)
    assert COUNT.steps > steps
