"""What a call costs is what the list says, however often it is asked."""

from decimal import Decimal

import pytest
from genai_prices import Usage as BilledUsage
from genai_prices import calc_price

from nightshift.model.batch import Usage
from nightshift.model.pricing import batch_cost_usd, realtime_cost_usd

# The last has a price that rises with the length of the prompt.
MODELS = [("openai", "gpt-5-mini"), ("openai", "gpt-4o-mini"), ("google", "gemini-2.5-pro")]


@pytest.mark.parametrize(("provider", "model"), MODELS)
@pytest.mark.parametrize("tokens", [(0, 0), (1, 1), (312, 45), (150_000, 1), (250_000, 9_000), (3_000_000_000, 7_000)])
def test_the_price_is_the_listed_one(provider: str, model: str, tokens: tuple[int, int]) -> None:
    """In the batch lane it is half of that."""
    usage = Usage(input_tokens=tokens[0], output_tokens=tokens[1])
    billed = BilledUsage(input_tokens=tokens[0], output_tokens=tokens[1])
    listed = calc_price(billed, model_ref=model, provider_id=provider).total_price
    assert realtime_cost_usd(provider, model, usage) == pytest.approx(float(listed), rel=1e-12)
    assert batch_cost_usd(provider, model, usage) == pytest.approx(float(listed / Decimal(2)), rel=1e-12)


def test_a_model_that_is_not_listed_has_no_price() -> None:
    """Nothing is guessed."""
    usage = Usage(input_tokens=1, output_tokens=1)
    assert realtime_cost_usd("openai", "my-own-model", usage) is None
    assert batch_cost_usd("nobody", "my-own-model", usage) is None
