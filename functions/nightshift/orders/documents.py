"""Orders in Firestore: recorded once under their id, and found while they are open."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from google.cloud.firestore import SERVER_TIMESTAMP, FieldFilter

from nightshift.database.collections import ORDERS
from nightshift.database.commits import READ, Commit, Undecided, attempts
from nightshift.orders.order import OPEN, Order, OrderKind
from nightshift.runtime import Runtime

# A done order is kept for those who ask what became of it; Firestore's TTL deletes it.
_KEPT: Final = timedelta(days=30)
_MOST_OPEN: Final = 50


async def record(runtime: Runtime, order_id: str, kind: OrderKind, wish: Mapping[str, Any], by: str) -> Order:
    """Put an order on record, unless there is one of this id; returns what is there then. Raises TryLater."""
    ref = runtime.firestore.collection(ORDERS).document(order_id)
    fields = {"kind": kind, "wish": wish, "by": by, "status": OPEN, "counts": {}}
    async for _ in attempts():
        found = await read(runtime, order_id)
        if found:
            return found
        commit = Commit(runtime)
        expire_at = runtime.now() + _KEPT
        commit.create(ref, {**fields, "createdAt": SERVER_TIMESTAMP, "expireAt": expire_at})
        try:
            at = await commit.send()
        except Undecided:
            continue
        order = Order.read(order_id, fields, at)
        if order:
            return order
    raise AssertionError("attempts() ends by raising")


async def read(runtime: Runtime, order_id: str) -> Order | None:
    """The order of this id, or None."""
    snapshot = await runtime.firestore.collection(ORDERS).document(order_id).get(**READ)
    return Order.read(order_id, snapshot.to_dict() or {}, snapshot.create_time)


async def open_orders(runtime: Runtime) -> list[Order]:
    """The orders that are not carried out yet. One read, and one more for each of them."""
    query = runtime.firestore.collection(ORDERS).where(filter=FieldFilter("status", "==", OPEN)).limit(_MOST_OPEN)
    found = [Order.read(one.id, one.to_dict() or {}, one.create_time) for one in await query.get(**READ)]
    return sorted((order for order in found if order), key=lambda order: order.created_at)
