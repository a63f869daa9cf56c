"""What a call costs, from genai-prices' list, which ships with the package: nothing is asked over the network."""

from decimal import Decimal
from functools import lru_cache
from typing import Final

from nightshift.providers.registry import TRAITS
from nightshift.values.usage import Usage

# Beyond every step of a listed price that depends on the number of tokens.
_VERY_MANY: Final = 10_000_000


def realtime_cost_usd(provider: str, model: str, usage: Usage) -> float | None:
    """The realtime price of so many tokens, in US dollars; None for a model that has no listed price."""
    price = _realtime_cost_usd(provider, model, usage)
    return None if price is None else float(price)


def batch_cost_usd(provider: str, model: str, usage: Usage) -> float | None:
    """The price of the same tokens in the batch lane, in US dollars; None where it is not known."""
    price = _realtime_cost_usd(provider, model, usage)
    traits = TRAITS.get(provider)
    return None if price is None or traits is None else float(price * traits.batch_price)


def _realtime_cost_usd(provider: str, model: str, usage: Usage) -> Decimal | None:
    prices = _token_prices_usd(provider, model)
    if prices is None:
        return None
    input_usd, cached_usd, output_usd = prices
    if input_usd is None or cached_usd is None or output_usd is None:
        return _listed_usd(provider, model, usage)
    cached = usage.cached_input_tokens
    return input_usd * (usage.input_tokens - cached) + cached_usd * cached + output_usd * usage.output_tokens


@lru_cache(maxsize=64)
def _token_prices_usd(provider: str, model: str) -> tuple[Decimal | None, Decimal | None, Decimal | None] | None:
    """The prices of one input, one cached input and one output token.

    Each is None where it depends on how many there are; None = unlisted. To ask the list takes a tenth of a
    millisecond, which is much for each of 50,000 jobs.
    """

    def price(**tokens: int) -> Decimal | None:
        one, very_many = Usage(**tokens), Usage(**{name: number * _VERY_MANY for name, number in tokens.items()})
        least, most = _listed_usd(provider, model, one), _listed_usd(provider, model, very_many)
        return least if least * _VERY_MANY == most else None

    try:
        return price(input_tokens=1), price(input_tokens=1, cached_input_tokens=1), price(output_tokens=1)
    except LookupError:
        return None


def _listed_usd(provider: str, model: str, usage: Usage) -> Decimal:
    from genai_prices import Usage as BilledUsage
    from genai_prices import calc_price

    billed = BilledUsage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cached_input_tokens,
        output_tokens=usage.output_tokens,
    )
    traits = TRAITS.get(provider)
    provider_id = traits.price_list if traits else provider
    return calc_price(billed, model_ref=model, provider_id=provider_id).total_price
