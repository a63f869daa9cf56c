"""In which lane a job type's jobs are answered."""

from typing import Any

import structlog

from nightshift.errors import JobRefused
from nightshift.job_types.base import JobType
from nightshift.providers.registry import lane_of
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane
from nightshift.values.texts import Text

log = structlog.get_logger()


def lane_for(runtime: Runtime, job_type: JobType[Any], model: str | None = None) -> Lane:
    """The lane of a job type's model. Raises JobRefused(unknown_job_type) if it cannot be answered here.

    Args:
        model: `[provider:]model` that an operator wants instead.
    """
    is_vector = job_type.dimensions is not None
    try:
        lane = lane_of(model or runtime.settings.model_of(job_type.name, job_type.model), is_vector=is_vector)
    except ValueError:
        raise JobRefused("unknown_job_type", Text.KIND_NOT_ANSWERED.say(), "there is no model for it") from None
    # An operator's shell may have fewer keys than the functions, so there no job is refused for it.
    if runtime.settings.target and not runtime.providers.has(lane.provider):
        told = runtime.instance.absent_providers
        if lane.provider not in told:
            told.add(lane.provider)
            log.error("provider_absent", provider=lane.provider, model=lane.model)
        raise JobRefused("unknown_job_type", Text.KIND_NOT_ANSWERED.say(), f"no key for {lane.provider}")
    return lane
