"""A slice of the fuzzing; `make chaos` plays more than ten thousand inputs."""

import pytest

from tests.fuzz.rounds import KINDS, Round, rounds, run

_INPUTS = {"documents": 15, "lines": 15, "batch-objects": 6, "events": 20, "pure": 125}


@pytest.mark.parametrize("kind", KINDS)
def test_arbitrary_input_breaks_nothing_and_delays_no_other_job(kind: str) -> None:
    """Whatever comes, it is dealt with, the documents are as the contract has them, and others are answered."""
    asked = Round(kind=kind, seed=1, inputs=_INPUTS.get(kind, 50))

    assert run(asked) >= asked.inputs


def test_a_run_of_the_chaos_has_ten_thousand_requests_to_the_api_beside_ten_thousand_other_inputs() -> None:
    """The usual number, whatever the shares of the kinds are."""
    planned = [(one.kind, one.inputs) for one in rounds(1, 10_000)]

    assert sum(inputs for kind, inputs in planned if kind == "api-requests") >= 10_000
    assert sum(inputs for kind, inputs in planned if "api-requests" not in kind) >= 10_000
