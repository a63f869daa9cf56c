"""A model by its name."""

import pytest

from nightshift.providers.registry import lane_of
from nightshift.values.model_name import ModelName


@pytest.mark.parametrize(
    ("name", "provider", "model"),
    [
        ("gpt-5-mini", "openai", "gpt-5-mini"),
        ("openai:gpt-5-mini", "openai", "gpt-5-mini"),
        ("ft:gpt-4o-mini:acme::9f", "openai", "ft:gpt-4o-mini:acme::9f"),
        ("openai:llama3.2:3b", "openai", "llama3.2:3b"),
    ],
)
def test_a_model_is_named_with_its_provider_or_is_openais(name: str, provider: str, model: str) -> None:
    """A model's own name may hold colons, as that of a tuned model, or one on a private server."""
    assert ModelName.parse(name) == ModelName(provider=provider, model=model)
    lane = lane_of(name)
    assert (lane.provider, lane.model) == (provider, model)


@pytest.mark.parametrize("name", ["nobody:gpt-5", "llama3.2:3b", "openai:", "", "openai: gpt-5", ":gpt-5"])
def test_an_unknown_provider_is_no_model(name: str) -> None:
    """It is an error, and no model of OpenAI's with a strange name."""
    with pytest.raises(ValueError, match=r"provider|no model"):
        ModelName.parse(name)
