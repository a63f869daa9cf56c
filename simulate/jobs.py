"""Jobs that arrive together and go the same way: a million are simulated as some thousand groups."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(kw_only=True)
class Group:
    """So many jobs, and when they reached each stage; seconds of the simulation."""

    jobs: int
    written_at: float
    # From when on answers in real time were tried for.
    admitted_at: float = 0.0
    submitted_at: float = 0.0
    settled_at: float = 0.0
    is_failed: bool = False


def wait_at(groups: Sequence[Group], share: float, stage: str) -> float:
    """How long so many of the jobs waited at most, from the write until a stage (`admitted_at` or `settled_at`)."""
    waits = sorted((getattr(group, stage) - group.written_at, group.jobs) for group in groups)
    wanted = share * sum(jobs for _, jobs in waits)
    seen = 0
    for seconds, jobs in waits:
        seen += jobs
        if seen >= wanted:
            return float(seconds)
    return 0.0
