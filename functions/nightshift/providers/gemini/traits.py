"""The facts about Gemini's Developer API: https://ai.google.dev/gemini-api/docs/batch-api."""

from datetime import timedelta
from decimal import Decimal
from typing import Final

from nightshift.providers.traits import Traits

EMBEDDINGS: Final = "embedContent"
TRAITS: Final = Traits(
    endpoint="generateContent",
    embeddings_endpoint=EMBEDDINGS,
    # No number is stated; a file may hold 2 GB.
    max_requests=50_000,
    max_bytes=2_000_000_000,
    # What it aims at; what has not ended after 48 hours expires, and then nothing of it is answered.
    window=timedelta(hours=24),
    # https://ai.google.dev/gemini-api/docs/image-understanding: no GIF.
    image_types=frozenset({"image/jpeg", "image/png", "image/webp"}),
    # By its display name.
    is_stamped=True,
    # It states no order.
    lists_newest_first=False,
    takes="file",
    create_time=timedelta(minutes=1),
    batch_price=Decimal("0.5"),
    price_list="google",
    # Whether finished work of a stopped batch is billed, and can be read, is not stated.
    reveals_stopped=False,
)
