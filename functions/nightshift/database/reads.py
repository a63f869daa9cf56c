"""Reads of documents by their paths, and of queries, straight from the database's messages (decoding.py).

Single documents are read together: under load one call reads what all the triggers of an instance ask for. A document
is billed the same either way; but a call costs more than what it reads, in time and in computing. What is too large in
such a document is left unread (oversized.py), so one user's document does not hold up those of the others.
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from nightshift.database.commits import PASSING, STREAM_SECONDS, Undecided
from nightshift.database.decoding import Snapshot
from nightshift.database.grouped_calls import Group, GroupedCalls
from nightshift.database.oversized import fields_of
from nightshift.runtime import Runtime

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference

    Read = Group[str, Snapshot]

_MOST_DOCUMENTS: Final = 100
# Firestore's own limit: https://firebase.google.com/docs/firestore/quotas
_DOCUMENT_BYTES: Final = 1_048_576


async def read(runtime: Runtime, path: str) -> Snapshot:
    """The document at a path, as it is at some moment after this call; it may not exist."""
    return await runtime.instance.reads.ask(path)


def new_reads(runtime: Runtime) -> "GroupedCalls[str, Snapshot]":
    """The reads of an instance."""
    return GroupedCalls(partial(_read_all, runtime), most=_MOST_DOCUMENTS)


async def read_fields(
    runtime: Runtime, ref: "AsyncDocumentReference", names: Iterable[str], most_values: int
) -> Snapshot:
    """These fields of a document alone, however large; where they have too many values, the largest are UNREAD."""
    (answer,) = await runtime.instance.firestore_calls.get([ref._document_path], names)
    found = answer.found if answer.found.name else None
    fields = found and fields_of(found, runtime.firestore, _DOCUMENT_BYTES, _DOCUMENT_BYTES, most_values)
    return Snapshot(ref, found, answer.read_time, fields or None)


async def read_each(
    runtime: Runtime, refs: Iterable["AsyncDocumentReference"], field_paths: Iterable[str] | None = None
) -> list[Snapshot]:
    """The documents at these places that exist, in no order.

    Args:
        field_paths: the fields that are read of each; None = all of them.
    """
    wanted = {ref._document_path: ref for ref in refs}
    if not wanted:
        return []
    answers = await runtime.instance.firestore_calls.get(list(wanted), field_paths)
    return [
        Snapshot(wanted[answer.found.name], answer.found, answer.read_time) for answer in answers if answer.found.name
    ]


async def fetch(runtime: Runtime, query: Any) -> list[Snapshot]:
    """All documents of a query, at once."""
    return [_snapshot(query, answer) for answer in await runtime.instance.firestore_calls.query(query)]


async def stream(runtime: Runtime, query: Any) -> AsyncGenerator[Snapshot, None]:
    """A query's documents as they come, however many. Raises Undecided when the stream breaks off."""
    try:
        async with aclosing(runtime.instance.firestore_calls.stream(query, STREAM_SECONDS)) as answers:
            async for answer in answers:
                yield _snapshot(query, answer)
    except PASSING as error:
        raise Undecided(error) from error


def _snapshot(query: Any, answer: Any) -> Snapshot:
    ref = query._parent.document(answer.document.name.rpartition("/")[2])
    return Snapshot(ref, answer.document, answer.read_time)


async def _read_all(runtime: Runtime, answers: "Read") -> None:
    client, bounds = runtime.firestore, runtime.instance.bounds
    refs = {ref._document_path: ref for ref in map(client.document, answers)}
    for message in await runtime.instance.firestore_calls.get(list(refs)):
        found = message.found if message.found.name else None
        ref = refs[message.found.name or message.missing]
        fields = found and fields_of(found, client, bounds.read_field_bytes, bounds.read_bytes)
        answers[ref.path].set_result(Snapshot(ref, found, message.read_time, fields or None))
