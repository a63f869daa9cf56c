"""Single documents, read together: under load one call reads what all the triggers of an instance ask for.

A document is billed the same either way; but a call costs more than what it reads, in time and in computing. What is
too large in a document is left unread (oversized.py), so one user's document does not hold up those of the others.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from google.cloud.firestore import DocumentSnapshot

from nightshift.database.commits import READ
from nightshift.database.grouped_calls import Group, GroupedCalls
from nightshift.database.oversized import MOST_VALUES, fields_of
from nightshift.runtime import Runtime

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference

    Read = Group[str, DocumentSnapshot[Any]]

_MOST_DOCUMENTS: Final = 100
# Firestore's own limit: https://firebase.google.com/docs/firestore/quotas
_A_DOCUMENT: Final = 1_048_576


async def read(runtime: Runtime, path: str) -> "DocumentSnapshot[Any]":
    """The document at a path, as it is at some moment after this call; it may not exist."""
    return await runtime.instance.reads.ask(path)


def new_reads(runtime: Runtime) -> "GroupedCalls[str, DocumentSnapshot[Any]]":
    """The reads of an instance."""
    return GroupedCalls(partial(_read_all, runtime), most=_MOST_DOCUMENTS)


async def read_fields(
    runtime: Runtime, ref: "AsyncDocumentReference", names: Sequence[str], most_values: int
) -> "DocumentSnapshot[Any]":
    """These fields of a document alone, however large; where they have too many values, the largest are UNREAD."""
    client = runtime.firestore
    path = ref._document_path
    request = {"database": client._database_string, "documents": [path], "mask": {"field_paths": list(names)}}
    found = await client._firestore_api.batch_get_documents(request=request, metadata=client._rpc_metadata, **READ)
    responses = [response async for response in found]
    return _snapshot(client, ref, responses[0], _A_DOCUMENT, _A_DOCUMENT, most_values)


async def _read_all(runtime: Runtime, answers: "Read") -> None:
    client, bounds = runtime.firestore, runtime.instance.bounds
    refs = {ref._document_path: ref for ref in map(client.document, answers)}
    request = {"database": client._database_string, "documents": list(refs)}
    # The client's own `get_all` turns each document into values, however large it is.
    found = await client._firestore_api.batch_get_documents(request=request, metadata=client._rpc_metadata, **READ)
    async for response in found:
        ref = refs[response._pb.found.name or response._pb.missing]
        snapshot = _snapshot(client, ref, response, bounds.read_field_bytes, bounds.read_bytes)
        answers[ref.path].set_result(snapshot)


def _snapshot(
    client: Any,
    ref: "AsyncDocumentReference",
    response: Any,
    field_bytes: int,
    most_bytes: int,
    most_values: int = MOST_VALUES,
) -> "DocumentSnapshot[Any]":
    document = response._pb.found
    exists = bool(document.name)
    return DocumentSnapshot(
        ref,
        fields_of(document, client, field_bytes, most_bytes, most_values) if exists else None,
        exists=exists,
        read_time=response.read_time,
        create_time=response.found.create_time if exists else None,
        update_time=response.found.update_time if exists else None,
    )
