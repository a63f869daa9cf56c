"""Which kinds of jobs there are, for a page on which a person chooses one."""

from typing import Final

from nightshift import job_types
from nightshift.api.route import ApiCall, ApiRoute
from nightshift.api.shapes.job_types import JobTypeList, JobTypeView


async def list_all(_call: ApiCall) -> JobTypeList:
    """List the job types, with the fields of their inputs and what a job costs."""
    return JobTypeList(
        jobTypes=[
            JobTypeView(
                name=each.name,
                title=each.title,
                fields=list(each.input_model.model_fields),
                batchTokens=each.tokens["batch"],
                instantTokens=each.tokens["instant"],
            )
            for each in job_types.registered().values()
        ]
    )


ROUTES: Final = (ApiRoute(method="GET", path="/job-types", who="user", handler=list_all, answer=JobTypeList),)
