"""Where everything lies in Firestore, and how a job is read from its document."""

from typing import Any, Final

from google.cloud.firestore import DocumentSnapshot, FieldFilter

from nightshift.model.job import Job
from nightshift.runtime import Runtime

JOBS: Final = "ai_jobs"
BATCHES: Final = "ai_batches"
LANES: Final = "lanes"
WALLETS: Final = "wallets"
LEDGER: Final = "ledger"
CLASSIFICATIONS: Final = "classifications"
NOTIFICATIONS: Final = "notifications"


def jobs_where(runtime: Runtime, **fields: str) -> Any:
    """The query for jobs whose fields have these values, at least one."""
    query: Any = runtime.firestore.collection(JOBS)
    for name, wanted in fields.items():
        query = query.where(filter=FieldFilter(name, "==", wanted))
    return query


def job_of(snapshot: "DocumentSnapshot[Any]") -> Job:
    """The admitted job of a document."""
    fields: dict[str, Any] = snapshot.to_dict() or {}
    return Job(
        job_id=snapshot.id,
        user_id=fields["userId"],
        type=fields["type"],
        input=fields["input"],
        status=fields["status"],
        lane=fields["lane"],
        batch_id=fields.get("batchId"),
        attempts=fields.get("attempts", 0),
        tokens_spent=fields.get("tokensSpent", 0),
        update_time=snapshot.update_time,
    )
