"""The registered job types: one file each, found by being here. A file gives its `JOB_TYPE`."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from nightshift.errors import JobRefused
from nightshift.job_types.base import JobType
from nightshift.values.texts import Text


@cache
def registered() -> dict[str, JobType[Any]]:
    """Every job type by its name."""
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__) if module.name != "base")
    job_types: list[JobType[Any]] = [module.JOB_TYPE for module in modules]
    return {job_type.name: job_type for job_type in job_types}


def find(name: str) -> JobType[Any]:
    """The job type of that name. Raises JobRefused(unknown_job_type)."""
    job_type = registered().get(name)
    if job_type is None:
        raise JobRefused("unknown_job_type", Text.KIND_UNKNOWN.say(), "no job type has this name")
    return job_type
