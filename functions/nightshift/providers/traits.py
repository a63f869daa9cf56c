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
    # What one batch may hold.
    max_requests: int
    max_bytes: int
    # Within which it ends a batch.
    window: timedelta
    # The media types of images that its models read.
    image_types: frozenset[str]
    # Whether a batch carries our id, so that one whose creation went unheard is recognized. Without it, it is
    # recognized by evidence (batches/evidence.py).
    is_stamped: bool
    # Whether its listing of batches begins with the newest.
    lists_newest_first: bool
    # Whether a batch's requests are uploaded before it is created, or go in with its creation.
    takes: Literal["file", "inline"]
    # How long a create may be on its way: all that a batch may hold, where its requests go in with it.
    create_time: timedelta
    # The price of a request in a batch, as a share of the same request's price in real time.
    batch_price: Decimal
