"""The job types, as the API lists them."""

from pydantic import Field

from nightshift.api.shapes.common import ApiModel, example


class JobTypeView(ApiModel):
    """One kind of question."""

    name: str
    title: str
    fields: list[str] = Field(description="What its input may hold.")
    batchTokens: int = Field(description="What a job costs its user at the speed `batch`.")
    instantTokens: int


class JobTypeList(ApiModel):
    """All job types."""

    jobTypes: list[JobTypeView]

    model_config = example(
        jobTypes=[
            {
                "name": "waste_classification",
                "title": "Waste sorted",
                "fields": ["text", "imageUri"],
                "batchTokens": 1,
                "instantTokens": 5,
            }
        ]
    )
