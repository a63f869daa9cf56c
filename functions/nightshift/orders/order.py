"""An order: a wish that is on record, `orders/{orderId}`, until a worker or the tick has carried it out.

| kind | what it wishes |
|---|---|
| `submit` | send the queued jobs of one lane, or of all lanes, now, whatever holds submission or the lane back |
| `retry_jobs` | run all failed jobs again that a filter matches |

It is recorded first, then a worker is called. A crash in between, and a lost message, leave an open order, which the
next tick finds. Both kinds can be repeated without harm: what was submitted is queued no more, and what runs again has
failed no more. So an order that was half done is simply begun again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args

OrderKind = Literal["submit", "retry_jobs"]
_KINDS: Final[tuple[OrderKind, ...]] = get_args(OrderKind)

OPEN: Final = "open"
DONE: Final = "done"


@dataclass(frozen=True, kw_only=True)
class Order:
    """An order as read from its document."""

    order_id: str
    kind: OrderKind
    # `submit`: the lane, None = all lanes. `retry_jobs`: the filter's fields.
    wish: Mapping[str, Any]
    status: str
    by: str
    created_at: datetime
    # `retry_jobs`: the last job that was dealt with; None = begin at the first.
    after: str | None
    # How many jobs ended in which status, or why they were left.
    counts: Mapping[str, int]

    @classmethod
    def read(cls, order_id: str, fields: Mapping[str, Any], created_at: datetime | None) -> "Order | None":
        """The order in a document's fields; None if they hold none. `created_at` is the document's."""
        kind = next((kind for kind in _KINDS if kind == fields.get("kind")), None)
        wish, counts = fields.get("wish"), fields.get("counts")
        if kind is None or not isinstance(wish, Mapping) or created_at is None:
            return None
        after = fields.get("after")
        return cls(
            order_id=order_id,
            kind=kind,
            wish=wish,
            status=str(fields.get("status")),
            by=str(fields.get("by")),
            created_at=created_at,
            after=after if isinstance(after, str) else None,
            counts=counts if isinstance(counts, Mapping) else {},
        )
