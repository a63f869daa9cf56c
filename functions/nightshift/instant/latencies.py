"""What is known of how long answers in real time take, lane by lane: `latencies/{lane}`.

The last write wins. Two sweeps that learn at once lose one's lesson, and the next sweep learns it again.
"""

from collections.abc import Sequence
from typing import Any

from google.cloud.firestore import SERVER_TIMESTAMP

from nightshift.database.collections import LATENCIES
from nightshift.database.commits import READ, Commit
from nightshift.instant.deadline import learned
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane


async def read_all(runtime: Runtime) -> dict[str, float]:
    """The learned seconds by lane: one read for each."""
    known = await runtime.firestore.collection(LATENCIES).get(**READ)
    return {str(snapshot.get("lane")): _seconds(snapshot) for snapshot in known}


async def learn(runtime: Runtime, lane: Lane, seen_seconds: Sequence[float]) -> None:
    """Learn from some answers, at least one. Raises Undecided, which may be ignored: the next ones teach the same."""
    ref = runtime.firestore.collection(LATENCIES).document(lane.document_id)
    seconds = learned(_seconds(await ref.get(**READ)), seen_seconds)
    commit = Commit(runtime)
    commit.set(ref, {"lane": str(lane), "seconds": seconds, "updatedAt": SERVER_TIMESTAMP})
    await commit.send()


def _seconds(snapshot: Any) -> float:
    seconds = (snapshot.to_dict() or {}).get("seconds")
    return float(seconds) if isinstance(seconds, int | float) else 0.0
