"""What a call costs, from genai-prices' list, which ships with the package: nothing is asked over the network."""

from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from nightshift.providers.registry import TRAITS
from nightshift.values.usage import Usage

# Beyond every step of a listed price that depends on the number of tokens.
_VERY_MANY: Final = 10_000_000


def realtime_cost_usd(provider: str, model: str, usage: Usage) -> float | None:
    """The realtime price of so many tokens, in US dollars; None for a model that has no listed price."""
    price = _cost_usd(provider, model, usage, is_batch=False)
    return None if price is None else float(price)


def batch_cost_usd(provider: str, model: str, usage: Usage) -> float | None:
    """The price of the same tokens in the batch lane, in US dollars; None where it is not known.

    It is the list's own, where that has one: some providers take less off a cached token. Of a model without one the
    list would give the full price; then it is the provider's share of that.
    """
    traits = TRAITS.get(provider)
    is_listed = _lists_batches(provider, model)
    price = _cost_usd(provider, model, usage, is_batch=is_listed)
    if price is None or traits is None:
        return None
    return float(price if is_listed else price * traits.batch_price)


def _cost_usd(provider: str, model: str, usage: Usage, *, is_batch: bool) -> Decimal | None:
    prices = _token_prices_usd(provider, model, is_batch=is_batch)
    if prices is None:
        return None
    input_usd, cached_usd, output_usd = prices
    if input_usd is None or cached_usd is None or output_usd is None:
        return _listed_usd(provider, model, usage, is_batch=is_batch)
    cached = usage.cached_input_tokens
    return input_usd * (usage.input_tokens - cached) + cached_usd * cached + output_usd * usage.output_tokens


@lru_cache(maxsize=64)
def _lists_batches(provider: str, model: str) -> bool:
    """Whether the list has a price of its own for this model's batches."""
    one = Usage(input_tokens=1, output_tokens=1)
    try:
        full, batch = (_listed_usd(provider, model, one, is_batch=is_batch) for is_batch in (False, True))
    except LookupError:
        return False
    return batch != full


@lru_cache(maxsize=128)
def _token_prices_usd(
    provider: str, model: str, *, is_batch: bool
) -> tuple[Decimal | None, Decimal | None, Decimal | None] | None:
    """The prices of one input, one cached input and one output token.

    Each is None where it depends on how many there are; None = unlisted. To ask the list takes a tenth of a
    millisecond, which is much for each of 50,000 jobs.
    """

    def price(**tokens: int) -> Decimal | None:
        one, very_many = Usage(**tokens), Usage(**{name: number * _VERY_MANY for name, number in tokens.items()})
        least, most = (_listed_usd(provider, model, usage, is_batch=is_batch) for usage in (one, very_many))
        return least if least * _VERY_MANY == most else None

    try:
        return price(input_tokens=1), price(input_tokens=1, cached_input_tokens=1), price(output_tokens=1)
    except LookupError:
        return None


def _listed_usd(provider: str, model: str, usage: Usage, *, is_batch: bool) -> Decimal:
    from genai_prices import Usage as BilledUsage
    from genai_prices import calc_price

    billed = BilledUsage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cached_input_tokens,
        output_tokens=usage.output_tokens,
    )
    traits = TRAITS.get(provider)
    provider_id = traits.price_list if traits else provider
    context: dict[str, Any] = {"price_context": {"processing": "batch"}} if is_batch else {}
    return calc_price(billed, model_ref=model, provider_id=provider_id, **context).total_price
