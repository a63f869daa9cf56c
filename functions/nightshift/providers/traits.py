"""What a provider can do, and where its bounds are: facts of its documentation, known without a call."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Traits:
    """The facts about one provider."""

    # The API that its lanes are named after.
    endpoint: str
    # The API of lanes whose answers are vectors; None = it has none in batches.
    embeddings_endpoint: str | None = None
    # What one batch may hold.
    max_requests: int
    max_bytes: int
    # Within which it ends a batch.
    window: timedelta
    # The media types of images that its models read.
    image_types: frozenset[str]
    # What the names of models begin with that read images; None = all do.
    seeing_models: tuple[str, ...] | None = None
    # Whether a batch carries our id, so that one whose creation went unheard is recognized. Without it, it is
    # recognized by evidence (batches/evidence.py).
    is_stamped: bool
    # Whether its listing of batches begins with the newest.
    lists_newest_first: bool
    # Whether a batch's requests are uploaded before it is created, or go in with its creation.
    takes: Literal["file", "inline"]
    # How long a create may be on its way: all that a batch may hold, where its requests go in with it.
    create_time: timedelta
    # Whether a batch that was stopped shows what was answered, and billed, before.
    reveals_stopped: bool = True
    # Its name in the list of prices: https://github.com/pydantic/genai-prices.
    price_list: str
    # The price of a request in a batch, as a share of the same request's price in real time.
    batch_price: Decimal

    def reads_images(self, model: str) -> bool:
        """Whether this model of the provider's reads images."""
        return self.seeing_models is None or model.startswith(self.seeing_models)
