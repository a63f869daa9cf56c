"""The one writer of `economy/{uid}` and its points. Each function adds writes to the commit of its caller.

Points come in the commit that completes a job. That commit is refused as a whole when the job has moved on, so no
answer brings its points twice. It reads nothing for them: the sums are added up by Firestore.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from google.cloud.firestore import SERVER_TIMESTAMP

from nightshift.database.collections import ECONOMY, POINTS
from nightshift.database.commits import Commit
from nightshift.earning.economy import POINTS_FOR_A_TOKEN, POINTS_FOR_AN_ANSWER, Economy
from nightshift.runtime import Runtime

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference, DocumentSnapshot

# What stands in a field's path as it is.
_PLAIN: Final = re.compile(r"[a-z_][a-z0-9_]{0,99}")


def economy_ref(runtime: Runtime, user_id: str) -> "AsyncDocumentReference":
    """Where a user's points, streak and days lie."""
    ref: AsyncDocumentReference = runtime.firestore.collection(ECONOMY).document(user_id)
    return ref


def add_for_answers(runtime: Runtime, writes: Commit, user_id: str, answered: Sequence[tuple[str, str]]) -> None:
    """Add the points of a user's jobs that this commit completes.

    Args:
        answered: the id and the type of each job.
    """
    ref = economy_ref(runtime, user_id)
    # A job's id may be used again, a year later.
    moment = int(runtime.now().timestamp() * 1000)
    for job_id, job_type in answered:
        entry = {"points": POINTS_FOR_AN_ANSWER, "kind": "answer", "jobId": job_id, "type": job_type}
        writes.create(ref.collection(POINTS).document(f"{job_id}.{moment}"), {**entry, "createdAt": SERVER_TIMESTAMP})
    of_types = Counter(job_type for _, job_type in answered if _PLAIN.fullmatch(job_type))
    writes.add_up(
        ref,
        {
            "points": POINTS_FOR_AN_ANSWER * len(answered),
            "answered": len(answered),
            **{f"answeredOf.{job_type}": count for job_type, count in of_types.items()},
        },
    )


def take_for_tokens(writes: Commit, economy: "DocumentSnapshot[Any]", entry_id: str, tokens: int) -> int:
    """Add the entry of the points that are turned into tokens, under the id of the ledger's; returns the points."""
    points = tokens * POINTS_FOR_A_TOKEN
    taken = {"points": -points, "kind": "conversion", "createdAt": SERVER_TIMESTAMP}
    writes.create(economy.reference.collection(POINTS).document(entry_id), taken)
    return points


def write(writes: Commit, read: "DocumentSnapshot[Any]", economy: Economy) -> None:
    """Write what a claim changes, under the update time at which it was read."""
    fields: dict[str, Any] = {**economy.claim_fields(), "updatedAt": SERVER_TIMESTAMP}
    if read.exists:
        writes.update(read.reference, fields, read_as_of=read.update_time)
    else:
        writes.create(read.reference, {**fields, "answered": 0})


def rewrite(
    writes: Commit, read: "DocumentSnapshot[Any]", points: int, answered: int, answered_of: Mapping[str, int]
) -> None:
    """Write the sums as the entries have them, under the reading at which they were summed up."""
    fields = {"points": points, "answered": answered, "answeredOf": dict(answered_of), "updatedAt": SERVER_TIMESTAMP}
    if read.exists:
        writes.update(read.reference, fields, read_as_of=read.update_time)
    else:
        writes.create(read.reference, fields)
