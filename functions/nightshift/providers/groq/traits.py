"""The facts about Groq: https://console.groq.com/docs/batch; its models: https://console.groq.com/docs/models."""

from datetime import timedelta
from decimal import Decimal
from typing import Final

from nightshift.providers.openai.request import ENDPOINT
from nightshift.providers.traits import Traits

# https://console.groq.com/docs/structured-outputs: elsewhere a schema is followed as well as the model can.
STRICT_MODELS: Final = frozenset({"openai/gpt-oss-20b", "openai/gpt-oss-120b"})

TRAITS: Final = Traits(
    endpoint=ENDPOINT,
    max_requests=50_000,
    # The guide says 200 MB, the SDK's reference 100 MB.
    max_bytes=100_000_000,
    window=timedelta(hours=24),
    # https://console.groq.com/docs/vision
    image_types=frozenset({"image/jpeg", "image/png", "image/webp", "image/gif"}),
    seeing_models=("meta-llama/llama-4-",),
    is_stamped=True,
    # It states no order.
    lists_newest_first=False,
    takes="file",
    create_time=timedelta(minutes=1),
    batch_price=Decimal("0.5"),
    price_list="groq",
)
