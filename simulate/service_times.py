"""How long each step takes: measured by `make bench`, or assumed, and then said so here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class ServiceTimes:
    """Seconds of CPU per job by function, and what a job writes and reads."""

    trigger_cpu: float
    ingest_cpu: float
    tick_cpu: float
    writes: float
    reads: float
    # Of everything that runs beside the functions, on one machine: until a job is admitted, and from then on.
    machine_admitting: float = 0.0
    machine_settling: float = 0.0
    # Assumed: three calls of Firestore from the same region, one after the other, until a job is admitted.
    trigger_waiting: float = 0.045
    cold_start: float = 1.6

    @classmethod
    def measured(cls, numbers: Mapping[str, Any]) -> Self:
        """From what a run of the burst recorded."""
        cpu: Mapping[str, float] = numbers["cpu_ms_per_job"]
        # Both stages go on at once for most of the run: the whole is divided as the functions' own CPU is.
        of_all = numbers["cpu_ms_per_job_admitting"] + numbers["cpu_ms_per_job_settling"]
        admitting = cpu["on_ai_job_created"] / sum(cpu.values())
        return cls(
            trigger_cpu=cpu["on_ai_job_created"] / 1000,
            ingest_cpu=(cpu["ingest_batch_results"] + cpu.get("openai_webhook", 0.0)) / 1000,
            tick_cpu=cpu["process_batch_jobs"] / 1000,
            writes=numbers["writes_per_job"],
            reads=numbers["reads_per_job"],
            machine_admitting=of_all * admitting / 1000,
            machine_settling=of_all * (1 - admitting) / 1000,
        )
