"""The facts about xAI: https://docs.x.ai/docs/guides/batch-api."""

from datetime import timedelta
from decimal import Decimal
from typing import Final

from nightshift.providers.openai.request import ENDPOINT
from nightshift.providers.traits import Traits

TRAITS: Final = Traits(
    endpoint=ENDPOINT,
    max_requests=50_000,
    max_bytes=200_000_000,
    # It promises nothing; most batches end within this. What is answered can be read for 30 days.
    window=timedelta(hours=24),
    # https://docs.x.ai/docs/guides/image-understanding
    image_types=frozenset({"image/jpeg", "image/png"}),
    # By its name.
    is_stamped=True,
    # It states no order, and of a creation only the day.
    lists_newest_first=False,
    takes="file",
    create_time=timedelta(minutes=1),
    # A fifth off, where others take half.
    batch_price=Decimal("0.8"),
    price_list="x-ai",
)
