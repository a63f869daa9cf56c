"""Where a job goes whose lane is late or broken: the fallback lane, if there is one for it.

`NIGHTSHIFT_FALLBACK_MODEL` names it for all job types; a job type may name its own, or none. A job stays where it is if
the other lane cannot do what its own can. Vectors of two models cannot be compared, and not every model reads images.
"""

from typing import Any

from nightshift import job_types
from nightshift.errors import JobRefused
from nightshift.job_types.base import JobType
from nightshift.jobs.job import Job
from nightshift.jobs.settlement import Fallback
from nightshift.providers.registry import TRAITS, lane_of
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane


def fallback_of(runtime: Runtime, lane: Lane) -> Fallback:
    """What gives the lane to which a job of this lane may be moved; None for one that stays."""
    return lambda job: _fallback(runtime, lane, job)


def may_leave(runtime: Runtime, lane: Lane, *, has_keys: bool = True) -> bool:
    """Whether jobs of some type may be moved from this lane. Otherwise nothing in it need be stopped for that.

    Args:
        has_keys: False where no provider has a key, as in the API: then only the settings are asked.
    """
    traits = TRAITS.get(lane.provider)
    is_vector = traits is not None and lane.endpoint == traits.embeddings_endpoint
    types = [each for each in job_types.registered().values() if (each.dimensions is not None) == is_vector]
    return any(_other(runtime, lane, job_type, has_keys=has_keys) for job_type in types)


def _fallback(runtime: Runtime, lane: Lane, job: Job) -> Lane | None:
    try:
        other = _other(runtime, lane, job_types.find(job.type))
    except JobRefused:
        return None
    return None if other and job.input.get("imageUri") and not _sees_as_much(other, lane) else other


def _other(runtime: Runtime, lane: Lane, job_type: JobType[Any], *, has_keys: bool = True) -> Lane | None:
    name = job_type.fallback_model or runtime.settings.fallback_model
    if name is None or not job_type.falls_back:
        return None
    try:
        other = lane_of(name, is_vector=job_type.dimensions is not None)
    except ValueError:
        return None
    return other if other != lane and (not has_keys or runtime.providers.has(other.provider)) else None


def _sees_as_much(other: Lane, lane: Lane) -> bool:
    """Whether the other lane's model reads every image that this lane's does."""
    theirs, ours = TRAITS[other.provider], TRAITS.get(lane.provider)
    return theirs.reads_images(other.model) and (ours is None or theirs.image_types >= ours.image_types)
