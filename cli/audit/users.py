"""The documents that are named after users, some at a time."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from nightshift.database.commits import READ
from nightshift.database.pages import PAGE
from nightshift.runtime import Runtime

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference

_AT_ONCE: Final = 16


async def bunches(runtime: Runtime, collection: str) -> AsyncIterator[list["AsyncDocumentReference"]]:
    """The collection's documents, also those that do not exist while something lies below them."""
    bunch: list[AsyncDocumentReference] = []
    async for ref in runtime.firestore.collection(collection).list_documents(page_size=PAGE, **READ):
        bunch.append(ref)
        if len(bunch) == _AT_ONCE:
            yield bunch
            bunch = []
    if bunch:
        yield bunch
