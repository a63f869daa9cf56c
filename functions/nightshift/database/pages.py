"""Reading a live database whole: page by page, and each page with all that belongs to it as of one instant.

Firestore answers reads as of any moment of the last hour, without a lock: `readTime` in
https://firebase.google.com/docs/firestore/reference/rest/v1/projects.databases.documents/runQuery. What is read as of
the moment of its page was true together, however fast the documents move.
"""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from nightshift.database.commits import READ
from nightshift.runtime import Runtime

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference, DocumentSnapshot

    Snapshot = DocumentSnapshot[Any]

PAGE: Final = 300


async def pages(query: Any, at: datetime | None = None, size: int = PAGE) -> AsyncIterator[list["Snapshot"]]:
    """The documents of a collection or query in the order of their ids, a page at a time; no page is empty.

    Args:
        at: the moment as of which all pages are read; None = each as of now, which its snapshots' `read_time` tells.
        size: how many documents are on a page; a page of what may be large is small, or leaves the large fields out.
    """
    query = query.order_by("__name__").limit(size)
    page = await query.get(read_time=at, **READ)
    while page:
        yield page
        if len(page) < size:
            return
        page = await query.start_after(page[-1]).get(read_time=at, **READ)


async def read_at(
    runtime: Runtime, refs: Iterable["AsyncDocumentReference"], at: datetime | None
) -> dict[str, "Snapshot"]:
    """The documents as of one moment, by path; one that does not exist is left out."""
    wanted = list(refs)
    if not wanted:
        return {}
    found = runtime.firestore.get_all(wanted, read_time=at, **READ)
    return {snapshot.reference.path: snapshot async for snapshot in found if snapshot.exists}
