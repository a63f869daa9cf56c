"""What holds the model to the world: it plays the burst of `make bench`, on the machine on which that ran."""

from dataclasses import replace
from typing import Any

from simulate.scenario import Scenario
from simulate.service_times import ServiceTimes
from simulate.system import System

# One process of each function, as the local stack has them.
_ONE_EACH = dict.fromkeys(("on_ai_job_created", "ingest_batch_results", "process_batch_jobs", "answer_bulk_part"), 1)
# How long the local provider keeps a batch: validating, in progress, finalizing.
_PROVIDER_SECONDS = 2.0


def predicted(numbers: dict[str, Any]) -> System:
    """The burst as the model has it, by the service times that were measured in it; played to its end."""
    scenario = Scenario(
        name="the burst of make bench",
        jobs=numbers["jobs"],
        arriving=numbers["written_seconds"],
        users=numbers["users"],
        batch_seconds=_PROVIDER_SECONDS,
        batch_spread=0.0,
        tick_seconds=60 / numbers["ticks_per_minute"],
        first_tick=numbers["first_tick_seconds"],
        instances=_ONE_EACH,
    )
    # The processes were there before the first job.
    times = replace(ServiceTimes.measured(numbers), cold_start=0.0)
    system = System(scenario, times, (numbers["cores_left_admitting"], numbers["cores_left_settling"]))
    system.run()
    return system
