"""The facts about Anthropic: https://platform.claude.com/docs/en/build-with-claude/batch-processing."""

from datetime import timedelta
from decimal import Decimal
from typing import Final

from nightshift.providers.traits import Traits

TRAITS: Final = Traits(
    endpoint="/v1/messages",
    max_requests=100_000,
    max_bytes=256_000_000,
    window=timedelta(hours=24),
    # https://platform.claude.com/docs/en/build-with-claude/vision
    image_types=frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"}),
    # A batch there has no field of ours: neither metadata nor a name.
    is_stamped=False,
    lists_newest_first=True,
    takes="inline",
    create_time=timedelta(minutes=5),
    batch_price=Decimal("0.5"),
    price_list="anthropic",
)
