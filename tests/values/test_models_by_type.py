"""NIGHTSHIFT_MODELS: models of single job types, whatever their files say."""

import pytest

from nightshift import job_types
from nightshift.jobs.lane import lane_for
from nightshift.values.models_by_type import parse_models
from tests.support.world import World


def test_each_job_type_has_its_model() -> None:
    """With blanks around them; a model's own name may hold colons."""
    found = parse_models("creative_scoring=anthropic:claude-haiku-4-5, photo_rating = openai:llama3.2:3b")
    assert found == {"creative_scoring": "anthropic:claude-haiku-4-5", "photo_rating": "openai:llama3.2:3b"}


@pytest.mark.parametrize(
    "text",
    ["creative_scoring", "a=gpt-5,", "a=gpt-5,a=gpt-5-mini", "a=nobody:gpt-5", "=gpt-5", "a=", "A b=gpt-5"],
)
def test_a_list_of_another_form_stops_the_start(text: str) -> None:
    """Also a job type that comes twice, and an unknown provider."""
    with pytest.raises(ValueError, match=r"it is not like|provider|no model"):
        parse_models(text)


async def test_the_setting_goes_before_the_file_and_before_the_one_model(world: World) -> None:
    """A type of the list has the list's model, another one its own or NIGHTSHIFT_MODEL; an operator's wish wins."""
    world.set_env(NIGHTSHIFT_MODELS="video_analysis=gemini:gemini-2.5-pro,photo_rating=gpt-5-nano")
    runtime = world.operators_runtime()

    def model(name: str, wanted: str | None = None) -> str:
        return lane_for(runtime, job_types.find(name), wanted).model

    assert model("video_analysis") == "gemini-2.5-pro"
    assert model("photo_rating") == "gpt-5-nano"
    assert model("embedding") == "text-embedding-3-small"
    assert model("waste_classification") == runtime.settings.model
    assert model("photo_rating", "openai:gpt-5") == "gpt-5"
