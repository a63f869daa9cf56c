"""Single documents, read together: under load one call reads what all the triggers of an instance ask for.

A document is billed the same either way; but a call costs more than what it reads, in time and in computing.
"""

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from nightshift.database.commits import READ
from nightshift.database.gathering import Gathered, Gathering
from nightshift.runtime import Runtime

if TYPE_CHECKING:
    from google.cloud.firestore import DocumentSnapshot

    Read = Gathered[str, DocumentSnapshot[Any]]

_MOST_DOCUMENTS: Final = 100


async def read(runtime: Runtime, path: str) -> "DocumentSnapshot[Any]":
    """The document at a path, as it is at some moment after this call; it may not exist."""
    return await runtime.instance.reads.ask(path)


def new_reads(runtime: Runtime) -> "Gathering[str, DocumentSnapshot[Any]]":
    """The reads of an instance."""
    return Gathering(partial(_read_all, runtime), most=_MOST_DOCUMENTS)


async def _read_all(runtime: Runtime, answers: "Read") -> None:
    refs = [runtime.firestore.document(path) for path in answers]
    async for snapshot in runtime.firestore.get_all(refs, **READ):
        answers[snapshot.reference.path].set_result(snapshot)
