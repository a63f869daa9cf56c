"""The facts about OpenAI: https://platform.openai.com/docs/guides/batch; its price: https://openai.com/api/pricing."""

from datetime import timedelta
from decimal import Decimal
from typing import Final

from nightshift.providers.openai.embedding import EMBEDDINGS
from nightshift.providers.openai.request import ENDPOINT
from nightshift.providers.traits import Traits

TRAITS: Final = Traits(
    endpoint=ENDPOINT,
    embeddings_endpoint=EMBEDDINGS,
    max_requests=50_000,
    max_bytes=200_000_000,
    window=timedelta(hours=24),
    # https://platform.openai.com/docs/guides/images-vision#image-input-requirements
    image_types=frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"}),
    is_stamped=True,
    lists_newest_first=True,
    takes="file",
    create_time=timedelta(minutes=1),
    batch_price=Decimal("0.5"),
    price_list="openai",
)
