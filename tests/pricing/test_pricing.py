"""What a call costs is what the list says, however often it is asked."""

from decimal import Decimal

import pytest
from genai_prices import Usage as BilledUsage
from genai_prices import calc_price

from nightshift.pricing.prices import batch_cost_usd, realtime_cost_usd
from nightshift.values.usage import Usage

# The last has a price that rises with the length of the prompt.
MODELS = [("openai", "gpt-5-mini"), ("openai", "gpt-4o-mini"), ("google", "gemini-2.5-pro")]


def assert_batch_price(provider: str, model: str, billed: BilledUsage) -> None:
    """The list's own price of a batch, or half of the full one; of an unknown provider the discount is not known."""
    full = calc_price(billed, model_ref=model, provider_id=provider).total_price
    own = calc_price(billed, model_ref=model, provider_id=provider, price_context={"processing": "batch"}).total_price
    price = pytest.approx(float(own if own != full else full / Decimal(2)), rel=1e-12)
    usage = Usage(
        input_tokens=int(billed.input_tokens or 0),
        cached_input_tokens=int(billed.cache_read_tokens or 0),
        output_tokens=int(billed.output_tokens or 0),
    )
    assert batch_cost_usd(provider, model, usage) == (price if provider == "openai" else None)


@pytest.mark.parametrize(("provider", "model"), MODELS)
@pytest.mark.parametrize("tokens", [(0, 0), (1, 1), (312, 45), (150_000, 1), (250_000, 9_000), (3_000_000_000, 7_000)])
def test_the_price_is_the_listed_one(provider: str, model: str, tokens: tuple[int, int]) -> None:
    """In the batch lane it is half of that."""
    usage = Usage(input_tokens=tokens[0], output_tokens=tokens[1])
    billed = BilledUsage(input_tokens=tokens[0], output_tokens=tokens[1])
    listed = calc_price(billed, model_ref=model, provider_id=provider).total_price
    assert realtime_cost_usd(provider, model, usage) == pytest.approx(float(listed), rel=1e-12)
    assert_batch_price(provider, model, billed)


@pytest.mark.parametrize(("provider", "model"), [*MODELS, ("openai", "gpt-3.5-turbo"), ("openai", "gpt-5.4")])
@pytest.mark.parametrize("tokens", [(1, 1, 1), (1_900, 1_792, 300), (250_000, 200_000, 9_000)])
def test_cached_input_tokens_have_the_listed_price_of_their_own(
    provider: str, model: str, tokens: tuple[int, int, int]
) -> None:
    """A model without such a price in the list is billed in full; some have no discount on them in a batch."""
    usage = Usage(input_tokens=tokens[0], cached_input_tokens=tokens[1], output_tokens=tokens[2])
    billed = BilledUsage(input_tokens=tokens[0], cache_read_tokens=tokens[1], output_tokens=tokens[2])
    listed = calc_price(billed, model_ref=model, provider_id=provider).total_price
    assert realtime_cost_usd(provider, model, usage) == pytest.approx(float(listed), rel=1e-12)
    assert_batch_price(provider, model, billed)


def test_a_cached_token_of_gpt_5_mini_costs_a_tenth() -> None:
    """https://openai.com/api/pricing: 0.25 and 0.025 dollars a million."""
    cached = Usage(input_tokens=1_000_000, cached_input_tokens=1_000_000)
    assert realtime_cost_usd("openai", "gpt-5-mini", cached) == pytest.approx(0.025)
    assert realtime_cost_usd("openai", "gpt-5-mini", Usage(input_tokens=1_000_000)) == pytest.approx(0.25)


@pytest.mark.parametrize("told", [None, -1, 1.5, "12", True, {"tokens": 1}, 2**80, 500])
def test_no_more_of_the_input_is_cached_than_there_is(told: object) -> None:
    """Whatever the provider says, a price is never below that of a cached token."""
    counted = Usage.counted(input_tokens=100, output_tokens=7, cached_input_tokens=told)
    assert counted == Usage(input_tokens=100, output_tokens=7, cached_input_tokens=100 if told == 500 else 0)
    assert Usage.read(counted.fields()) == counted


def test_a_model_that_is_not_listed_has_no_price() -> None:
    """Nothing is guessed."""
    usage = Usage(input_tokens=1, output_tokens=1)
    assert realtime_cost_usd("openai", "my-own-model", usage) is None
    assert batch_cost_usd("unknown", "my-own-model", usage) is None


@pytest.mark.parametrize(
    ("provider", "model", "share"),
    [
        ("openai", "gpt-5-mini", 0.5),
        ("anthropic", "claude-haiku-4-5", 0.5),
        ("gemini", "gemini-2.5-flash", 0.5),
        ("groq", "openai/gpt-oss-20b", 0.5),
        ("xai", "grok-4.3", 0.8),
        # The list has no batch price of these, and would give the full one.
        ("groq", "llama-3.3-70b-versatile", 0.5),
        ("openai", "text-embedding-3-small", 0.5),
    ],
)
def test_a_batch_never_costs_the_full_price_in_silence(provider: str, model: str, share: float) -> None:
    """By the list's own batch price; without one, by the provider's share."""
    usage = Usage(input_tokens=1_000_000, output_tokens=1_000)
    full = realtime_cost_usd(provider, model, usage)
    assert full
    assert batch_cost_usd(provider, model, usage) == pytest.approx(full * share)


def test_a_cached_token_of_gemini_costs_the_same_in_a_batch() -> None:
    """https://ai.google.dev/gemini-api/docs/pricing: no discount upon the discount."""
    cached = Usage(input_tokens=1_000_000, cached_input_tokens=1_000_000)
    assert batch_cost_usd("gemini", "gemini-2.5-flash", cached) == realtime_cost_usd(
        "gemini", "gemini-2.5-flash", cached
    )
