"""What a call costs, from genai-prices' list, which ships with the package: nothing is asked over the network."""

from decimal import Decimal
from typing import Final

from nightshift.model.batch import Usage

# A batch request is billed at half the realtime price: https://openai.com/api/pricing, "Batch API".
BATCH_PRICE: Final = Decimal("0.5")


def realtime_cost_usd(provider: str, model: str, usage: Usage) -> float | None:
    """The realtime price of so many tokens, in US dollars; None for a model that has no listed price."""
    from genai_prices import Usage as BilledUsage
    from genai_prices import calc_price

    try:
        price = calc_price(
            BilledUsage(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens),
            model_ref=model,
            provider_id=provider,
        )
    except LookupError:
        return None
    return float(price.total_price)


def batch_cost_usd(provider: str, model: str, usage: Usage) -> float | None:
    """The price of the same tokens in the batch lane, in US dollars."""
    realtime = realtime_cost_usd(provider, model, usage)
    return None if realtime is None else float(Decimal(str(realtime)) * BATCH_PRICE)
